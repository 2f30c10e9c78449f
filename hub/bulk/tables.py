"""Rows with their answers, written as CSV, JSONL or Parquet: every column of the file that was asked, then the answers.

    text,        orders, answer_label, answer_probability, answer_error
    so late,     3,      mad,          0.97,
    ,            1,      ,             ,                   `text` is empty

A file appears whole or not at all.
"""

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, time
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from adapters.errors import RequestError

if TYPE_CHECKING:
    import pyarrow

    from recipes.data import Table

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_BATCH = 1024  # rows that are held at a time
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_KINDS: Mapping[type, str] = {bool: "bool", int: "int64", float: "double", str: "string"}


@dataclass(frozen=True)
class Answered:
    """What is written. table: as it was read; columns: of the answers, name -> its type: str, int, float, or object for
    lists and mappings; answers: of each row, in order, without those columns that it has no answer for."""

    table: "Table"
    columns: Mapping[str, type]
    answers: Iterable[Mapping[str, Any]]


def check_ending(out: Path) -> None:
    """Raise RequestError for a file that is not written by its ending."""
    if out.suffix.lower() not in ENDINGS:
        raise RequestError(
            f"{out}: {out.suffix or 'a file without an ending'} is not written; name it {', '.join(ENDINGS)}"
        )


def check_absent(out: Path) -> None:
    """Raise RequestError for a file that is there."""
    if out.exists():
        raise RequestError(f"{out} is there already; --force puts the answers in its place")


def write_table(found: Answered, out: Path, overwrite: bool) -> None:
    """Write a file of answers.

    Args:
        found: the rows and their answers.
        out: CSV, TSV, JSONL or Parquet, by its ending.
        overwrite: put it in the place of a file that is there.

    Raises:
        RequestError: there is one, and it is not to be overwritten.
    """
    suffix = out.suffix.lower()
    with _whole(out, overwrite) as part:
        if suffix == ".parquet":
            _write_parquet(found, part)
            return
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            if "js" in suffix:
                _write_lines(found, file)
            else:
                _write_csv(found, file, "\t" if suffix == ".tsv" else ",")


@contextmanager
def _whole(out: Path, overwrite: bool) -> Iterator[Path]:
    """A file that stands under its own name when all of it is on the disk."""
    part = out.with_name(f"{out.name}.part")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        if not overwrite:
            check_absent(out)
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)


def _write_csv(found: Answered, file: TextIO, delimiter: str) -> None:
    columns = found.table.columns
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(map(_escaped, [*columns, *found.columns]))
    for row, answer in zip(found.table.rows, found.answers, strict=True):
        came = row.as_came
        cells = chain((came.get(name) for name in columns), (answer.get(name) for name in found.columns))
        writer.writerow([_escaped(_as_text(cell)) for cell in cells])


def _write_lines(found: Answered, file: TextIO) -> None:
    for row, answer in zip(found.table.rows, found.answers, strict=True):
        told = {**row.as_came, **{name: answer.get(name) for name in found.columns}}
        file.write(_as_json(told) + "\n")


def _write_parquet(found: Answered, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    named = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    kinds = {name: named.get(kind, pa.string()) for name, kind in found.columns.items()}
    answers = iter(found.answers)
    writer = None
    try:
        for batch in _batches(found.table):
            own = list(islice(answers, batch.num_rows))
            for name, kind in kinds.items():
                as_text = found.columns[name] is object
                cells = [_as_text_or_none(each.get(name)) if as_text else each.get(name) for each in own]
                batch = batch.append_column(name, pa.array(cells, kind))
            if writer is None:
                writer = parquet.ParquetWriter(path, batch.schema)
            writer.write_batch(batch)
    finally:
        if writer is not None:
            writer.close()


def _batches(table: "Table") -> Iterator["pyarrow.RecordBatch"]:
    """The columns of a file as Arrow has them: of Parquet its own, of text what all their cells are."""
    import pyarrow as pa

    if table.arrow is not None:
        yield from table.arrow.batches(_BATCH)
        return
    kinds = _kinds(table)
    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in kinds.items()])
    rows = (row.as_came for row in table.rows)
    while some := list(islice(rows, _BATCH)):
        columns = [
            pa.array([_cell(came.get(name), kind) for came in some], schema.field(name).type)
            for name, kind in kinds.items()
        ]
        yield pa.record_batch(columns, schema=schema)


def _kinds(table: "Table") -> dict[str, str]:
    """The type of each column: the one that all its cells have; numbers of both kinds are floats, all else is text."""
    seen: dict[str, set[str]] = {name: set() for name in table.columns}
    if table.kind != "text":
        for row in table.rows:
            for name, cell in row.as_came.items():
                if cell is not None:
                    wide = type(cell) is int and abs(cell) >= 2**53
                    seen[name].add("string" if wide else _KINDS.get(type(cell), "string"))
    kinds = {}
    for name, found in seen.items():
        kinds[name] = (
            found.pop() if len(found) == 1 else "double" if found == {"int64", "double"} else "string"
        )
    return kinds


def _cell(cell: Any, kind: str) -> Any:
    if kind == "string":
        return _as_text_or_none(cell)
    return float(cell) if kind == "double" and cell is not None else cell


def _as_text_or_none(cell: Any) -> str | None:
    """A text as it is, whatever else as JSON; half a character as its number, which Arrow has no other way for."""
    return None if cell is None else _as_text(cell).encode(errors="backslashreplace").decode()


def _as_text(cell: Any) -> str:
    """A cell of a text file."""
    if cell is None:
        return ""
    plain = _plain(cell)
    return plain if isinstance(plain, str) else _as_json(plain)


def _escaped(text: str) -> str:
    """A cell without characters that a text file cannot be trusted with: as escapes, like half characters."""
    if text.isprintable():
        return text
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    """What JSON has no form for: times as ISO 8601, bytes as text or hexadecimal, others as they are printed."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return value.hex()
        return value.hex() if "\0" in text else text  # which no text file may hold
    return value if isinstance(value, bool | int | float | str | list | dict | None) else str(value)


def check_columns(table: "Table", columns: Sequence[str]) -> None:
    """Raise RequestError where the file has columns that are called as the answers'."""
    if taken := [name for name in columns if name in table.columns]:
        raise RequestError(
            f"{table.name} has columns called {', '.join(taken)}; call those of the answers otherwise: --prefix"
        )
