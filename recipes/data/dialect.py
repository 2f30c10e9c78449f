"""How a CSV or TSV file is written: what stands between its cells and around them, decided from the file.

    "a, b",glad         quotes hold a cell together
    "Good value<TAB>glad    a tab-separated file of plain text: the quote is the customer's own

Quotes are taken for what holds cells together, as CSV has it, unless the file speaks against it: a cell in quotes that
runs over several lines and holds the separator may be whole rows that a stray quote swallows.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.data.file_bytes import Look, opened, top
from recipes.data.header import DELIMITERS, filled, header_below
from recipes.data.packed import ending
from recipes.errors import Problem

if TYPE_CHECKING:
    from recipes.options.data import FormatOptions

LONGEST_CELL = 2**24  # characters; Python's own limit of 131,072 is less than a page of a shop
_TABBED = (".tsv", ".txt", ".dat")
_UNIT = "\x1f"  # stands for a separator of several characters while the cells are split
_SAID = re.compile(r"sep=(.)", re.IGNORECASE)  # Excel's own first line: which separator follows


@dataclass(frozen=True)
class Dialect:
    """delimiter: between cells. quote: around them; None where quotes are text. above: lines before the header.
    columns: their names, where the file has no header. ends: what a line begins with that ends the table. spaced:
    whether a quote counts behind spaces too."""

    delimiter: str
    quote: str | None = '"'
    above: int = 0
    columns: tuple[str, ...] = ()
    ends: str | None = None
    spaced: bool = False

    @property
    def called(self) -> str:
        """The separator as messages call it."""
        return DELIMITERS.get(self.delimiter, repr(self.delimiter))

    def reader(self, file: Any) -> Any:
        """The records of an open file, `above` lines passed over."""
        quoting: dict[str, Any] = (
            {"quoting": csv.QUOTE_NONE} if self.quote is None else {"quotechar": self.quote}
        )
        for _ in range(self.above):
            next(file, None)
        csv.field_size_limit(LONGEST_CELL)
        if len(self.delimiter) > 1:
            file = (line.replace(self.delimiter, _UNIT) for line in file)
        return csv.reader(
            file,
            delimiter=self.delimiter if len(self.delimiter) == 1 else _UNIT,
            strict=True,
            skipinitialspace=self.spaced,
            **quoting,
        )


@dataclass(frozen=True)
class Decided:
    """What was decided, what of it a reader should know, and where the file leaves it open."""

    dialect: Dialect
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def decide(path: Path, look: Look, given: "FormatOptions", known: tuple[int, str] | None = None) -> Decided:
    """The dialect of a file that was looked at before.

    given: what the recipe says of it, which is not asked again. known: how many lines stand above the header and what
    separates its cells, where the format is one that tells.
    """
    usual = "\t" if ending(path) in _TABBED else ","
    lines = top(path, look)
    above, delimiter, notes = _begins(path, lines, given, usual, known)
    dialect = Dialect(delimiter, given.around or '"', above, ends="#" if given.name == "ga4" else None)
    if given.headless:
        dialect = replace(dialect, columns=_named(lines[above:], dialect, given))
    if delimiter not in (given.between, usual):
        notes.append(f"{path.name}: read as separated by {dialect.called}")
    if given.quote is None and len(delimiter) == 1 and delimiter != "\t":
        dialect, told = _other_quotes(path, look, dialect, lines)
        notes += told
    if given.quote is None and look.quoted:
        decided = _decide_quotes(path, look, dialect)
        return replace(decided, notes=(*notes, *decided.notes))
    if given.quote == "none":
        dialect = replace(dialect, quote=None)
    return Decided(dialect, tuple(notes))


def _begins(
    path: Path,
    lines: Sequence[str],
    given: "FormatOptions",
    usual: str,
    known: tuple[int, str] | None,
) -> tuple[int, str, list[str]]:
    """How many lines stand above the header, what separates its cells, and what of it a reader should know."""
    if given.header:
        above = given.header - 1
        header = lines[above] if above < len(lines) else lines[-1]
        return above, given.between or _delimiter_of(header, usual), []
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    said = _SAID.fullmatch(lines[first].strip())
    start = next((n for n in range(first + 1, len(lines)) if lines[n].strip()), first) if said else first
    above = start if said else 0
    if given.headless:
        return above, given.between or (said[1] if said else _delimiter_of(lines[start], usual)), []
    delimiter = given.between or (
        said[1] if said else known[1] if known else _delimiter_of(lines[start], usual)
    )
    if known is not None:
        below: int | None = known[0]
    else:
        tried = [delimiter, *(DELIMITERS if given.between is None and not said else ())]
        found = ((header_below(_cells(lines[start:], each)), each) for each in dict.fromkeys(tried))
        below, delimiter = next(
            ((start + at, each) for at, each in found if at is not None), (None, delimiter)
        )
    if not below or below <= start:
        return above, delimiter, []
    note = f"{path.name}: the header stands in line {below + 1}; what stands above it is not read (data.format.header)"
    return below, delimiter, [note]


def _cells(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """The cells of each line for itself."""
    unit = delimiter if len(delimiter) == 1 else _UNIT
    try:
        return [next(csv.reader([line.replace(delimiter, unit)], delimiter=unit), []) for line in lines]
    except csv.Error:
        return []


def _named(lines: Sequence[str], dialect: Dialect, given: "FormatOptions") -> tuple[str, ...]:
    """The names that the recipe gives, or numbers for as many as the first row has."""
    if given.columns is not None:
        return tuple(given.columns)
    first = next((line for line in lines if line.strip()), "")
    cells = (
        first.split(dialect.delimiter)
        if len(dialect.delimiter) > 1
        else _cells([first], dialect.delimiter)[0]
    )
    return tuple(f"column_{number}" for number in range(1, len(filled(cells)) + 1))


def _delimiter_of(header: str, usual: str) -> str:
    """The separator that the header uses most, a tab in a tab-separated file; the usual one where it has none."""
    outside = "".join(header.split('"')[::2])  # what stands outside quotes
    if usual == "\t" and usual in outside:
        return usual
    return max(DELIMITERS, key=lambda delimiter: (outside.count(delimiter), delimiter == usual))


def _other_quotes(
    path: Path, look: Look, dialect: Dialect, lines: Sequence[str]
) -> tuple[Dialect, list[str]]:
    """The dialect whose quotes stand behind spaces, `nice, "a, b"`, or are single ones, where the whole file reads by
    it, and by the usual one does not or shows its quotes."""
    usual = replace(dialect, quote='"')
    between = re.escape(dialect.delimiter)
    begins, ends = re.compile(rf"(^|{between}) *'"), re.compile(rf"' *({between}|$)")
    single, spaced = replace(dialect, quote="'"), replace(dialect, spaced=True)
    if any(begins.search(line) and ends.search(line.rstrip("\r\n")) for line in lines):
        shown = all(re.fullmatch("'.*'", cell) for cell in _top_cells(lines[dialect.above :], dialect))
        if _is_even(path, look, single) and (shown or not _is_even(path, look, usual)):
            return single, [f"{path.name}: single quotes hold its cells together (data.format.quote)"]
    pattern = re.compile(rf'{between} +"')
    if not (look.quoted and any(map(pattern.search, lines)) and _is_even(path, look, spaced)):
        return dialect, []
    if _is_even(path, look, usual) and not _differ(path, look, usual, spaced):
        return dialect, []
    return spaced, [f"{path.name}: quotes behind spaces hold its cells together (data.format.quote)"]


def _top_cells(lines: Sequence[str], dialect: Dialect) -> list[str]:
    """The cells of the first line that has some, its quotes and all."""
    first = next((line for line in lines if line.strip()), "")
    return [cell.strip() for cell in first.rstrip("\r\n").split(dialect.delimiter)]


def _is_even(path: Path, look: Look, dialect: Dialect) -> bool:
    """Whether each record has as many cells as the first, of which there are two or more."""
    with opened(path, look, newline="") as file:
        try:
            return len(widths := {len(cells) for cells in dialect.reader(file) if cells}) == 1 < max(widths)
        except csv.Error:
            return False


def _differ(path: Path, look: Look, one: Dialect, other: Dialect) -> bool:
    """Whether two dialects that a whole file reads by give other cells."""
    with opened(path, look, newline="") as file, opened(path, look, newline="") as again:
        return any(
            [cell.strip() for cell in a] != [cell.strip() for cell in b]
            for a, b in zip(one.reader(file), other.reader(again), strict=False)
        )


def _decide_quotes(path: Path, look: Look, dialect: Dialect) -> Decided:
    """Whether quotes hold cells together, in a file that has some."""
    swallowing, broken = _doubts(path, look, dialect)
    if not swallowing and not broken:
        return Decided(dialect)
    bare = replace(dialect, quote=None)
    rows = _rows_by_line(path, look, bare)
    if rows and dialect.delimiter == "\t":
        note = (
            f"{path.name}: quotes are read as text: {rows} cells begin with one, and each line alone has the header's "
            "columns (data.format.quote)"
        )
        return Decided(bare, (note,))
    if rows or dialect.delimiter == "\t":
        message = (
            f"a cell in quotes runs over several lines and holds {dialect.called}: it may be several rows"
        )
        fix = "If quotes are plain text here, set data.format.quote=none; if it is one cell, =double"
        return Decided(dialect, problems=tuple(Problem(str(path), message, fix, line) for line in swallowing))
    if not swallowing:
        return Decided(dialect)  # the broken quote is told when the rows are read
    note = (
        f"{path.name}: {len(swallowing)} cells in quotes run over several lines and hold {dialect.called}, the first "
        f"in line {swallowing[0]}; where they are several rows, mend the quotes (data.format.quote)"
    )
    return Decided(dialect, (note,))


def _doubts(path: Path, look: Look, dialect: Dialect) -> tuple[Sequence[int], bool]:
    """The lines of records with a cell that runs over several lines and holds the separator; whether a quote is
    broken."""
    found = []
    with opened(path, look, newline="") as file:
        reader, line = dialect.reader(file), 1
        try:
            for cells in reader:
                spans = reader.line_num > line
                if spans and any(dialect.delimiter in cell and _breaks(cell) for cell in cells):
                    found.append(line + dialect.above)
                line = reader.line_num + 1
        except csv.Error:
            return found, True
    return found, False


def _rows_by_line(path: Path, look: Look, bare: Dialect) -> int:
    """How many cells begin with a quote, if each line alone has the header's columns, of which there are two or more;
    else 0."""
    width, quotes = 0, 0
    with opened(path, look, newline="") as file:
        try:
            for cells in bare.reader(file):
                width = width or len(cells)
                if cells and (len(cells) != width or width < 2):
                    return 0
                quotes += sum(cell.startswith('"') for cell in cells)
        except csv.Error:
            return 0
    return quotes


def _breaks(cell: str) -> bool:
    return "\n" in cell or "\r" in cell
