"""Reads a client's file into rows that know their line: CSV, TSV, JSONL, JSON arrays, Parquet, `datasets.Dataset`.

Text formats are read here and not by `datasets`, which guesses types (007 becomes 7, NA becomes nothing), skips what
it cannot parse and forgets line numbers. Parquet, which has types of its own, goes through `datasets`. Cells stay as
they stand in the file, except for white space around them.

CSV and JSONL are read twice, and never held: first for what is wrong with them, then, as `Table.rows` is gone through,
for the rows. Of a JSON array the text is held while it is read, of Parquet its columns.
"""

import codecs
import csv
import difflib
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias, cast

from recipes.errors import DataError, Problem

if TYPE_CHECKING:
    from datasets import Dataset

# What a caller may hand over as data: a file, several files that are read as one, or a data set in memory.
Data: TypeAlias = "str | Path | Dataset | Sequence[str | Path]"

FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
_COMMON = frozenset("的一是不了在人有我他这這中大来來上国國好很就也都和，。！？、：；“”（）")
_CHUNK = 2**20  # bytes that are looked at together
_REPLACED = re.compile(rb"\xef\xbf\xbd|\\u[fF]{3}[dD]")  # U+FFFD, as it is or as JSON may write it
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True, slots=True)
class Row:
    """One record; `line` is where it starts in a text file (from 1), or its number in Parquet (from 1)."""

    line: int
    cells: Mapping[str, Any]


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


def read_tables(data: Data, digest: "hashlib._Hash | None" = None) -> Iterator[Table]:
    """Every table of `data`, read when it is asked for; nothing is raised, each table carries its own problems.

    digest: is updated with the bytes of every table. Going through the rows of a file that was written to in between
    raises DataError.
    """
    total = digest if digest is not None else hashlib.sha256()
    if isinstance(data, str | Path):
        yield _read_file(Path(data), total)
    elif hasattr(data, "column_names"):
        yield _from_dataset(data, total)
    else:
        for path in cast("Sequence[str | Path]", data):
            yield _read_file(Path(path), total)


def _cell(cell: Any) -> Any:
    """A cell without white space around it. Texts are interned: users and ads come again and again in a log, and are
    held once."""
    return sys.intern(cell.strip()) if type(cell) is str else cell


@dataclass(frozen=True)
class _Look:
    """A file's bytes, gone through once. state: size and time of change; invalid: the offset of the first byte that is
    no text; damaged: whether the replacement character stands anywhere."""

    state: tuple[int, int]
    sha256: str
    blank: bool
    invalid: int | None
    damaged: bool


def _look(path: Path, total: "hashlib._Hash") -> _Look:
    own, decoder = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")()
    blank, damaged = True, False
    invalid = zero = None
    at, tail = 0, b""
    with path.open("rb") as file:
        state = _state(file.fileno())
        while True:
            chunk = file.read(_CHUNK)
            own.update(chunk)
            total.update(chunk)
            blank = blank and (not chunk or chunk.isspace())
            damaged = damaged or _REPLACED.search(tail + chunk) is not None
            if invalid is None:
                begins = at - len(decoder.getstate()[0])
                try:
                    decoder.decode(chunk, final=not chunk)
                except UnicodeDecodeError as error:
                    invalid = begins + error.start
            if zero is None and b"\0" in chunk:
                zero = at + chunk.index(b"\0")
            if not chunk:
                return _Look(state, own.hexdigest(), blank, zero if invalid is None else invalid, damaged)
            at, tail = at + len(chunk), chunk[-8:]


def _state(file: "int | Path") -> tuple[int, int]:
    found = os.stat(file)
    return found.st_size, found.st_mtime_ns


def _read_file(path: Path, total: "hashlib._Hash") -> Table:
    name, suffix = str(path), path.suffix.lower()
    try:
        look = _look(path, total)
    except OSError as error:
        return _failed(name, *_unreadable(path, error))
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
        return _wrong_encoding(name, path.read_bytes(), look.invalid)
    if "js" in suffix:
        return _scanned(name, _json_records(path, look), look, "there is no record in the file")
    delimiter = "\t" if suffix == ".tsv" else _delimiter(_first_line(path))
    note = f"{path.name}: read as separated by {_DELIMITERS[delimiter]}"
    notes = [] if suffix == ".tsv" or delimiter == "," else [note]
    records = partial(_csv_records, path, look, delimiter)
    return _scanned(name, records, look, "there is a header and no row", notes)


def _scanned(
    name: str,
    records: "Callable[[], Iterator[Row | Problem]]",
    look: _Look,
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


def _opened(path: Path, look: _Look, newline: str) -> TextIO:
    """The text of a file that was looked at before. Raises DataError where it has changed since."""
    if _state(path) != look.state:
        fix = "Run it again when nothing writes to the file"
        raise DataError([Problem(str(path), "the file has changed while it was read", fix)])
    return path.open(encoding="utf-8-sig", newline=newline)


def _first_line(path: Path) -> str:
    """The first line that is not empty."""
    with path.open(encoding="utf-8-sig") as file:
        return next(line for line in file if not line.isspace())


def _failed(name: str, message: str, fix: str, line: int | None = None) -> Table:
    return Table(name, problems=(Problem(name, message, fix, line=line),))


def _unreadable(path: Path, error: OSError) -> tuple[str, str]:
    if path.is_dir():
        inside = sorted(child.name for child in path.iterdir() if child.suffix.lower() in FORMATS)[:5]
        return "this is a folder", f"Name its files: {', '.join(inside)}" if inside else "Name a file"
    if not path.exists():
        beside = [child.name for child in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, beside, n=3, cutoff=0.5)
        return (
            "there is no such file",
            f"Did you mean {' or '.join(near)}?" if near else f"Check the path {path}",
        )
    return f"it cannot be read ({error.strerror})", "Check the file's permissions"


def _wrong_encoding(name: str, raw: bytes, offset: int) -> Table:
    """Says where UTF-8 ends, what the file probably is, and the command that converts it."""
    encoding, label = _probable_encoding(raw)
    stem, dot, ending = name.rpartition(".")
    fix = f"Save it as UTF-8: iconv -f {encoding} -t UTF-8 '{name}' > '{stem}-utf8{dot}{ending}'"
    line = raw.count(b"\n", 0, offset) + 1
    return _failed(name, f"byte {offset} is not UTF-8; the file is probably {label}", fix, line)


def _probable_encoding(raw: bytes) -> tuple[str, str]:
    """The name that iconv knows, and how to call it. A guess, for the message only."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16", "UTF-16"
    if (even := raw[::2].count(0)) + (odd := raw[1::2].count(0)) > len(raw) // 10:
        little = odd >= even
        return ("UTF-16LE", "UTF-16") if little else ("UTF-16BE", "UTF-16")
    scores = {}
    for encoding in ("gb18030", "big5"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        foreign = [character for character in text if ord(character) > 127]
        # The right reading shows the commonest characters of Chinese; a wrong one lands among the rare ones.
        common = sum(1 for character in foreign if character in _COMMON)
        scores[encoding] = common / max(len(foreign), 1)
    best = max(scores, key=lambda encoding: scores[encoding], default=None)
    dense = sum(1 for byte in raw if byte > 127) > len(raw) // 10
    if best is not None and (dense or scores[best] > 0.02):
        return ("GB18030", "GBK (GB18030)") if best == "gb18030" else ("BIG5", "Big5")
    return "WINDOWS-1252", "Windows-1252"


def _csv_records(path: Path, look: _Look, delimiter: str) -> Iterator[Row | Problem]:
    name = str(path)
    header: list[str] = []
    # newline="" leaves the line ends inside quoted cells alone, and `line_num` counts the lines of the file.
    with _opened(path, look, newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                fix = "Put cells that hold quotes or line breaks in quotes, and double the quotes inside them"
                yield Problem(name, f"no valid CSV ({error})", fix, line=line)
                return  # after a broken quote nothing below can be trusted
            if not cells:
                continue  # an empty line holds no cell
            if not header:
                header = [cell.strip() for cell in cells]
                yield from _header_problems(name, header, line)
            elif len(cells) != len(header):
                fix = f"Quote the cells that hold the separator ({_DELIMITERS[delimiter]} here), or add what is missing"
                message = f"the row has {len(cells)} cells, the header {len(header)}"
                yield Problem(name, message, fix, line=line)
            else:
                yield Row(line, dict(zip(header, map(_cell, cells), strict=True)))


def _delimiter(header: str) -> str:
    """The separator that the header uses most; a comma where it has none."""
    outside = "".join(header.split('"')[::2])  # what stands outside quotes
    return max(_DELIMITERS, key=lambda delimiter: (outside.count(delimiter), delimiter == ","))


def _header_problems(name: str, header: list[str], line: int) -> Iterator[Problem]:
    for column in sorted({column for column in header if header.count(column) > 1}):
        yield Problem(name, f"two columns are called `{column}`", "Give each column its own name", line=line)


def _json_records(path: Path, look: _Look) -> "Callable[[], Iterator[Row | Problem]]":
    """JSONL, or an array where the file begins with one."""
    read = _array_records if _first_line(path).lstrip().startswith("[") else _line_records

    def records() -> Iterator[Row | Problem]:
        with _opened(path, look, newline="\n") as file:
            for line, record in read(str(path), file):
                if isinstance(record, Problem):
                    yield record
                elif isinstance(record, dict):
                    yield Row(line, {key.strip(): _cell(cell) for key, cell in record.items()})
                else:
                    fix = 'Each record must be an object such as {"text": "...", "label": "..."}'
                    yield Problem(str(path), f"the record is {_short_json(record)}", fix, line=line)

    return records


def _line_records(name: str, file: TextIO) -> Iterator[tuple[int, Any]]:
    """JSONL: one record a line."""
    for line, content in enumerate(file, start=1):
        if not content.isspace():
            try:
                yield line, _DECODER.decode(content)
            except ValueError as error:
                fix = "Write one whole object per line, or an array of objects: [{...}, {...}]"
                yield line, Problem(name, f"no valid JSON ({_json_fault(error)})", fix, line=line)


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
        except ValueError as error:
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


def _json_fault(error: ValueError) -> str:
    return error.msg[:1].lower() + error.msg[1:] if isinstance(error, json.JSONDecodeError) else str(error)


def _short_json(record: Any) -> str:
    text = json.dumps(record, ensure_ascii=False)
    return text if len(text) <= 40 else text[:39] + "…"


def _read_parquet(path: Path, look: _Look) -> Table:
    from datasets import Dataset  # a slow import, and only Parquet needs it
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.read_table(path)
    except (ArrowException, OSError) as error:
        told = str(error).splitlines()[0]
        return _failed(str(path), f"no valid Parquet ({told})", "Export the file again")
    return _records(str(path), Dataset(table), look.sha256, look.state[0])


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
            yield Row(number, {key.strip(): _cell(cell) for key, cell in record.items()})

    columns = tuple(str(column).strip() for column in data.column_names)
    problems = () if len(data) else (Problem(name, "there is no row", "Export it again, with rows"),)
    return Table(name, columns, Rows(records, len(data)), sha256, size, problems)
