"""What a file is by its bytes: packed, wide, under another name, damaged; and advice that holds when followed."""

import gzip
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from recipes.data.load import check
from recipes.data.tables import Table, read_tables
from recipes.errors import DataError
from recipes.options.data import FormatOptions
from recipes.recipe import Recipe

CSV = "text,label\nsay hi,good\nwet rain,bad\n"
ROWS = [{"text": "say hi", "label": "good"}, {"text": "wet rain", "label": "bad"}]


def read(path: Path, content: bytes, **given: Any) -> Table:
    path.write_bytes(content)
    [table] = read_tables(path, written=FormatOptions(**given))
    return table


def rows(table: Table) -> list[dict[str, Any]]:
    assert table.problems == ()
    return [dict(row.cells) for row in table.rows]


def zst(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


def as_parquet() -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(ROWS), file)
    return file.getvalue()


def workbook(*sheets: list[list[Any]], merged: str = "", again: bool = False) -> bytes:
    """The smallest Excel workbook that holds these rows: texts, numbers, true and false, and cells as XML. merged: a
    range of each; again: whether it asks to be computed when it is opened."""
    import zipfile

    def cell(value: Any) -> str:
        if isinstance(value, bool):
            return f'<c t="b"><v>{int(value)}</v></c>'
        if isinstance(value, int | float):
            return f"<c><v>{value}</v></c>"
        if value and value.startswith("<c"):
            return str(value)
        return f'<c t="inlineStr"><is><t>{value}</t></is></c>' if value else "<c/>"

    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    numbers = range(1, len(sheets) + 1)
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    files = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        + "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{kind}.worksheet+xml"/>'
            for n in numbers
        )
        + "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        + "".join(f'<sheet name="Sheet {n}" sheetId="{n}" r:id="s{n}"/>' for n in numbers)
        + "</sheets>"
        + ('<calcPr fullCalcOnLoad="1"/>' if again else "")
        + "</workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        + "".join(
            f'<Relationship Id="s{n}" Type="{office}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in numbers
        )
        + "</Relationships>",
    }
    for number, sheet in enumerate(sheets, start=1):
        lines = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in sheet)
        merges = f'<mergeCells><mergeCell ref="{merged}"/></mergeCells>' if merged else ""
        files[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData>{merges}</worksheet>'
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


SHEET = [["text", "label"], ["say hi", "good"], ["wet rain", "bad"]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", gzip.compress(CSV.encode())),
        ("a.csv.zst", zst(CSV.encode())),
        ("a.tsv.gz", gzip.compress(CSV.replace(",", "\t").encode())),
        ("a.jsonl.zst", zst(b'{"text": "say hi", "label": "good"}\n{"text": "wet rain", "label": "bad"}')),
        (
            "a.json.gz",
            gzip.compress(b'[{"text": "say hi", "label": "good"}, {"text": "wet rain", "label": "bad"}]'),
        ),
        ("a.parquet", as_parquet()),
        ("a.parquet.gz", gzip.compress(as_parquet())),
        ("a.xlsx", workbook(SHEET)),
        ("a.xlsx.gz", gzip.compress(workbook(SHEET))),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_every_kind_of_file_packed_or_not_has_the_same_rows(
    tmp_path: Path, name: str, content: bytes
) -> None:
    table = read(tmp_path / name, content)
    assert rows(table) == ROWS and table.bytes == len(content)
    assert [row.line for row in table.rows][-1] in (1, 2, 3)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (workbook(SHEET), "read as .xlsx"),
        (as_parquet(), "read as .parquet"),
        (gzip.compress(CSV.encode()), ""),
    ],
    ids=["xlsx", "parquet", "gz"],
)
def test_a_file_under_another_name_is_read_as_what_it_is_and_told(
    tmp_path: Path, content: bytes, told: str
) -> None:
    table = read(tmp_path / "a.csv", content)
    assert rows(table) == ROWS
    assert told in "\n".join(table.notes)


def test_a_workbook_is_read_by_its_cells(tmp_path: Path) -> None:
    first = [
        ["Report"],
        [],
        ["text", "orders", "share", "new", ""],
        ["shoes", 12, 0.5, True, ""],
        ["boots", 3, 1.0, False, ""],
    ]
    table = read(tmp_path / "a.xlsx", workbook([], first, SHEET))
    assert rows(table) == [
        {"text": "shoes", "orders": 12, "share": 0.5, "new": True},
        {"text": "boots", "orders": 3, "share": 1, "new": False},
    ]
    told = "\n".join(table.notes)
    assert (
        "the sheet 'Sheet 2' is read" in told and "Sheet 3" in told and "the header stands in row 3" in told
    )
    assert [row.line for row in table.rows] == [4, 5]
    [problem] = read(tmp_path / "a.xlsx", b"PK\x03\x04 no workbook").problems
    assert "no valid Excel workbook" in problem.message
    [problem] = read(tmp_path / "a.xlsx", workbook([])).problems
    assert "no sheet holds a cell" in problem.message


@pytest.mark.parametrize(("merged", "told"), [("A2:A3", 1), ("A1:B1", 0), ("A2:B2", 0)])
def test_merged_cells_over_several_rows_are_noted(tmp_path: Path, merged: str, told: int) -> None:
    notes = read(tmp_path / "a.xlsx", workbook(SHEET, merged=merged)).notes
    assert [note for note in notes if "1 merged cells run over several rows, the first in row 2" in note] == [
        *notes
    ]
    assert len(notes) == told


def test_a_column_that_another_sheet_has_is_told_with_the_sheets(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook([["Made by"], ["Jo"]], SHEET))
    with pytest.raises(DataError, match=r"`Made by` \(of the sheet 'Sheet 1'; not read: Sheet 2\)"):
        check(Recipe.load("behavior"), path)


def test_excel_without_its_reader_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "python_calamine", None)
    [problem] = read(tmp_path / "a.xlsx", workbook(SHEET)).problems
    assert "adapter-repertoire[files]" in problem.fix


@pytest.mark.parametrize("pack", [gzip.compress, zst])
@pytest.mark.parametrize("harm", ["cut", "turned"])
def test_a_damaged_packed_file_is_a_problem(tmp_path: Path, pack: Any, harm: str) -> None:
    whole = pack("".join(f"text {number * 7919 % 1000},{number}\n" for number in range(9000)).encode())
    bad = (
        whole[: len(whole) // 2]
        if harm == "cut"
        else whole[:40] + bytes(255 - b for b in whole[40:90]) + whole[90:]
    )
    [problem] = read(tmp_path / "a.csv.gz", bad).problems
    assert "it is packed and damaged" in problem.message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_with_its_mark_is_read_and_told(tmp_path: Path, encoding: str) -> None:
    mark = {"utf-16": b"", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}[encoding]
    table = read(tmp_path / "a.csv", mark + CSV.encode(encoding))
    assert rows(table) == ROWS and "read as UTF-16" in table.notes[0]


@pytest.mark.parametrize("text", ["say\0 hi,good\nwet, rain,x", "\0\0你好,good\nwet rain,bad\n"])
def test_a_nul_is_named_and_the_command_takes_it_out(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    [problem] = read(path, f"text,label\n{text}".encode() + b"x,y\n" * 9).problems
    assert "NUL" in problem.message and "Windows" not in problem.message and problem.line == 2
    followed(problem.fix, path, "a-clean.csv", text.replace("\0", ""))


@pytest.mark.parametrize(
    ("encoding", "word"),
    [
        ("gb18030", "价格很好的"),
        ("big5", "這個商品很好，我很喜歡"),
        ("cp932", "とても良い商品でした"),
        ("euc-jp", "とても良い商品でした"),
        ("cp949", "배송이 빨라서 좋아요"),
        ("cp1250", "Świetny czajnik dziękuję za szybką wysyłkę"),
        ("cp1251", "Свежий чай каждый день"),
        ("koi8-r", "Очень хороший чайник спасибо"),
        ("cp1253", "πολύ καλό προϊόν και γρήγορη αποστολή"),
        ("cp1254", "ürün çok güzel teşekkürler ışığı"),
        ("cp1256", "المنتج رائع جدا"),
        ("cp1252", "café très"),
        ("cp1252", "only 5 € for this, it’s fine".replace(",", "")),
        ("utf-16-le", "café très"),
    ],
)
def test_another_encoding_is_converted_by_the_command_or_named(
    tmp_path: Path, encoding: str, word: str
) -> None:
    text = "text,label\n" + f"{word},good\n" * 20
    path = tmp_path / "a.csv"
    [problem] = read(path, text.encode(encoding)).problems
    followed(problem.fix, path, "a-utf8.csv", word)
    named = problem.fix.rpartition("data.format.encoding=")[2]
    assert rows(read(path, text.encode(encoding), encoding=named))[0]["text"] == word


def test_lines_of_another_encoding_among_utf8_are_told_and_not_the_whole_file(tmp_path: Path) -> None:
    lines = [f"thanks 😀 für {number},good\n".encode() for number in range(20)]
    odd = ["Größe paßt nicht,bad\n".encode("cp1252"), "schöne Grüße,good\n".encode("cp1252")]
    [problem] = read(tmp_path / "a.csv", b"".join([b"text,label\n", *lines, *odd])).problems
    assert problem.message == "the file is UTF-8, but not in 2 of its lines (line 22, 23)"
    assert "iconv" not in problem.fix and "line 22 reads 'Größe paßt nicht,bad'" in problem.fix


@pytest.mark.parametrize("content", [b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", bytes(range(256)) * 9])
def test_what_is_no_text_is_not_taken_for_an_encoding(tmp_path: Path, content: bytes) -> None:
    [problem] = read(tmp_path / "a.csv", content).problems
    assert "and no table" in problem.message and "iconv" not in problem.fix


def followed(fix: str, path: Path, made: str, holds: str) -> None:
    command = fix.partition(": ")[2].partition("; or set")[0]
    subprocess.run(command, shell=True, check=True, cwd=path.parent)
    assert holds in (path.parent / made).read_text(encoding="utf-8")


def test_a_long_cell_is_read(tmp_path: Path) -> None:
    page = "word " * 60_000
    assert rows(read(tmp_path / "a.csv", f"text,label\n{page},good\n".encode()))[0]["text"] == page.strip()
    assert rows(read(tmp_path / "b.csv", f'text,label\n"{page}",good\n'.encode()))[0]["text"] == page.strip()


def test_titles_above_the_header_are_passed_over_and_told(tmp_path: Path) -> None:
    for above in ("Monthly report\n", "Monthly report,,\n\n", "Report\nJune 2026\n\n"):
        table = read(tmp_path / "a.csv", f"{above}user,ad,clicked\na,b,1\nc,d,0\n".encode())
        assert [row["user"] for row in rows(table)] == ["a", "c"]
        assert f"the header stands in line {above.count(chr(10)) + 1}" in table.notes[0]
        assert next(iter(table.rows)).line == above.count("\n") + 2
    table = read(tmp_path / "a.csv", b"Report by hand\nuser,ad\nx,y\nz,w\n", header=2)
    assert [row["user"] for row in rows(table)] == ["x", "z"]


@pytest.mark.parametrize(
    "content", ["text\nhello, world\nfine, sir\n", "text,label\nyes, sir,1\nno, sir,0\n"]
)
def test_a_narrow_header_is_not_taken_for_a_title(tmp_path: Path, content: str) -> None:
    table = read(tmp_path / "a.csv", content.encode())
    assert [problem.line for problem in table.problems] == [2, 3]


@pytest.mark.parametrize("header", ["text,label,,", "text,label"])
def test_empty_columns_at_the_end_are_passed_over(tmp_path: Path, header: str) -> None:
    assert rows(read(tmp_path / "a.csv", f"{header}\nsay hi,good,,\nwet rain,bad,,\n".encode())) == ROWS
    [problem] = read(tmp_path / "a.csv", f"{header}\nsay hi,good,,\nwet rain,bad,,x\n".encode()).problems
    assert problem.line == 3 and "4 cells" in problem.message


def test_what_excel_says_of_its_separator_is_understood(tmp_path: Path) -> None:
    assert rows(read(tmp_path / "a.csv", b"sep=;\ntext;label\nsay hi;good\nwet rain;bad\n")) == ROWS


@pytest.mark.parametrize("word", ["Größe paßt", "naïve “quotes”", "чай", "很好", "✓ done"])
def test_text_that_was_made_utf8_twice_is_noted(tmp_path: Path, word: str) -> None:
    spoilt = "".join(
        bytes([byte]).decode("cp1252") if byte not in b"\x81\x8d\x8f\x90\x9d" else chr(byte)
        for byte in word.encode()
    )
    lines = f"text,label\nplain,calm\n{spoilt},glad\n{word},glad\nAVELÃ Ç,glad\n"
    table = read(tmp_path / "a.csv", lines.encode())
    [note] = table.notes
    assert (
        f"1 rows hold UTF-8 that was taken for another encoding before, the first in line 3: {spoilt!r}"
        in note
    )
    assert f"was {word!r}" in note
    assert read(tmp_path / "b.csv", f"text,label\n{word},glad\nAVELÃ É,glad\n".encode()).notes == ()


@pytest.mark.parametrize(
    "encoding", ["cp1252", "latin-1", "cp1251", "koi8-r", "iso8859-15", "gb18030", "cp932"]
)
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_utf_8_of_which_another_encoding_is_said_is_refused(
    tmp_path: Path, encoding: str, ending: str
) -> None:
    words = ["Größe passt nicht", "café très bon", "naïve façade – €5"]
    lines = {"csv": "text,label\n" + "".join(f"{word},x\n" for word in words)}
    lines["jsonl"] = "".join(json.dumps({"text": word}, ensure_ascii=False) + "\n" for word in words)
    told = read(tmp_path / f"a.{ending}", lines[ending].encode(), encoding=encoding).problems
    if encoding in ("gb18030", "cp932"):  # a few characters may be UTF-8 by chance
        told = read(tmp_path / f"a.{ending}", (lines[ending] * 9).encode(), encoding=encoding).problems
    [problem] = [each for each in told if "UTF-8, and no" in each.message]
    assert "Größe passt nicht" in problem.fix and problem.line == (2 if ending == "csv" else 1)
    # Followed either way, it is read as it was meant.
    for named in ({}, {"encoding": "utf-8"}):
        assert rows(read(tmp_path / f"a.{ending}", lines[ending].encode(), **named))[0]["text"] == words[0]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("cp1252", "plain"), ("cp1252", "café"), ("gb18030", "联通"), ("cp1251", "ДОМ№5 чай")],
)
def test_an_encoding_that_is_said_rightly_is_believed(tmp_path: Path, encoding: str, text: str) -> None:
    table = read(tmp_path / "a.csv", f"text,label\n{text},x\n".encode(encoding), encoding=encoding)
    assert not table.problems and rows(table)[0]["text"] == text


@pytest.mark.parametrize("said", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("word", ["Größe", "size"])
def test_utf8_of_which_a_wide_encoding_is_said_is_told_as_what_it_is(
    tmp_path: Path, said: str, word: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "".join(f"{word} {at},{'ab'[at % 2]}\n" for at in range(21)) + "x,a")
    [table] = read_tables(path, written=FormatOptions(encoding=said))
    [problem] = table.problems
    assert f"the file is UTF-8, and no {said}" in problem.message and "set it to utf-8" in problem.fix
    [table] = read_tables(path, written=FormatOptions(encoding="utf-8"))
    assert len(table.rows) == 22
