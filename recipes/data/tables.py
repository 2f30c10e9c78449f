"""Reads a client's file into rows that know their line: CSV, TSV, JSONL, JSON arrays, Parquet, `datasets.Dataset`.

Text formats are read here and not by `datasets`, which guesses types (007 becomes 7, NA becomes nothing), skips what
it cannot parse and forgets line numbers. Parquet, which has types of its own, goes through `datasets`. Cells stay as
they stand in the file, except for white space around them.

CSV and JSONL are read twice, and never held: first for what is wrong with them, then, as `Table.rows` is gone through,
for the rows. Of a JSON array the text is held while it is read, of Parquet its columns.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from recipes.data.arrow_rows import ArrowRows
from recipes.data.dialect import decide
from recipes.data.file_bytes import USUAL, Look, look_at, why_unreadable, wrong_encoding
from recipes.data.records import Row, csv_records, json_records, plain_cell
from recipes.errors import Problem
from recipes.options.data import FormatOptions

if TYPE_CHECKING:
    from datasets import Dataset

# What a caller may hand over as data: a file, several files that are read as one, or a data set in memory.
Data: TypeAlias = "str | Path | Dataset | Sequence[str | Path]"

FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")


@dataclass(frozen=True)
class Rows:
    """The rows of a table, which are read again whenever they are gone through: none is held."""

    records: "Callable[[], Iterator[Row | Problem]]"
    count: int

    def __iter__(self) -> Iterator[Row]:
        return (record for record in self.records() if isinstance(record, Row))

    def __len__(self) -> int:
        return self.count


@dataclass(frozen=True)
class Table:
    """One file: its columns in order, its rows, and what was wrong while reading it.

    name: the path as given. sha256, bytes: of the file as it lies on disk, of a data set as JSON lines.
    """

    name: str
    columns: tuple[str, ...] = ()
    rows: Rows = Rows(lambda: iter(()), 0)
    sha256: str = ""
    bytes: int = 0
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The file's name without folders, for what travels with an adapter."""
        return Path(self.name).name


def read_tables(
    data: Data, digest: "hashlib._Hash | None" = None, written: FormatOptions | None = None
) -> Iterator[Table]:
    """Every table of `data`, read when it is asked for; nothing is raised, each table carries its own problems.

    digest: is updated with the bytes of every table. written: how text files are written, as far as it is known. Going
    through the rows of a file that was written to in between raises DataError.
    """
    total = digest if digest is not None else hashlib.sha256()
    written = written or FormatOptions()
    if isinstance(data, str | Path):
        yield _read_file(Path(data), total, written)
    elif hasattr(data, "column_names"):
        yield _from_dataset(data, total)
    else:
        for path in cast("Sequence[str | Path]", data):
            yield _read_file(Path(path), total, written)


def _read_file(path: Path, total: "hashlib._Hash", written: FormatOptions) -> Table:
    name, suffix = str(path), path.suffix.lower()
    try:
        look = look_at(path, total, written.encoding or USUAL)
    except OSError as error:
        return _failed(name, *why_unreadable(path, error, FORMATS))
    if suffix not in FORMATS:
        known = ", ".join(FORMATS)
        return _failed(
            name, f"{suffix or 'a file without an ending'} is not read", f"Save it as one of {known}"
        )
    if look.blank:
        return _failed(name, "the file is empty", "Export it again; it needs a header and rows")
    if suffix == ".parquet":
        return _read_parquet(path, look)
    if look.invalid is not None:
        return Table(name, problems=(wrong_encoding(name, path.read_bytes(), look.invalid, look.encoding),))
    if "js" in suffix:
        return _scanned(name, json_records(path, look), look, "there is no record in the file")
    decided = decide(path, look, written)
    records = partial(csv_records, path, look, decided.dialect)
    table = _scanned(name, records, look, "there is a header and no row", decided.notes)
    return replace(table, problems=(*decided.problems, *table.problems))


def _scanned(
    name: str,
    records: "Callable[[], Iterator[Row | Problem]]",
    look: Look,
    empty: str,
    notes: Sequence[str] = (),
) -> Table:
    """Go through the records of a file once, for its columns and for everything that is wrong with it."""
    columns: dict[str, None] = {}
    problems: list[Problem] = []
    damaged: list[int] = []
    count = 0
    for record in records():
        if isinstance(record, Problem):
            problems.append(record)
            continue
        count += 1
        if not record.cells.keys() <= columns.keys():
            columns |= dict.fromkeys(record.cells)
        if look.damaged and any("\ufffd" in str(cell) for cell in record.cells.values()):
            damaged.append(record.line)
    if not count and not problems:
        problems.append(Problem(name, empty, "Export the file again, with rows"))
    if damaged:
        note = (
            f"{Path(name).name}: {len(damaged)} rows hold the replacement character �, the first in line {damaged[0]}: "
            "their text was damaged before it was saved here; export the file again as UTF-8"
        )
        notes = [*notes, note]
    rows = Rows(records, count)
    return Table(name, tuple(columns), rows, look.sha256, look.state[0], tuple(problems), tuple(notes))


def _failed(name: str, message: str, fix: str, line: int | None = None) -> Table:
    return Table(name, problems=(Problem(name, message, fix, line=line),))


def _read_parquet(path: Path, look: Look) -> Table:
    from pyarrow import parquet  # a slow import, and only Parquet needs it

    try:
        rows = ArrowRows(parquet.read_table(path))
    except Exception as error:  # whatever a broken file makes the library raise
        told = (str(error) or type(error).__name__).splitlines()[0]
        return _failed(str(path), f"no valid Parquet ({told})", "Export the file again")
    return _records(str(path), rows, look.sha256, look.state[0])


def _from_dataset(data: Any, total: "hashlib._Hash") -> Table:
    """A `datasets.Dataset`; its bytes are its rows as JSON lines."""
    own, size = hashlib.sha256(), 0
    for number, record in enumerate(data):
        line = json.dumps(record, ensure_ascii=False, sort_keys=True, default=str)
        content = f"{chr(10) if number else ''}{line}".encode()
        own.update(content)
        total.update(content)
        size += len(content)
    return _records("data set", data, own.hexdigest(), size)


def _records(name: str, data: Any, sha256: str, size: int) -> Table:
    def records() -> Iterator[Row | Problem]:
        for number, record in enumerate(data, start=1):
            yield Row(number, {key.strip(): plain_cell(cell) for key, cell in record.items()})

    columns = tuple(str(column).strip() for column in data.column_names)
    problems = () if len(data) else (Problem(name, "there is no row", "Export it again, with rows"),)
    return Table(name, columns, Rows(records, len(data)), sha256, size, problems)
