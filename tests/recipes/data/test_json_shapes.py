"""JSON whose rows stand elsewhere than in a list or a line each: one problem, whose command makes rows of them."""

import json
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from recipes.data.tables import read_tables

ROWS = [{"text": f"text {at}", "label": "ab"[at % 2]} for at in range(12)]
COLUMNS = {name: {str(at): row[name] for at, row in enumerate(ROWS)} for name in ("text", "label")}


def lines(indent: int | None) -> str:
    return "\n".join(json.dumps(row, indent=indent) for row in ROWS)


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"data": ROWS}),
        json.dumps({"data": ROWS, "total": 12, "errors": []}, indent=1),
        json.dumps({"it is": ROWS}, indent="\t"),
        json.dumps({"it's": ROWS}),
        lines(indent=2),
        json.dumps(ROWS[0], indent=1),
    ],
)
def test_rows_that_are_none_of_the_file_are_one_problem_and_its_command_mends_it(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "it's in.json"
    path.write_text(content)
    [table] = read_tables(path)
    [problem] = table.problems
    command = problem.fix.partition(": ")[2]
    words = shlex.split(command)
    assert words[0] == "jq" and words[-3:] == [str(path), ">", str(tmp_path / "it's in.jsonl")]
    if shutil.which("jq") is None:
        pytest.skip("needs jq")
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    [table] = read_tables(tmp_path / "it's in.jsonl")
    assert [row.cells for row in table.rows] == ROWS[: len(table.rows)] and table.problems == ()


@pytest.mark.parametrize(
    "content",
    [
        COLUMNS,
        {str(at): row for at, row in enumerate(ROWS)},
        {"columns": ["text", "label"], "index": [0], "data": [["text 0", "a"]]},
    ],
)
def test_columns_are_told_as_such(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "in.json"
    path.write_text(json.dumps(content))
    [table] = read_tables(path)
    assert [problem.message for problem in table.problems] == ["the file holds columns, and no rows"]


@pytest.mark.parametrize(
    "content",
    [
        lines(indent=None),
        json.dumps(ROWS),
        json.dumps(ROWS[0]),
        json.dumps({"product": {"name": "Tea", "price": 3}}),
        json.dumps({"product": {"name": "Tea"}, "variants": [{"size": 1}, {"size": 2}]}),
        json.dumps(
            {"messages": [{"role": "user", "content": "Tea"}, {"role": "assistant", "content": "Sip"}]}
        ),
        json.dumps({"product": "Tea", "variants": [{"size": 1}, {"size": 2}]}),
    ],
)
def test_rows_are_read_as_ever(tmp_path: Path, content: str) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(content)
    [table] = read_tables(path)
    assert table.problems == () and len(table.rows) == (12 if "11" in content else 1)


LISTS = [[*row.values()] for row in ROWS]
TEXTS = [row["text"] for row in ROWS]


@pytest.mark.parametrize(
    ("content", "called"),
    [
        ("\n".join(map(json.dumps, LISTS)), "each line is a list"),
        (json.dumps(LISTS), "each record is a list"),
        (json.dumps(LISTS, indent=2), "each record is a list"),
        ("\n".join(map(json.dumps, TEXTS)), "each line is a text"),
        (json.dumps(TEXTS), "each record is a text"),
        ("\n".join(json.dumps([row]) for row in ROWS), "each line is a list of objects"),
    ],
)
@pytest.mark.parametrize("name", ["in.json", "in.jsonl"])
def test_records_without_names_are_one_problem_and_its_command_names_them(
    tmp_path: Path, content: str, called: str, name: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    [table] = read_tables(path)
    [problem] = table.problems
    assert problem.message.startswith(called) and problem.line == 1
    if shutil.which("jq") is None:
        pytest.skip("needs jq")
    command = problem.fix.partition(": jq")[2].replace("column_1", "text").replace("column_2", "label")
    subprocess.run(f"jq{command}", shell=True, check=True, cwd=tmp_path)
    [table] = read_tables(tmp_path / ("in.jsonl" if name == "in.json" else "in-rows.jsonl"))
    expected = [{"text": text} for text in TEXTS] if "text" in called else ROWS
    assert [row.cells for row in table.rows] == expected and table.problems == ()


def test_one_record_that_is_none_among_others_is_told_alone(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('["a"]\n' + lines(indent=None))
    [table] = read_tables(path)
    assert "each" not in table.problems[0].message
    path.write_text(json.dumps([["a"], *ROWS]))
    [table] = read_tables(path)
    assert [(problem.of_row, problem.line) for problem in table.problems] == [(True, 1)]


@pytest.mark.parametrize("content", [",\n".join(map(json.dumps, ROWS)), "".join(map(json.dumps, ROWS))])
def test_objects_with_commas_or_nothing_between_are_mended_by_the_command(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "it's in.jsonl"
    path.write_text(content)
    [table] = read_tables(path)
    [fix] = {problem.fix for problem in table.problems}
    if fix.partition(": ")[2].startswith("jq") and shutil.which("jq") is None:
        pytest.skip("needs jq")
    subprocess.run(fix.partition(": ")[2], shell=True, check=True, cwd=tmp_path)
    [table] = read_tables(tmp_path / "it's in-lines.jsonl")
    assert [row.cells for row in table.rows] == ROWS and table.problems == ()


def test_rows_as_python_shows_them_are_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join(map(str, ROWS)))
    [table] = read_tables(path)
    assert {problem.fix.partition(":")[0] for problem in table.problems} == {
        "The line is how Python shows a dict"
    }
