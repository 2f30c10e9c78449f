"""The records of a text file, one at a time and each with its line: CSV, JSONL, and JSON arrays."""

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from recipes.data.dialect import Dialect
from recipes.data.file_bytes import Look, first_lines, opened
from recipes.errors import Problem


@dataclass(frozen=True, slots=True)
class Row:
    """One record; `line` is where it starts in a text file (from 1), or its number in Parquet (from 1)."""

    line: int
    cells: Mapping[str, Any]


def plain_cell(cell: Any) -> Any:
    """A cell without white space around it. Texts are interned: users and ads come again and again in a log, and are
    held once."""
    return sys.intern(cell.strip()) if type(cell) is str else cell


def csv_records(path: Path, look: Look, dialect: Dialect) -> Iterator[Row | Problem]:
    """The rows of a CSV file, and what is wrong with it."""
    name = str(path)
    header: list[str] = []
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
                fix = (
                    "Put cells that hold quotes or line breaks in quotes, and double the quotes inside them; where "
                    "quotes are plain text, set data.format.quote=none"
                )
                yield Problem(name, f"no valid CSV ({error})", fix, line=line)
                return  # after a broken quote nothing below can be trusted
            if not cells:
                continue  # an empty line holds no cell
            if not header:
                header = [cell.strip() for cell in cells]
                yield from _header_problems(name, header, line)
            elif len(cells) != len(header):
                fix = (
                    f"Quote the cells that hold the separator ({dialect.called} here), or add what is missing"
                )
                message = f"the row has {len(cells)} cells, the header {len(header)}"
                yield Problem(name, message, fix, line=line, of_row=True)
            else:
                yield Row(line, dict(zip(header, map(plain_cell, cells), strict=True)))


def _header_problems(name: str, header: list[str], line: int) -> Iterator[Problem]:
    for column in sorted({column for column in header if header.count(column) > 1}):
        yield Problem(name, f"two columns are called `{column}`", "Give each column its own name", line=line)


def json_records(path: Path, look: Look) -> "Callable[[], Iterator[Row | Problem]]":
    """JSONL, or an array where the file begins with one."""
    read = _array_records if first_lines(path, look)[0].lstrip().startswith("[") else _line_records

    def records() -> Iterator[Row | Problem]:
        with opened(path, look, newline="\n") as file:
            for line, record in read(str(path), file):
                if isinstance(record, Problem):
                    yield record
                elif isinstance(record, dict):
                    yield Row(line, {key.strip(): plain_cell(cell) for key, cell in record.items()})
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
                fix = "Write one whole object per line, or an array of objects: [{...}, {...}]"
                message = f"no valid JSON ({_json_fault(error)})"
                yield line, Problem(name, message, fix, line=line, of_row=True)


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
            yield line, Problem(name, f"no valid JSON ({_json_fault(error)})", fix, line=line)
            return
        yield line, record
        comma = ","


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"`{next(key for key in keys if keys.count(key) > 1)}` stands twice in the record")
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
