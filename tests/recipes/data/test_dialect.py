"""How CSV and TSV files are written: decided from the file, told, settable, and never so that lines are swallowed."""

from pathlib import Path

import pytest

from recipes.data.load import load_splits
from recipes.data.tables import Table, read_tables
from recipes.errors import DataError, RecipeError
from recipes.options.data import FormatOptions
from recipes.recipe import Recipe


def read(path: Path, content: str | bytes, **given: str) -> Table:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    [table] = read_tables(path, written=FormatOptions(**given))  # type: ignore[arg-type]
    return table


def texts(table: Table) -> list[str]:
    assert table.problems == ()
    return [row.cells["text"] for row in table.rows]


def reviews(separator: str) -> str:
    rows = [f"review {i}{separator}{'good' if i % 2 else 'bad'}" for i in range(60)]
    rows[17], rows[20] = f'"Good value she said{separator}good', f'not what I paid for"{separator}bad'
    return "\n".join([f"text{separator}label", *rows, ""])


def test_a_quote_in_a_tab_separated_file_swallows_no_lines(tmp_path: Path) -> None:
    table = read(tmp_path / "a.tsv", reviews("\t"))
    assert len(texts(table)) == 60
    assert texts(table)[17] == '"Good value she said' and texts(table)[20] == 'not what I paid for"'
    [note] = table.notes
    assert note.startswith("a.tsv: quotes are read as text: 1 cells begin with one")
    assert note in load_splits(Recipe.load("behavior"), tmp_path / "a.tsv").notes


@pytest.mark.parametrize("cell", ['"Great" they said', '"never closed', '"a" and "b"'])
def test_a_broken_quote_is_text_where_lines_are_rows(tmp_path: Path, cell: str) -> None:
    assert texts(read(tmp_path / "a.tsv", f"text\tlabel\n{cell}\tx\nfine\ty\n")) == [cell, "fine"]


def test_quotes_that_hold_cells_together_stay_so(tmp_path: Path) -> None:
    whole = 'text\tlabel\n"say ""hi""\tnow"\tx\n"two\nlines"\ty\n'
    assert texts(read(tmp_path / "a.tsv", whole)) == ['say "hi"\tnow', "two\nlines"]
    letters = 'text,label\n"one, two,\nthree",x\n"four",y\n'
    table = read(tmp_path / "b.csv", letters)
    assert texts(table) == ["one, two,\nthree", "four"]
    assert table.notes[0].startswith("b.csv: 1 cells in quotes run over several lines and hold commas")
    assert "line 2" in table.notes[0]


@pytest.mark.parametrize(
    ("suffix", "separator", "called"), [(".csv", ",", "commas"), (".csv", ";", "semicolons")]
)
def test_rows_that_a_quote_may_swallow_are_reported_with_both_ways_out(
    tmp_path: Path, suffix: str, separator: str, called: str
) -> None:
    content = reviews(separator)
    [problem] = read(tmp_path / f"a{suffix}", content).problems
    assert (problem.line, problem.message) == (
        19,
        f"a cell in quotes runs over several lines and holds {called}: it may be several rows",
    )
    assert "data.format.quote=none" in problem.fix and "=double" in problem.fix
    assert len(texts(read(tmp_path / f"a{suffix}", content, quote="none"))) == 60
    assert len(texts(read(tmp_path / f"a{suffix}", content, quote="double"))) == 57


def test_a_tab_inside_a_cell_of_several_lines_is_reported(tmp_path: Path) -> None:
    [problem] = read(tmp_path / "a.tsv", 'text\tlabel\n"a\tb\tc\nd"\tx\n').problems
    assert "holds tabs: it may be several rows" in problem.message


def test_the_separator_is_settable_and_else_that_of_the_header(tmp_path: Path) -> None:
    assert texts(read(tmp_path / "a.csv", "text~label\na,b~x\n", delimiter="~")) == ["a,b"]
    table = read(tmp_path / "b.tsv", "text,label\na,x\n")
    assert texts(table) == ["a"] and table.notes == ("b.tsv: read as separated by commas",)
    assert read(tmp_path / "c.tsv", "text, or more, or less\tlabel\na\tx\n").notes == ()
    table = read(tmp_path / "d.csv", "text;label\n'x;y';1\n", delimiter="semicolon", quote="single")
    assert texts(table) == ["x;y"]


def test_the_line_that_excel_begins_with_names_the_separator(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", "sep=;\r\ntext;label\r\na, b;x\r\n")
    assert table.columns == ("text", "label") and texts(table) == ["a, b"]
    assert [row.line for row in table.rows] == [3]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "cp1252"])
def test_an_encoding_that_is_named_is_read(tmp_path: Path, encoding: str) -> None:
    text = "café" if encoding == "cp1252" else "送餐很快"
    raw = f'text,label\n"{text}, {text}",x\n'.encode(encoding)
    assert texts(read(tmp_path / "a.csv", raw, encoding=encoding)) == [f"{text}, {text}"]
    [problem] = read(tmp_path / "b.csv", b"text,label\n\xff\xff\xff,x\n", encoding="ascii").problems
    assert problem.message == "byte 11 is not ascii"


def test_a_recipe_says_how_files_are_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(reviews(","))
    with pytest.raises(DataError, match="it may be several rows"):
        load_splits(Recipe.load("behavior"), path)
    splits = load_splits(Recipe.load("behavior", **{"data.format.quote": "none"}), path)
    assert splits.files[0].rows == 60
    for key, value in {"delimiter": "a b", "quote": "'", "encoding": "klingon"}.items():
        with pytest.raises(RecipeError, match=f"data.format.{key}"):
            Recipe.load("behavior", **{f"data.format.{key}": value})


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("text,label\n'a, b',x\n'it''s c',y\n", "single"),
        ("'text','label'\n'a, b','x'\n'it''s c','y'\n", "single"),
        ("'text';'label'\n'a, b';'x'\n'it''s c';'y'\n", "single"),
        ('text, label\n"a, b", "x"\n"it\'s c", "y"\n', "spaces"),
        ('label, text\nx, "a, b"\ny, "it\'s c"\n', "spaces"),
        ('label; text\nx;  "a, b"\ny;  it\'s c\n', "spaces"),
    ],
)
def test_other_quotes_hold_cells_together_too(tmp_path: Path, content: str, note: str) -> None:
    table = read(tmp_path / "a.csv", content)
    assert texts(table) == ["a, b", "it's c"] and [row.cells["label"] for row in table.rows] == ["x", "y"]
    assert [each for each in table.notes if note in each]


@pytest.mark.parametrize(
    ("cells", "read_as"),
    [
        (["'tis nice", "so 'good'"], ["'tis nice", "so 'good'"]),
        (["'nice'", "good"], ["'nice'", "good"]),
        (['"she said, ""no"""', '"a, ""b"", c"'], ['she said, "no"', 'a, "b", c']),
        (['"""hi"", they said"', '"so, ""what"""'], ['"hi", they said', 'so, "what"']),
        (["don't", "'"], ["don't", "'"]),
    ],
)
def test_quotes_that_are_text_stay_so(tmp_path: Path, cells: list[str], read_as: list[str]) -> None:
    table = read(tmp_path / "a.csv", "text,label\n" + "".join(f"{cell},x\n" for cell in cells))
    assert texts(table) == read_as and table.notes == ()


@pytest.mark.parametrize("sign", ["::", "=>", "|||"])
def test_separators_of_several_characters_are_read_below_a_header_too(tmp_path: Path, sign: str) -> None:
    rows = f"text{sign}label\nso nice{sign}x\nso, so{sign}y\n"
    assert texts(read(tmp_path / "a.csv", rows, delimiter=sign)) == ["so nice", "so, so"]
