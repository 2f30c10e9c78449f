"""The file that is answered: read as the adapter's own were written where that fits, and given back as it came."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from adapters import Adapter, Base
from hub import Hub, Registry
from hub.bulk import Asking, answer_file
from recipes.options import FormatOptions
from tests.adapters import models
from tests.hub.bulk.test_answering import read
from tests.hub.voices import voice
from tests.recipes.data.test_file_bytes import workbook

BARS, COMMAS = "acme/spring/behavior", "globex/launch/behavior"


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama")


def trained(base: Base, data: dict[str, Any], roles: list[str]) -> Adapter:
    info = {"recipe": {"task": "behavior", "data": data}, "data": {"roles": roles}}
    return replace(voice(base, 3, 0.1), info=info)


@pytest.fixture(scope="module")
def registry(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    hub = Hub(tmp_path_factory.mktemp("files") / "hub")
    bars = {"format": {"delimiter": "bar", "columns": ["text", "label"]}}
    hub.publish(trained(base, bars, ["text"]), BARS)
    commas = {"features": ["price"], "format": {"decimal": "comma"}}
    hub.publish(trained(base, commas, ["text", "price"]), COMMAS)
    registry = Registry(hub, base, follow=False)
    yield registry
    registry.close()


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_file_is_read_as_those_of_training_were(registry: Registry, tmp_path: Path) -> None:
    data = write(tmp_path / "in.csv", "so late|mad\nso good, thanks|glad\n")
    answer_file(registry, Asking("analyze", BARS), data, tmp_path / "out.jsonl")
    told = read(tmp_path / "out.jsonl")
    assert [(row["text"], row["label"]) for row in told] == [("so late", "mad"), ("so good, thanks", "glad")]
    assert all(row["answer_label"] for row in told)


@pytest.mark.parametrize(
    "content",
    [
        "text,label\nso late,mad\nso good,glad\n",
        "text|label\nso late|mad\nso good|glad\n",
        "text\nso late\nx\n",
    ],
)
def test_a_file_that_is_written_otherwise_is_read_by_its_own_lines(
    registry: Registry, tmp_path: Path, content: str
) -> None:
    data = write(tmp_path / "in.csv", content)
    assert answer_file(registry, Asking("analyze", BARS), data, tmp_path / "out.jsonl").rows == 2
    assert read(tmp_path / "out.jsonl")[0]["text"] == "so late"


def test_a_file_of_another_kind_is_read_all_the_same(registry: Registry, tmp_path: Path) -> None:
    parquet.write_table(pa.table({"text": ["so late"]}), tmp_path / "in.parquet")
    assert (
        answer_file(registry, Asking("analyze", BARS), tmp_path / "in.parquet", tmp_path / "out.csv").errors
        == 0
    )


def test_what_is_said_of_the_file_holds(registry: Registry, tmp_path: Path) -> None:
    data = write(tmp_path / "in.csv", "so late|mad\nso good|glad\n")
    written = FormatOptions(delimiter="comma", columns=["text"])
    answer_file(registry, Asking("analyze", BARS), data, tmp_path / "out.jsonl", written=written)
    assert [row["text"] for row in read(tmp_path / "out.jsonl")] == ["so late|mad", "so good|glad"]


@pytest.mark.parametrize("by", [None, "adapter"])
def test_numbers_are_read_as_in_training_and_given_back_as_they_came(
    registry: Registry, tmp_path: Path, by: str | None
) -> None:
    data = write(
        tmp_path / "in.csv", f"text;price;adapter\nso late;1.012,50;{COMMAS}\nso good;3,5;{COMMAS}\n"
    )
    asking = Asking("analyze", by=by) if by else Asking("analyze", COMMAS)
    found = answer_file(registry, asking, data, tmp_path / "out.csv")
    told = read(tmp_path / "out.csv")
    assert [row["price"] for row in told] == ["1.012,50", "3,5"] and "decimal comma" in "".join(found.notes)
    for row, price in zip(told, ("1012.50", "3.5"), strict=True):
        (alone,) = registry.analyze(COMMAS, [{"text": row["text"], "price": price}])
        assert json.loads(row["answer_probabilities"]) == pytest.approx(dict(alone.probabilities), abs=1e-5)


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("given", [".csv", ".jsonl", ".parquet"])
def test_cells_come_back_with_the_white_space_around_them(
    registry: Registry, tmp_path: Path, given: str, ending: str
) -> None:
    rows = [
        {"text": " so late", "note": "  two\t", "id": " 7 "},
        {"text": "so good\u00a0", "note": "", "id": "8"},
    ]
    data = tmp_path / f"in{given}"
    if given == ".csv":
        write(data, 'text,note,id\n so late,"  two\t", 7 \nso good\u00a0,,8\n')
    elif given == ".jsonl":
        write(data, "".join(json.dumps(row) + "\n" for row in rows))
    else:
        parquet.write_table(pa.Table.from_pylist(rows), data)
    answer_file(
        registry,
        Asking("analyze", "globex/launch/behavior@1", columns={"price": "id"}),
        data,
        tmp_path / f"o{ending}",
    )
    assert [{name: row[name] for name in rows[0]} for row in read(tmp_path / f"o{ending}")] == rows


def test_packed_files_and_workbooks_are_answered_too(registry: Registry, tmp_path: Path) -> None:
    lines = b"text,price\nso late,3\nso good,4\n"
    parquet.write_table(
        pa.table({"text": ["so late", "so good"], "price": [3, 4], "tags": [["a"], []]}), tmp_path / "p"
    )
    files = {
        "a.csv.gz": gzip.compress(lines),
        "a.csv.zst": pa.compress(lines, codec="zstd", asbytes=True),
        "a.xlsx": workbook([["text", "price"], ["so late", 3], ["so good", 4]]),
        "a.parquet.gz": gzip.compress((tmp_path / "p").read_bytes()),
        "really-parquet.csv": (tmp_path / "p").read_bytes(),
    }
    for name, content in files.items():
        out = tmp_path / f"{name}.out.parquet"
        found = answer_file(registry, Asking("analyze", COMMAS), write(tmp_path / name, content), out)
        told = read(out)
        assert (found.rows, found.errors) == (2, 0), name
        assert [str(row["price"]) for row in told] == ["3", "4"] and told[1]["text"] == "so good"
        if "parquet" in name:  # with its own types
            assert [(row["price"], row["tags"]) for row in told] == [(3, ["a"]), (4, [])]
