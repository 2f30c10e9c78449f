"""Commands that are advised work on files that are packed, whatever those are called."""

import bz2
import gzip
import io
import json
import lzma
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from recipes import Recipe
from recipes.data import check
from recipes.data.packed import plain_name
from recipes.data.tables import read_tables
from recipes.errors import DataError, Problem

ROWS = [{"text": f"so nice {i}", "label": "ab"[i % 2]} for i in range(30)]
CSV = "text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in ROWS)
ITEMS = json.dumps({"ok": True, "items": ROWS})
COMMAS = "".join(json.dumps(row) + ",\n" for row in ROWS)
TOGETHER = "".join(json.dumps(row) for row in ROWS) + "\n"
QUOTED = "".join(f'"{line}"\n' for line in CSV.splitlines())
SIGN = CSV.replace(",", "\x01")
NUL = CSV.replace("so nice 3", "so \0nice 3")
CYRILLIC = CSV.replace("so nice", "Очень хороший чай, свежий").replace("чай,", "чай")


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


def zipped(content: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("in.csv", content)
    return held.getvalue()


def told(path: Path) -> Problem | None:
    [table] = read_tables(path)
    if table.problems:
        return table.problems[0]
    try:
        check(Recipe.load("behavior"), path)
    except DataError as error:
        return error.problems[0]
    return None


def followed(problem: Problem, folder: Path) -> Path:
    """The file that the advised command writes."""
    before = {*folder.iterdir()}
    command = problem.fix.rpartition("; or set")[0] or problem.fix
    command = command.rpartition("UTF-8: ")[2] if "iconv" in command else command.partition(": ")[2]
    ran = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=folder)
    if ran.returncode == 127:
        pytest.skip("the program is not there")
    assert ran.returncode == 0, (command, ran.stderr)
    [made] = {*folder.iterdir()} - before
    return made


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("in.json", ITEMS.encode()),
        ("in.jsonl", COMMAS.encode()),
        ("in.jsonl", TOGETHER.encode()),
        ("in.csv", QUOTED.encode()),
        ("in.csv", SIGN.encode()),
        ("in.csv", NUL.encode()),
        ("in.csv", CYRILLIC.encode("cp1251")),
    ],
)
@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".zst", zstd), ("", gzip.compress)])
@pytest.mark.parametrize("dash", ["", "-"])
def test_a_packed_file_is_mended_by_the_command_too(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes,
    ending: str,
    pack: Callable[[bytes], bytes],
    dash: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(f"{dash}{name}{ending}")
    path.write_bytes(pack(content))
    problem = told(path)
    assert problem is not None
    made = followed(problem, tmp_path)
    assert told(Path(made.name)) is None
    [table] = read_tables(made)
    assert len(table.rows) == len(ROWS)


@pytest.mark.parametrize("inside", [gzip.compress, zstd, bz2.compress, lzma.compress, zipped])
@pytest.mark.parametrize(
    ("name", "outside"), [("in.csv.gz", gzip.compress), ("in.csv.zst", zstd), ("in.csv", gzip.compress)]
)
def test_what_is_packed_twice_is_unpacked_step_by_step(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    inside: Callable[[bytes], bytes],
    name: str,
    outside: Callable[[bytes], bytes],
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(name)
    path.write_bytes(outside(inside(CSV.encode())))
    problem, steps = told(path), 0
    while problem is not None and steps < 3:
        assert problem.fix.startswith("Unpack it")
        problem = Problem(
            problem.file, problem.message, problem.fix.replace("python -m", f"{sys.executable} -m")
        )
        path, steps = Path(followed(problem, tmp_path).name), steps + 1
        path = path / "in.csv" if path.is_dir() else path
        problem = told(path)
    [table] = read_tables(path)
    assert steps >= 1 and problem is None and len(table.rows) == len(ROWS)


@pytest.mark.parametrize(("name", "plain"), [("a.csv.gz", "a.csv"), ("a.ZST", "a"), ("a.csv", "a.csv")])
def test_a_name_without_its_packing(name: str, plain: str) -> None:
    assert plain_name(Path(name)) == Path(plain)
