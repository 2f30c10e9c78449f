"""Reading files: the true line of every row, nothing guessed, and every way in which a file can be broken."""

import json
from pathlib import Path
from typing import Any

import pytest

from recipes.data.tables import Table, read_tables
from recipes.errors import DataError
from recipes.tasks.templates import text_of


def read(path: Path, content: str | bytes) -> Table:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    [table] = read_tables(path)
    return table


def rows(table: Table) -> list[tuple[int, dict[str, Any]]]:
    assert table.problems == ()
    return [(row.line, dict(row.cells)) for row in table.rows]


def told(table: Table) -> list[tuple[int | None, str]]:
    return [(problem.line, f"{problem.message}. {problem.fix}") for problem in table.problems]


def test_csv_lines_are_those_of_the_file_though_cells_hold_line_breaks(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", 'text,label\r\n"one\r\ntwo\r\n",x\r\n\r\n"say ""hi"", all",y\r\n')
    assert rows(table) == [
        (2, {"text": "one\r\ntwo", "label": "x"}),
        (6, {"text": 'say "hi", all', "label": "y"}),
    ]


def test_csv_cells_stay_as_written(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", "a,b,c,d\n007,NA, 1.50 ,TRUE\n")
    assert rows(table) == [(2, {"a": "007", "b": "NA", "c": "1.50", "d": "TRUE"})]


def test_a_byte_order_mark_belongs_to_no_column(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", b"\xef\xbb\xbftext,label\n\xe5\xa5\xbd,1\n")
    assert table.columns == ("text", "label")
    assert rows(table) == [(2, {"text": "好", "label": "1"})]


@pytest.mark.parametrize(("suffix", "separator"), [(".tsv", "\t"), (".csv", ";"), (".csv", "\t")])
def test_other_separators_are_read(tmp_path: Path, suffix: str, separator: str) -> None:
    table = read(tmp_path / f"a{suffix}", f'text{separator}label\n"a, b{separator}c"{separator}x\n')
    assert rows(table) == [(2, {"text": f"a, b{separator}c", "label": "x"})]


def test_a_comma_inside_the_header_does_not_hide_the_separator(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", '"a, b, c";label\nx;y\n')
    assert rows(table) == [(2, {"a, b, c": "x", "label": "y"})]
    assert table.notes == ("a.csv: read as separated by semicolons",)


def test_rows_of_the_wrong_width_are_reported_each(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", "text,label\nyes, sir,1\nfine,0\nshort\n")
    assert [(line, text.split(".")[0]) for line, text in told(table)] == [
        (2, "the row has 3 cells, the header 2"),
        (4, "the row has 1 cells, the header 2"),
    ]
    assert [row.line for row in table.rows] == [3]


def test_an_open_quote_is_reported_where_its_row_begins(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", 'text,label\nfine,1\n"never closed,0\nnext,1\n')
    [(line, text)] = told(table)
    assert line == 3
    assert "no valid CSV" in text and "double the quotes" in text


@pytest.mark.parametrize(
    ("encoding", "probably", "converted"),
    [
        ("gbk", "GBK (GB18030)", "iconv -f GB18030 -t UTF-8"),
        ("big5", "Big5", "iconv -f BIG5"),
        ("utf-16-le", "UTF-16", "iconv -f UTF-16LE"),
    ],
)
def test_another_encoding_is_named_with_its_byte_its_line_and_the_command(
    tmp_path: Path, encoding: str, probably: str, converted: str
) -> None:
    text = "text,label\nplain,1\n送餐很快，味道不好，我很生氣的，人也是一樣,0\n"
    text = text if encoding == "big5" else text.replace("氣", "气").replace("樣", "样")
    raw = text.encode(encoding)
    table = read(tmp_path / "评论.csv", raw)
    [problem] = table.problems
    try:
        raw.decode("utf-8")
        offset = raw.index(b"\0")
    except UnicodeDecodeError as error:
        offset = error.start
    assert problem.message == f"byte {offset} is not UTF-8; the file is probably {probably}"
    assert converted in problem.fix and "评论-utf8.csv" in problem.fix
    assert problem.line == raw.count(b"\n", 0, offset) + 1


def test_western_text_is_taken_for_windows_1252(tmp_path: Path) -> None:
    [problem] = read(
        tmp_path / "a.csv", "text,label\nA café in the city, open all day\n".encode("cp1252")
    ).problems
    assert "Windows-1252" in problem.message
    assert problem.line == 2


def test_text_that_was_damaged_before_is_noted(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", "text,label\nfine,1\ncaf\ufffd,0\n")
    assert "1 rows hold the replacement character" in table.notes[0] and "line 3" in table.notes[0]


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "empty"), (b" \n", "empty"), (b"a,b\n", "a header and no row")]
)
def test_a_file_without_rows_is_reported(tmp_path: Path, content: bytes, message: str) -> None:
    [problem] = read(tmp_path / "a.csv", content).problems
    assert message in problem.message


def test_a_missing_file_names_near_ones(tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text("a\n1\n")
    (tmp_path / ".click.csv.lock").touch()
    [table] = read_tables(tmp_path / "click.csv")
    assert told(table) == [(None, "there is no such file. Did you mean clicks.csv?")]
    [table] = read_tables(tmp_path)
    assert told(table) == [(None, "this is a folder. Name its files: clicks.csv")]
    [table] = read_tables(tmp_path / "clicks.xlsx")
    assert "no such file" in told(table)[0][1]
    assert ".docx is not read. Save it as one of .csv, .tsv" in told(read(tmp_path / "a.docx", "x"))[0][1]


def test_json_lines_and_arrays_keep_their_lines(tmp_path: Path) -> None:
    records = [{"text": "a", "label": 1}, {"text": "b", "tags": ["x", "y"]}]
    lines = "\n".join(json.dumps(record) for record in records)
    assert rows(read(tmp_path / "a.jsonl", lines)) == [(1, records[0]), (2, records[1])]
    assert rows(read(tmp_path / "b.json", "\n" + lines)) == [(2, records[0]), (3, records[1])]
    array = json.dumps(records, indent=2)
    assert rows(read(tmp_path / "c.json", array)) == [(2, records[0]), (6, records[1])]
    assert read(tmp_path / "c.json", array).columns == ("text", "label", "tags")


def test_rows_are_read_again_and_a_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", "text\na\nb\n")
    assert [row.line for row in table.rows] == [row.line for row in table.rows] == [2, 3]
    (tmp_path / "a.csv").write_text("text\na\nb\nc\n")
    with pytest.raises(DataError, match="has changed while it was read"):
        list(table.rows)


def test_text_that_is_damaged_far_into_a_file_is_found(tmp_path: Path) -> None:
    rows = b"text\n" + b"good\n" * 300_000
    table = read(tmp_path / "a.csv", rows + "caf\ufffd\n".encode())
    assert "the first in line 300002" in table.notes[0]
    [problem] = read(tmp_path / "b.csv", rows + b"caf\xe9\n").problems
    assert (problem.line, problem.message.split(";")[0]) == (300_002, f"byte {len(rows) + 3} is not UTF-8")
    table = read(tmp_path / "c.csv", b"text\n" + ("好" * 1000 + "\n").encode() * 500)
    assert table.problems == (), "a character that lies across two pieces is whole"


def test_every_broken_json_line_is_reported(tmp_path: Path) -> None:
    table = read(tmp_path / "a.jsonl", '{"a": 1}\n{"a": }\n[1]\n{"a": 1, "a": 2}\n')
    assert [line for line, _ in told(table)] == [2, 3, 4]
    assert "expecting value" in told(table)[0][1]
    assert "the record is [1]" in told(table)[1][1]
    assert "the key `a` stands twice in one object" in told(table)[2][1]


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ('[{"a": 1},\n{"a": 2}', 2, "the array is never closed"),
        ('[{"a": 1}\n{"a": 2}]', 2, "a comma is missing"),
        ('[{"a": 1},\n{"a" 2}]', 2, "expecting ':' delimiter"),
        ('[{"a": 1}]\n[]', 1, "something follows the end of the array"),
        ('[{"a": 1},\n"b"]', 2, 'the record is "b"'),
        ("[]", None, "there is no record"),
    ],
)
def test_a_broken_array_is_reported_with_its_line(
    tmp_path: Path, content: str, line: int | None, message: str
) -> None:
    [(where, text)] = told(read(tmp_path / "a.json", content))
    assert where == line
    assert message in text


def test_parquet_and_data_sets_count_their_records(tmp_path: Path) -> None:
    from datasets import Dataset

    data = Dataset.from_dict({"text": ["a", " b "], "label": [1, None], "tags": [["x"], []]})
    data.to_parquet(str(tmp_path / "a.parquet"))
    expected = [(1, {"text": "a", "label": 1, "tags": ["x"]}), (2, {"text": "b", "label": None, "tags": []})]
    [table] = read_tables(tmp_path / "a.parquet")
    assert rows(table) == expected
    [table] = read_tables(data)
    assert rows(table) == expected
    assert "no valid Parquet" in told(read(tmp_path / "b.parquet", b"PAR1 not really"))[0][1]


def test_cells_become_text() -> None:
    assert text_of(None) == text_of(float("nan")) == ""
    assert text_of(True) == "true"
    assert text_of(3) == "3"
    assert text_of(["a", "b", None]) == "a, b"
    assert text_of({"name": "mug", "price": None, "tags": ["x", "y"]}) == "name: mug\ntags: x, y"
    assert text_of([{"a": 1, "b": 2}, {"a": 3}]) == "a: 1; b: 2, a: 3"


@pytest.mark.parametrize(
    "content",
    [",text,label\n1, nice,a\n2,bad,b,Grand total\n", "text,text\n nice,a\n"],
    ids=["a total behind the last column, and an index without a name", "a name that stands twice"],
)
def test_a_row_of_two_cells_of_one_name_can_be_given_back(tmp_path: Path, content: str) -> None:
    path = tmp_path / "in.csv"
    path.write_text(content)
    [table] = read_tables(path)
    rows = list(table.rows)
    assert [{name: cell.strip() for name, cell in row.as_came.items()} for row in rows] == [
        row.cells for row in rows
    ]
    assert rows
