"""Reads a client's file into rows that know their line: CSV, TSV, JSONL, JSON arrays, Parquet, `datasets.Dataset`.

Text formats are read here and not by `datasets`, which guesses types (007 becomes 7, NA becomes nothing), skips what
it cannot parse and forgets line numbers. Parquet, which has types of its own, goes through `datasets`. Cells stay as
they stand in the file, except for white space around them.
"""

import codecs
import csv
import difflib
import hashlib
import io
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from recipes.errors import Problem

if TYPE_CHECKING:
    from datasets import Dataset

# What a caller may hand over as data: a file, several files that are read as one, or a data set in memory.
Data: TypeAlias = "str | Path | Dataset | Sequence[str | Path]"

FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
_COMMON = frozenset("的一是不了在人有我他这這中大来來上国國好很就也都和，。！？、：；“”（）")
_REPLACED = re.compile(rb"\xef\xbf\xbd|\\u[fF]{3}[dD]")  # U+FFFD, as it is or as JSON may write it
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True, slots=True)
class Row:
    """One record; `line` is where it starts in a text file (from 1), or its number in Parquet (from 1)."""

    line: int
    cells: Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """One file: its columns in order, its rows, and what was wrong while reading it. `name`: the path as given."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    raw: bytes
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The file's name without folders, for what travels with an adapter."""
        return Path(self.name).name

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()


def read_tables(data: Data) -> Iterator[Table]:
    """Every table of `data`, read when it is asked for; nothing is raised, each table carries its own problems."""
    if isinstance(data, str | Path):
        yield _read_file(Path(data))
    elif hasattr(data, "column_names"):
        yield _from_dataset(data)
    else:
        for path in cast("Sequence[str | Path]", data):
            yield _read_file(Path(path))


def text_of(cell: Any) -> str:
    """A cell as text, white space around it removed; nothing is "".

    Lists become "a, b", mappings lines of "key: value" (inside another value joined by "; "), true and false their
    names in JSON, dates ISO 8601.
    """
    return cell.strip() if type(cell) is str else _text(cell, depth=0).strip()


def _text(cell: Any, depth: int) -> str:
    if cell is None or (isinstance(cell, float) and cell != cell):
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, Mapping):
        parts = [f"{key}: {text}" for key, value in cell.items() if (text := _text(value, depth + 1).strip())]
        return ("; " if depth else "\n").join(parts)
    if isinstance(cell, list | tuple):
        return ", ".join(text for value in cell if (text := _text(value, depth + 1).strip()))
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def _cell(cell: Any) -> Any:
    """A cell without white space around it. Texts are interned: users and ads come again and again in a log, and are
    held once."""
    return sys.intern(cell.strip()) if type(cell) is str else cell


def _read_file(path: Path) -> Table:
    name, suffix = str(path), path.suffix.lower()
    try:
        raw = path.read_bytes()
    except OSError as error:
        return _failed(name, b"", *_unreadable(path, error))
    if suffix not in FORMATS:
        known = ", ".join(FORMATS)
        return _failed(
            name, raw, f"{suffix or 'a file without an ending'} is not read", f"Save it as one of {known}"
        )
    if not raw or raw.isspace():
        return _failed(name, raw, "the file is empty", "Export it again; it needs a header and rows")
    if suffix == ".parquet":
        return _read_parquet(name, raw)
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return _wrong_encoding(name, raw, error.start)
    if b"\0" in raw:
        return _wrong_encoding(name, raw, raw.index(b"\0"))
    table = _read_json(name, raw) if "js" in suffix else _read_csv(name, raw, suffix)
    if not _REPLACED.search(raw):
        return table
    damaged = [row.line for row in table.rows if any("\ufffd" in str(cell) for cell in row.cells.values())]
    if damaged:
        note = (
            f"{path.name}: {len(damaged)} rows hold the replacement character �, the first in line {damaged[0]}: their "
            "text was damaged before it was saved here; export the file again as UTF-8"
        )
        return Table(name, table.columns, table.rows, raw, table.problems, (*table.notes, note))
    return table


def _failed(name: str, raw: bytes, message: str, fix: str, line: int | None = None) -> Table:
    return Table(name, (), (), raw, (Problem(name, message, fix, line=line),))


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
    return _failed(name, raw, f"byte {offset} is not UTF-8; the file is probably {label}", fix, line)


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


def _read_csv(name: str, raw: bytes, suffix: str) -> Table:
    delimiter = "\t" if suffix == ".tsv" else _delimiter(raw)
    # newline="" leaves the line ends inside quoted cells alone, and `line_num` counts the lines of the file. The bytes
    # are decoded a piece at a time: the whole text would take up to four times their size.
    lines = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8-sig", newline="")
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header: list[str] = []
    rows: list[Row] = []
    problems: list[Problem] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            fix = "Put cells that hold quotes or line breaks in quotes, and double the quotes inside them"
            problems.append(Problem(name, f"no valid CSV ({error})", fix, line=line))
            break  # after a broken quote nothing below can be trusted
        if not cells:
            continue  # an empty line holds no cell
        if not header:
            header = [cell.strip() for cell in cells]
            problems += _header_problems(name, header, line)
        elif len(cells) != len(header):
            fix = f"Quote the cells that hold the separator ({_DELIMITERS[delimiter]} here), or add what is missing"
            message = f"the row has {len(cells)} cells, the header {len(header)}"
            problems.append(Problem(name, message, fix, line=line))
        else:
            rows.append(Row(line, dict(zip(header, map(_cell, cells), strict=True))))
    if not rows and not problems:
        problems.append(Problem(name, "there is a header and no row", "Export the file again, with rows"))
    note = f"{Path(name).name}: read as separated by {_DELIMITERS[delimiter]}"
    notes = () if suffix == ".tsv" or delimiter == "," else (note,)
    return Table(name, tuple(header), tuple(rows), raw, tuple(problems), notes)


def _delimiter(raw: bytes) -> str:
    """The separator that the header uses most; a comma where it has none."""
    header = raw.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n").partition(b"\n")[0].decode()
    outside = "".join(header.split('"')[::2])  # what stands outside quotes
    return max(_DELIMITERS, key=lambda delimiter: (outside.count(delimiter), delimiter == ","))


def _header_problems(name: str, header: list[str], line: int) -> Iterator[Problem]:
    for column in sorted({column for column in header if header.count(column) > 1}):
        yield Problem(name, f"two columns are called `{column}`", "Give each column its own name", line=line)


def _read_json(name: str, raw: bytes) -> Table:
    content = raw.removeprefix(codecs.BOM_UTF8)
    array = re.match(rb"\s*\[", content)
    records = _array_records(name, content.decode()) if array else _line_records(name, content)
    columns: dict[str, None] = {}
    rows: list[Row] = []
    problems: list[Problem] = []
    for line, record in records:
        if isinstance(record, Problem):
            problems.append(record)
        elif not isinstance(record, dict):
            fix = 'Each record must be an object such as {"text": "...", "label": "..."}'
            problems.append(Problem(name, f"the record is {_short_json(record)}", fix, line=line))
        else:
            cells = {key.strip(): _cell(cell) for key, cell in record.items()}
            if not cells.keys() <= columns.keys():
                columns |= dict.fromkeys(cells)
            rows.append(Row(line, cells))
    if not rows and not problems:
        problems.append(Problem(name, "there is no record in the file", "Export the file again, with rows"))
    return Table(name, tuple(columns), tuple(rows), raw, tuple(problems))


def _line_records(name: str, lines: bytes) -> Iterator[tuple[int, Any]]:
    """JSONL: one record a line."""
    for line, content in enumerate(io.BytesIO(lines), start=1):
        if not content.isspace():
            try:
                yield line, _DECODER.decode(content.decode())
            except ValueError as error:
                fix = "Write one whole object per line, or an array of objects: [{...}, {...}]"
                yield line, Problem(name, f"no valid JSON ({_json_fault(error)})", fix, line=line)


def _array_records(name: str, text: str) -> Iterator[tuple[int, Any]]:
    """A JSON array, record by record, so that each keeps its line."""
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


def _read_parquet(name: str, raw: bytes) -> Table:
    from datasets import Dataset  # a slow import, and only Parquet needs it
    from pyarrow import ArrowException, BufferReader, parquet

    try:
        table = parquet.read_table(BufferReader(raw))
    except (ArrowException, OSError) as error:
        told = str(error).splitlines()[0]
        return _failed(name, raw, f"no valid Parquet ({told})", "Export the file again")
    return _records(name, Dataset(table), raw)


def _from_dataset(data: Any) -> Table:
    """A `datasets.Dataset`; its raw bytes are its rows as JSON lines."""
    lines = (json.dumps(record, ensure_ascii=False, sort_keys=True, default=str) for record in data)
    return _records("data set", data, "\n".join(lines).encode())


def _records(name: str, data: Any, raw: bytes) -> Table:
    columns = tuple(str(column).strip() for column in data.column_names)
    rows = tuple(
        Row(
            number,
            {key.strip(): _cell(cell) for key, cell in record.items()},
        )
        for number, record in enumerate(data, start=1)
    )
    problems = () if rows else (Problem(name, "there is no row", "Export it again, with rows"),)
    return Table(name, columns, rows, raw, problems)
