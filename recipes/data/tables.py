"""Reads a client's file into rows that know their line: CSV, TSV, JSONL, JSON arrays, Parquet, Excel, data sets.

Text formats are read here and not by `datasets`, which guesses types (007 becomes 7, NA becomes nothing), skips what
it cannot parse and forgets line numbers. Parquet has types of its own (arrow_rows.py). Cells stay as they stand in the
file, except for white space around them; formats that have a name (formats.py) say what is read otherwise. A file
packed by gzip or Zstandard is read as what it holds.

CSV, JSONL and Parquet are read twice, and never held: first for what is wrong with them, then, as `Table.rows` is gone
through, for the rows. Of a JSON array the text is held while it is read, of packed Parquet the bytes, of Excel the
cells.
"""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from recipes.data import chats, mind, workbook
from recipes.data.archives import archived
from recipes.data.arrow_rows import ArrowRows
from recipes.data.dialect import decide
from recipes.data.documents import documented
from recipes.data.edge import at_the_edge
from recipes.data.encodings import is_utf8, once, wrong_encoding, wrongly_said
from recipes.data.file_bytes import USUAL, Look, check_unchanged, look_at, top, why_unreadable
from recipes.data.formats import CHATS, REPORTS, as_named, chat_of, header_line, recognized
from recipes.data.json_shapes import is_json, no_records
from recipes.data.packed import ending, kind, packing, read, unpacked
from recipes.data.records import Row, csv_records, json_records, of_one_name, row_of
from recipes.data.reports import Report, tidied
from recipes.errors import Problem
from recipes.options.data import FormatOptions

if TYPE_CHECKING:
    from datasets import Dataset

# What a caller may hand over as data: a file, several files that are read as one, or a data set in memory.
Data: TypeAlias = "str | Path | Dataset | Sequence[str | Path]"

_SHEETS = (".xlsx", ".xlsm", ".xls", ".ods")
_ENDINGS = (".csv", ".tsv", ".txt", ".dat", ".jsonl", ".ndjson", ".json", ".parquet", *_SHEETS)
_SAVED = "one of .csv, .tsv, .jsonl, .json, .parquet or .xlsx, packed (.gz, .zst) or not"
_NO_ROW = "there is a header and no row"


@dataclass(frozen=True)
class Rows:
    """The rows of a table, which are read again whenever they are gone through: none is held."""

    records: "Callable[[], Iterator[Row | Problem | str]]"
    count: int

    def __iter__(self) -> Iterator[Row]:
        return (record for record in self.records() if isinstance(record, Row))

    def __len__(self) -> int:
        return self.count


@dataclass(frozen=True)
class Table:
    """One file: its columns in order, its rows, and what was wrong while reading it.

    name: the path as given. sha256, bytes: of the file as it lies on disk, of a data set as JSON lines. kind: as it is
    read, whatever it is called: text (CSV and TSV), sheet, json, parquet; rows of a data set. arrow: the rows of
    Parquet with their own types. sheet: of a workbook that has several. faults: column -> what is wrong with it alone.
    """

    name: str
    columns: tuple[str, ...] = ()
    rows: Rows = Rows(lambda: iter(()), 0)
    sha256: str = ""
    bytes: int = 0
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    kind: str = "rows"
    arrow: ArrowRows | None = None
    sheet: str = ""
    faults: Mapping[str, Problem] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The file's name without folders, for what travels with an adapter."""
        return Path(self.name).name

    def faults_of(self, read: Collection[str | None]) -> list[Problem]:
        """What is wrong with columns that are read."""
        return [problem for column, problem in self.faults.items() if column in read]

    def idle_faults(self, read: Collection[str | None]) -> list[str]:
        """A note on each column with something wrong that nobody reads."""
        return [
            f"{self.title}: `{column}` {problem.message}; it is not read"
            for column, problem in self.faults.items()
            if column not in read
        ]


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
        yield _from_dataset(data, total, written)
    else:
        for path in cast("Sequence[str | Path]", data):
            if written.name != "mind" or not mind.is_news(Path(path)):
                yield _read_file(Path(path), total, written)


def _read_file(path: Path, total: "hashlib._Hash", written: FormatOptions) -> Table:
    problems: list[Problem] = []
    found: list[Table] = []
    with at_the_edge(str(path), problems):
        found.append(_as_it_is(path, total, written))
    return found[0] if found else Table(str(path), problems=tuple(problems))


def _as_it_is(path: Path, total: "hashlib._Hash", written: FormatOptions) -> Table:
    """A file by what it is, whatever it is called."""
    name, suffix = str(path), ending(path)
    try:
        look = look_at(path, total, written.encoding or USUAL)
        found = None if look.blank else kind(path)
        other = None if look.blank else archived(path) or documented(path)
    except OSError as error:
        return _failed(name, *why_unreadable(path, error, _ENDINGS))
    if other is not None:
        return Table(name, problems=(other,))
    if suffix not in _ENDINGS:
        return _failed(name, f"{suffix or 'a file without an ending'} is not read", _to_save(path, suffix))
    if look.blank:
        return _failed(name, "the file is empty", "Export it again; it needs a header and rows")
    told = [f"{path.name}: read as UTF-16, as its first bytes say"] if _is_wide(look, written) else []
    if found is not None and found != suffix and not (found in _SHEETS and suffix in _SHEETS):
        told, suffix = [f"{path.name}: read as {found}, which it is by its first bytes"], found
    if suffix == ".parquet":
        as_, table = "parquet", _read_parquet(path, look, written)
    elif suffix in _SHEETS:
        as_, table = "sheet", _read_sheet(path, look, written)
    elif look.foreign and (look.invalid is not None or is_utf8(look.encoding, look.foreign)):
        return Table(name, problems=(wrongly_said(path, look.encoding),))
    elif look.invalid is not None:
        said = None if look.encoding in (USUAL, "utf-16") else look.encoding
        return Table(name, problems=(wrong_encoding(path, look.invalid, said, written.encoding),))
    elif "js" in suffix or (not written.is_tabular and is_json(path, look)):
        if "js" not in suffix:
            told = [*told, f"{path.name}: read as JSON, which it is by its first lines"]
        as_, table = "json", _read_json(path, look, written)
    else:
        as_, table = "text", _read_delimited(path, look, written)
    return replace(table, notes=(*told, *table.notes), kind=as_)


def _to_save(path: Path, suffix: str) -> str:
    if not suffix and path.suffix.lower() in (".gz", ".zst"):
        return f"Let its name say what it holds, such as {path.stem}.csv{path.suffix}"
    return f"Save it as {_SAVED}"


def _is_wide(look: Look, written: FormatOptions) -> bool:
    return written.encoding is None and look.encoding != USUAL


def _read_delimited(path: Path, look: Look, written: FormatOptions) -> Table:
    told = []
    if written.name is None and not written.headless and written.header is None:
        name = recognized(top(path, look, 20))
        told = _recognized(path, name)
        written = written.model_copy(update={"name": name})
    if written.name in CHATS:
        fix = "Save the chats as JSON lines (.jsonl), or leave data.format.name out"
        return _failed(str(path), f"{written.name} is JSON, and this is a table", fix)
    given = as_named(path, written, top(path, look, 1))
    known = header_line(given.name, top(path, look)) if given.name in REPORTS else None
    decided = decide(path, look, given, known)
    records = partial(csv_records, path, look, decided.dialect)
    if given.name == "mind":
        news = mind.read_news(path)
        if isinstance(news, Problem):
            return Table(str(path), problems=(news,))
        return _scanned(
            str(path),
            lambda: mind.joined(str(path), records(), news),
            look,
            "no impression is in the file",
            told,
        )
    table = _numbered(path, look, given, records, (*told, *decided.notes))
    return replace(table, problems=(*decided.problems, *table.problems))


def _numbered(
    path: Path,
    look: Look,
    given: FormatOptions,
    records: "Callable[[], Iterator[Row | Problem | str]]",
    notes: Sequence[str],
) -> Table:
    """A table whose numbers are read as the format has them, where it says how."""
    report = _tidied(str(path), records, given)
    table = _scanned(str(path), report.records, look, _NO_ROW, (*notes, *report.notes))
    return replace(table, problems=(*report.problems, *table.problems))


def _tidied(
    name: str, records: "Callable[[], Iterator[Row | Problem | str]]", given: FormatOptions
) -> Report:
    """Records with the numbers that the format has otherwise."""
    kind = given.name if given.name in REPORTS else None
    if kind is None and given.decimal is None and not given.percent:
        return Report(records)
    return tidied(name, records, kind, given.decimal, given.percent)


def _read_json(path: Path, look: Look, written: FormatOptions) -> Table:
    if (odd := no_records(path, look)) is not None:
        return Table(str(path), problems=(odd,))
    records: Callable[[], Iterator[Row | Problem | str]] = json_records(path, look)
    told: list[str] = []
    name = written.name
    if name is None:
        first = next((record for record in islice(records(), 1) if isinstance(record, Row)), None)
        name = chat_of(dict(first.cells)) if first is not None else None
        told = _recognized(path, name)
    if name in CHATS:
        records = chats.as_copy(str(path), records, name, written.turns)
    report = _tidied(str(path), records, written.model_copy(update={"name": None}))
    table = _scanned(
        str(path), report.records, look, "there is no record in the file", (*told, *report.notes)
    )
    return replace(table, problems=(*report.problems, *table.problems))


def _read_sheet(path: Path, look: Look, written: FormatOptions) -> Table:
    given = as_named(path, written)
    sheet = workbook.open_sheet(path, given)
    if isinstance(sheet, Problem):
        return Table(str(path), problems=(sheet,))
    told: list[str] = []
    if written.name is None and not written.headless and sheet.report is not None:
        told = _recognized(path, sheet.report)
        given = given.model_copy(update={"name": sheet.report})
    table = _numbered(path, look, given, partial(sheet.records, given.columns or ()), (*told, *sheet.notes))
    return replace(table, sheet=sheet.chosen)


def _recognized(path: Path, name: str | None) -> list[str]:
    said = f"{path.name}: read as {name}, by its first lines (data.format.name)"
    return [] if name is None else [said]


def _scanned(
    name: str,
    records: "Callable[[], Iterator[Row | Problem | str]]",
    look: Look,
    empty: str,
    notes: Sequence[str] = (),
) -> Table:
    """Go through the records of a file once, for its columns and for everything that is wrong with it."""
    columns: dict[str, None] = {}
    problems: list[Problem] = []
    damaged: list[int] = []
    twice: list[tuple[int, str, str]] = []
    faults: dict[str, Problem] = {}
    told = list(notes)
    count = 0
    for record in records():
        if isinstance(record, str):
            told.append(record)
            continue
        if isinstance(record, Problem):
            if record.of_column and record.column is not None:
                faults.setdefault(record.column, record)
            else:
                problems.append(record)
            continue
        count += 1
        if not record.cells.keys() <= columns.keys():
            columns |= dict.fromkeys(record.cells)
        if look.damaged and any("\ufffd" in str(cell) for cell in record.cells.values()):
            damaged.append(record.line)
        if look.twice:
            twice += _twice(record)
    if not count and not problems:
        problems += [*faults.values(), Problem(name, empty, "Export the file again, with rows")]
    if damaged:
        note = (
            f"{Path(name).name}: {len(damaged)} rows hold the replacement character �, the first in line {damaged[0]}: "
            "their text was damaged before it was saved here; export the file again as UTF-8"
        )
        told.append(note)
    if twice:
        line, cell, before = twice[0]
        told.append(
            f"{Path(name).name}: {len(twice)} rows hold UTF-8 that was taken for another encoding before, the first in "
            f"line {line}: {cell[:40]!r} was {before[:40]!r}; export the file again as UTF-8"
        )
    rows = Rows(records, count)
    return Table(
        name, tuple(columns), rows, look.sha256, look.state[0], tuple(problems), tuple(told), faults=faults
    )


def _twice(row: Row) -> list[tuple[int, str, str]]:
    """The line, a cell that was made UTF-8 twice, and what it was before; nothing where the row holds none."""
    cells = (cell for cell in row.cells.values() if isinstance(cell, str))
    return [(row.line, cell, before) for cell in cells if (before := once(cell)) is not None][:1]


def _failed(name: str, message: str, fix: str, line: int | None = None) -> Table:
    return Table(name, problems=(Problem(name, message, fix, line=line),))


def _read_parquet(path: Path, look: Look, written: FormatOptions) -> Table:
    def source() -> Path | io.BytesIO:
        check_unchanged(path, look)
        if packing(path) is None:
            return path
        with unpacked(path) as file:
            return io.BytesIO(read(file))

    try:
        rows = ArrowRows(source)
    except Exception as error:  # whatever a broken file makes the library raise
        told = (str(error) or type(error).__name__).splitlines()[0]
        return _failed(str(path), f"no valid Parquet ({told})", "Export the file again")
    return replace(_records(str(path), rows, look.sha256, look.state[0], written), arrow=rows)


def _from_dataset(data: Any, total: "hashlib._Hash", written: FormatOptions) -> Table:
    """A `datasets.Dataset`; its bytes are its rows as JSON lines."""
    own, size = hashlib.sha256(), 0
    for number, record in enumerate(data):
        line = json.dumps(record, ensure_ascii=False, sort_keys=True, default=str)
        content = f"{chr(10) if number else ''}{line}".encode()
        own.update(content)
        total.update(content)
        size += len(content)
    return _records("data set", data, own.hexdigest(), size, written)


def _records(name: str, data: Any, sha256: str, size: int, written: FormatOptions) -> Table:
    def records() -> Iterator[Row | Problem | str]:
        for number, record in enumerate(data, start=1):
            yield row_of(number, record)

    named = Counter(str(column).strip() for column in data.column_names)
    faults = {column: of_one_name(name, column, count, None) for column, count in named.items() if count > 1}
    problems = () if len(data) else (Problem(name, "there is no row", "Export it again, with rows"),)
    report = _tidied(name, records, written.model_copy(update={"name": None}))
    return Table(
        name,
        tuple(named),
        Rows(report.records, len(data)),
        sha256,
        size,
        (*problems, *report.problems),
        report.notes,
        faults=faults,
    )
