"""The records of a text file, one at a time and each with its line: CSV, JSONL, and JSON arrays."""

import csv
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from recipes.data.file_bytes import Look, first_lines, opened
from recipes.data.header import filled, is_row, no_header
from recipes.data.packed import plain_name, through
from recipes.data.totals import names_total
from recipes.errors import Problem

if TYPE_CHECKING:
    from recipes.data.dialect import Dialect


QUALTRICS = '{"ImportId"'  # how the third line of its exports begins each cell
_COPYRIGHT = re.compile("\u00a9 ?\\d{4} Microsoft Corporation\\b")
_HEADER_BELOW = "--set data.format.header=2 (1 is the first)"


# One is made for every record; a frozen one takes three times as long to make.
@dataclass(slots=True)
class Row:
    """One record; `line` is where it starts in a text file (from 1), or its number in Parquet (from 1). raw: its cells
    as they stand in the file, in the same order; None where they are read as they are."""

    line: int
    cells: Mapping[str, Any]
    raw: Sequence[Any] | None = None

    @property
    def as_came(self) -> Mapping[str, Any]:
        """The cells as they stand in the file, with the white space around them and numbers as they are written."""
        return self.cells if self.raw is None else dict(zip(self.cells, self.raw, strict=True))

    def read_as(self, cells: Mapping[str, Any]) -> "Row":
        """The same record, its cells read otherwise, in the same order."""
        return Row(self.line, cells, list(self.cells.values()) if self.raw is None else self.raw)


def plain_cell(cell: Any) -> Any:
    """A cell without white space around it. Texts are interned: users and ads come again and again in a log, and are
    held once."""
    return sys.intern(cell.strip()) if type(cell) is str else cell


def csv_records(path: Path, look: Look, dialect: "Dialect") -> "Iterator[Row | Problem | str]":
    """The rows of a CSV file, and what is wrong with it; a text is a note."""
    cells = _csv_cells(path, look, dialect)
    return table_records(str(path), cells, dialect.columns, f"the separator ({dialect.called} here)")


def _csv_cells(
    path: Path, look: Look, dialect: "Dialect"
) -> "Iterator[tuple[int, list[Any]] | Problem | str]":
    """The cells of each record that has some, with its line."""
    # newline="" leaves the line ends inside quoted cells alone, and `line_num` counts the lines of the file.
    with opened(path, look, newline="") as file:
        reader = dialect.reader(file)
        while True:
            line = reader.line_num + 1 + dialect.above
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield _broken(str(path), error, line)
                return  # after a broken quote nothing below can be trusted
            if dialect.ends is not None and cells and cells[0].startswith(dialect.ends):
                yield f"{path.name}: the table ends above line {line}; save another table as a file of its own"
                return
            if cells:  # an empty line holds no cell
                yield line, cells


def _broken(name: str, error: csv.Error, line: int) -> Problem:
    if "field limit" in str(error):
        message = f"a cell of more than {csv.field_size_limit():,} characters begins here"
        fix = "Close its quote, or where quotes are plain text set data.format.quote=none; else shorten the cell"
        return Problem(name, message, fix, line=line)
    fix = (
        "Put cells that hold quotes or line breaks in quotes, and double the quotes inside them; where "
        "quotes are plain text, set data.format.quote=none"
    )
    return Problem(name, f"no valid CSV ({error})", fix, line=line)


def table_records(
    name: str,
    records: "Iterator[tuple[int, list[Any]] | Problem | str]",
    columns: Sequence[str],
    separator: str,
) -> "Iterator[Row | Problem | str]":
    """Rows of the cells of a table: the first ones are the header, unless its columns are named.

    Empty cells behind the last column that has a name are passed over, and told.
    """
    header = list(columns)
    every = len(header)  # columns, those without a name too
    idle = len(header) if header else None  # from here on no column has a name
    longer = 0
    for record in _without_questions(name, records, bool(columns)):
        if not isinstance(record, tuple):
            yield record
            continue
        line, cells = record
        if idle is None:
            header = [str(cell).strip() for cell in cells]
            every, named = len(header), len(filled(header))
            idle = named if every > named + 1 else every
            header = header[:idle]
            problems = list(_header_problems(name, header, line))
            yield from problems
            if problems and (is_row(header) or header.count("") > 1):
                return  # one cause: the rows below are as this one
        elif idle > 1 and _is_copyright(cells):
            yield f"{Path(name).name}: line {line}, Microsoft's copyright, is left out"
        elif len(cells) == idle:
            yield _row(line, header, cells)
        elif (
            len(cells) == idle + 1 and isinstance(cells[idle], str) and names_total(cells[idle], certain=True)
        ):
            yield _row(line, [*header, ""], cells)  # GA4 says so behind the last column
        elif len(cells) > idle and not any(map(_filled, cells[idle:])):
            longer += 1
            yield _row(line, header, cells[:idle])
        else:
            message = f"the row has {len(cells)} cells, the {'columns' if columns else 'header'} {idle}"
            fix = f"Quote the cells that hold {separator}, or add what is missing"
            if idle > 1 == len(filled(list(map(str, cells)))):
                fix = "Remove the line where it is a note of the export and no row, or add what is missing"
            elif not columns and len(cells) > idle and (idle == 1 or every >= len(cells)):
                where = (
                    f"{fix.partition(',')[0]}, or name every column" if idle > 1 else fix.partition(",")[0]
                )
                fix = f"{where}; where the header stands in a line below, say in which: {_HEADER_BELOW}"
            yield Problem(name, message, fix, line=line, of_row=True)
    if longer:
        yield f"{Path(name).name}: {longer} rows have empty cells behind the last column, which are not read"


def _without_questions(
    name: str, records: "Iterator[tuple[int, list[Any]] | Problem | str]", headless: bool
) -> "Iterator[tuple[int, list[Any]] | Problem | str]":
    """Records without the two below the header in which Qualtrics tells its questions and their ids."""
    if headless:
        yield from records
        return
    first = [record for record in islice(records, 3)]
    rows = [record for record in first if isinstance(record, tuple)]
    if len(rows) == 3 and (cells := filled([*map(str, rows[2][1])])) and all(map(_is_import, cells)):
        yield rows[0]
        yield (
            f"{Path(name).name}: two rows below the header are left out, from line {rows[1][0]} on, in which Qualtrics "
            "tells its questions"
        )
    else:
        yield from first
    del first, rows  # none is held
    yield from records


def _is_import(cell: str) -> bool:
    return cell.startswith(QUALTRICS)


def _is_copyright(cells: Sequence[Any]) -> bool:
    """Whether a line is what reports of Microsoft Advertising end with, and no row."""
    first = cells[0]
    return (
        isinstance(first, str)
        and "\u00a9" in first[:2]
        and _COPYRIGHT.match(first.strip()) is not None
        and not any(map(_filled, cells[1:]))
    )


def _row(line: int, header: Sequence[str], cells: Sequence[Any]) -> Row:
    try:
        plain = dict(zip(header, map(sys.intern, map(str.strip, cells)), strict=True))
    except TypeError:  # a workbook has numbers and dates too
        plain = dict(zip(header, map(plain_cell, cells), strict=True))
    if len(plain) < len(cells):  # of two names that are one, the last
        cells = [*dict(zip(header, cells, strict=True)).values()]
    return Row(line, plain, cells)


def row_of(line: int, record: Mapping[str, Any]) -> Row:
    """A record that names its cells, in JSON or Parquet.

    Args:
        line: of the file, or its number.
        record: as it came.
    """
    cells = {key.strip(): plain_cell(cell) for key, cell in record.items()}
    if len(cells) == len(record):
        return Row(line, cells, [*record.values()])
    came = {key.strip(): cell for key, cell in record.items()}  # of two names that are one, the last
    return Row(line, cells, [*came.values()])


def _filled(cell: Any) -> bool:
    return bool(cell.strip() if isinstance(cell, str) else cell is not None)


def _header_problems(name: str, header: list[str], line: int) -> Iterator[Problem]:
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice and is_row(header):
        yield no_header(name, header, line)
        return
    for column in twice:
        if not column:
            fix = f"Name them; where the header stands in a line below, say in which: {_HEADER_BELOW}"
            yield Problem(name, f"{header.count('')} columns have no name", fix, line=line)
            continue
        yield of_one_name(name, column, header.count(column), line)


def of_one_name(name: str, column: str, count: int, line: int | None) -> Problem:
    """Several columns that are called the same: no reader could tell which is meant."""
    fix = "Give each of them its own name, or remove all but one"
    return Problem(name, f"is the name of {count} columns", fix, line, column, of_column=True)


def json_records(path: Path, look: Look) -> "Callable[[], Iterator[Row | Problem]]":
    """JSONL, or an array where the file begins with one."""
    read = _array_records if first_lines(path, look)[0].lstrip().startswith("[") else _line_records

    def records() -> Iterator[Row | Problem]:
        with opened(path, look, newline="\n") as file:
            for line, record in read(str(path), file):
                if isinstance(record, Problem):
                    yield record
                elif isinstance(record, dict):
                    yield row_of(line, record)
                else:
                    fix = 'Each record must be an object such as {"text": "...", "label": "..."}'
                    yield Problem(
                        str(path), f"the record is {_short_json(record)}", fix, line=line, of_row=True
                    )

    return records


def _line_records(name: str, file: TextIO) -> Iterator[tuple[int, Any]]:
    """JSONL: one record a line."""
    for line, content in enumerate(file, start=1):
        if not content.isspace():
            try:
                yield line, _DECODER.decode(content)
            except (ValueError, RecursionError) as error:
                fix = _mended(name, content)
                yield line, _json_problem(name, error, fix, line, of_row=True)


def _mended(name: str, content: str) -> str:
    """What makes a record of a line that is none."""
    whole = "Write one whole object per line, or an array of objects: [{...}, {...}]"
    try:
        _, end = _DECODER.raw_decode(content.lstrip())
    except (ValueError, RecursionError):
        return _SPELLED if re.match(r"\s*\{'", content) else whole
    behind = content.lstrip()[end:].strip()
    if behind == ",":
        return "Take the comma at the end of each line away: " + _as_lines(name, "sed 's/,[[:space:]]*$//'")
    return f"Write one object per line: {_as_lines(name, 'jq -c .')}" if behind[:1] == "{" else whole


def _as_lines(name: str, command: str) -> str:
    path = Path(name)
    return through(path, command, path.with_name(f"{plain_name(path).stem}-lines.jsonl"))


_SPELLED = (
    "The line is how Python shows a dict: write it as JSON, json.dumps(row), or read it by ast.literal_eval"
)


def _array_records(name: str, file: TextIO) -> Iterator[tuple[int, Any]]:
    """A JSON array, record by record, so that each keeps its line."""
    text = file.read()
    at = text.index("[") + 1
    line, counted = 1, 0
    comma = ""  # what must stand between two records
    while True:
        while at < len(text) and text[at] in " \t\r\n" + comma:
            comma = comma.replace(text[at], "")
            at += 1
        line, counted = line + text.count("\n", counted, at), at
        fix = "Mend the JSON there; the file must be one array of objects"
        if at >= len(text):
            yield line, Problem(name, "the array is never closed: the file seems cut off", fix, line=line)
            return
        if text[at] == "]":
            if text[at + 1 :].strip():
                yield line, Problem(name, "something follows the end of the array", fix, line=line)
            return
        if comma:
            yield (
                line,
                Problem(name, "no valid JSON (a comma is missing between two records)", fix, line=line),
            )
            return
        try:
            record, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield line, _json_problem(name, error, fix, line)
            return
        yield line, record
        comma = ","


class _Twice(ValueError):
    """A key that stands twice in one object."""


def _json_problem(
    name: str, error: ValueError | RecursionError, fix: str, line: int, of_row: bool = False
) -> Problem:
    if isinstance(error, _Twice):
        fix = "Give each key of an object its own name, or take one of the two out"
        return Problem(name, str(error), fix, line=line, of_row=of_row)
    return Problem(name, f"no valid JSON ({_json_fault(error)})", fix, line=line, of_row=of_row)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _Twice(
            f"the key `{next(key for key in keys if keys.count(key) > 1)}` stands twice in one object"
        )
    return result


_DECODER = json.JSONDecoder(object_pairs_hook=_once)


def _json_fault(error: ValueError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "lists or objects are nested too deep"
    return error.msg[:1].lower() + error.msg[1:] if isinstance(error, json.JSONDecodeError) else str(error)


def _short_json(record: Any) -> str:
    try:
        text = json.dumps(record, ensure_ascii=False)
    except RecursionError:
        return "nested too deep"
    return text if len(text) <= 40 else text[:39] + "…"
