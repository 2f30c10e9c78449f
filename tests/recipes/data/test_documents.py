"""A file that is called a table and holds something else is one problem; JSON is read whatever it is called."""

import json
from pathlib import Path

import pytest

from recipes.data.tables import Table, read_tables

ROWS = [{"text": f"asked for order {at}, twice", "label": "ab"[at % 2]} for at in range(12)]


def read(path: Path, content: str | bytes) -> Table:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    [table] = read_tables(path)
    return table


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<!DOCTYPE html>\n<html>\n<p>Sign in, please</p>\n<p>a, b</p></html>", "a web page"),
        ("\ufeff\n<html><table><tr><td>text</td></tr></table></html>", "a web page"),
        ('<?xml version="1.0"?>\n<rows>\n<row><text>a, b</text></row></rows>', "XML"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "Git LFS"),
        ("{\\rtf1\\ansi text,label\\par a,b}", "RTF"),
        (b"SQLite format 3\x00" + b"\x10\x00\x01\x01" * 30, "SQLite"),
    ],
)
@pytest.mark.parametrize("name", ["in.csv", "in.xls", "in.jsonl"])
def test_what_is_no_table_is_one_problem(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    [problem] = read(tmp_path / name, content).problems
    assert message in problem.message and "and no table" in problem.message


@pytest.mark.parametrize(
    "content",
    [
        "".join(json.dumps(row) + "\n" for row in ROWS),
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2),
    ],
)
@pytest.mark.parametrize("name", ["in.csv", "in.txt", "in.tsv"])
def test_json_is_read_as_json_whatever_it_is_called(tmp_path: Path, name: str, content: str) -> None:
    table = read(tmp_path / name, content)
    assert [row.cells for row in table.rows] == ROWS and table.problems == () and table.kind == "json"
    assert table.notes == (f"{name}: read as JSON, which it is by its first lines",)


@pytest.mark.parametrize("content", [{"error": {"code": 401}}, {"status": "ok", "items": ROWS}])
def test_an_answer_of_an_interface_is_no_row_of_cells(tmp_path: Path, content: object) -> None:
    assert read(tmp_path / "in.csv", json.dumps(content)).kind == "json"


@pytest.mark.parametrize(
    "content", ['{"a": 1}|x\n{"a": 2}|y\n', "[promo]|x\ntext|y\n", "[1] nice,x\n[2] bad,y\n"]
)
def test_cells_that_look_like_json_are_cells(tmp_path: Path, content: str) -> None:
    assert read(tmp_path / "in.csv", content).kind == "text"
