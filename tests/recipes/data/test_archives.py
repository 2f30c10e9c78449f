"""Archives are told as such, and the command that is advised unpacks them."""

import bz2
import gzip
import io
import lzma
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from recipes.data.tables import Table, read_tables
from tests.recipes.data.test_file_bytes import workbook

CSV = b"text,label\nnice,x\n"


def zipped(*names: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name in names:
            archive.writestr(name, CSV)
    return held.getvalue()


def tarred() -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        member = tarfile.TarInfo("a.csv")
        member.size = len(CSV)
        archive.addfile(member, io.BytesIO(CSV))
    return held.getvalue()


def read(path: Path, content: bytes) -> Table:
    path.write_bytes(content)
    [table] = read_tables(path)
    return table


@pytest.mark.parametrize(
    ("name", "content", "message", "made"),
    [
        ("in.zip", zipped("a.csv"), "the file is an archive (.zip) of a.csv", "in-unpacked/a.csv"),
        (
            "in.csv",
            zipped("a.csv", "b.csv", "c.csv", "d.csv"),
            "a.csv, b.csv, c.csv and 1 more",
            "in-unpacked/d.csv",
        ),
        ("in.csv.zip", zipped("x/a.csv"), "of x/a.csv", "in-unpacked/x/a.csv"),
        ("in.xlsx", zipped("a.csv"), "(.zip) of a.csv", "in-unpacked/a.csv"),
        ("in.tar", tarred(), "the file is an archive (.tar)", "a.csv"),
        ("in.tar.gz", gzip.compress(tarred()), "(.tar)", "a.csv"),
        ("in.tgz", gzip.compress(tarred()), "(.tar)", "a.csv"),
        ("in.csv", tarred(), "(.tar)", "a.csv"),
        ("in.csv.bz2", bz2.compress(CSV), "packed by bzip2", "in.csv"),
        ("in.csv", lzma.compress(CSV), "packed by xz", "in-unpacked.csv"),
        ("it's.zip", zipped("a.csv"), "(.zip) of a.csv", "it's-unpacked/a.csv"),
        ("it's.tar", tarred(), "(.tar)", "a.csv"),
        ("it's.csv.bz2", bz2.compress(CSV), "packed by bzip2", "it's.csv"),
    ],
)
def test_an_archive_is_told_and_unpacked_by_the_command(
    tmp_path: Path, name: str, content: bytes, message: str, made: str
) -> None:
    [problem] = read(tmp_path / name, content).problems
    assert message in problem.message and problem.fix.startswith("Unpack it")
    command = problem.fix.partition(": ")[2].replace("python", f"'{sys.executable}'", 1)
    ran = subprocess.run(command, shell=True, capture_output=True)
    if ran.returncode == 127:
        pytest.skip("the program is not there")
    [table] = read_tables(tmp_path / made)
    assert [row.cells for row in table.rows] == [{"text": "nice", "label": "x"}]


@pytest.mark.parametrize(
    ("head", "ending"), [(b"7z\xbc\xaf\x27\x1c\x00\x04", ".7z"), (b"Rar!\x1a\x07\x01\x00", ".rar")]
)
@pytest.mark.parametrize("called", ["csv", "", "jsonl"])
def test_other_archives_are_known_by_their_bytes(
    tmp_path: Path, head: bytes, ending: str, called: str
) -> None:
    [problem] = read(tmp_path / f"in.{called or ending[1:]}", head + bytes(range(90))).problems
    assert problem.message == f"the file is an archive ({ending})" and problem.fix.startswith("Unpack it")


def test_what_is_read_is_no_archive(tmp_path: Path) -> None:
    assert not read(tmp_path / "a.xlsx", workbook([["text", "label"], ["nice", "x"]])).problems
    [problem] = read(tmp_path / "a.gz", gzip.compress(CSV)).problems
    assert problem.fix == "Let its name say what it holds, such as a.csv.gz"
    assert not read(tmp_path / "a.csv.gz", gzip.compress(CSV)).problems
