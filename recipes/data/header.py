"""Where a table begins: title lines above its header, no header at all, or one that holds all columns in one cell.

    Ad report                          a title
    June 2026                          a title
    Campaign,Impr.,Clicks              the header: as wide as the rows, and no cell of it is a number
    Spring,"1,234",12

A header is only looked for below the first line where that has one cell and the rows have several, with numbers under
it, an empty line above it, or lines above it that begin with #; else the first line is the header, as CSV has it.
"""

import re
import shlex
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.data.packed import plain_name, through
from recipes.errors import Problem
from recipes.tasks.numerals import is_numeral

if TYPE_CHECKING:
    from recipes.data.tables import Table

# What separates the cells of a text file, as messages call it.
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def filled(cells: Sequence[str]) -> list[str]:
    """Cells without the empty ones at the end."""
    kept = list(cells)
    while kept and not kept[-1].strip():
        kept.pop()
    return kept


def header_below(lines: Sequence[Sequence[str]]) -> int | None:
    """Which of the first lines is the header, where titles stand above it; None where the first one is.

    lines: their cells; those of an empty line are empty.
    """
    widths = [len(filled(cells)) for cells in lines]
    several = Counter(width for width in widths if width > 1)
    first = next((number for number, width in enumerate(widths) if width), None)
    if first is None or widths[first] != 1 or not several:
        return None
    width = max(several, key=lambda each: (several[each], each))
    found = next((n for n, cells in enumerate(lines) if is_header(filled(cells), width)), None)
    if found is None or any(above >= width for above in widths[:found]) or several[width] < 2:
        return None
    below = [cells for cells in lines[found + 1 :] if len(filled(cells)) == width]
    counted = any(all(is_numeral(cells[at].strip()) for cells in below) for at in range(width))
    remarks = all(cells[0].startswith("#") for cells in lines[:found] if cells)
    return found if below and (counted or remarks or 0 in widths[first:found]) else None


def is_header(cells: Sequence[str], width: int) -> bool:
    """Whether cells can be the names of so many columns."""
    names = [cell.strip() for cell in cells]
    return len(names) == width == len(set(names)) and all(name and not is_numeral(name) for name in names)


def is_row(cells: Sequence[str]) -> bool:
    """Whether what stands where a header should is a row: a number among texts, or a text that is a sentence."""
    names = [cell.strip() for cell in cells]
    return any(is_numeral(name) for name in names) or any(len(name.split()) > 8 for name in names)


def is_row_above(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the names of columns are a row like those below: also where all of its cells are texts.

    bought green mat, blue tent | buy       `buy` comes again below it: a value, and no name
    asked for a lamp            | skip
    lost my order               | buy

    Where numbers stand in a column whose name is none, it is a header.
    """
    if is_row(columns):
        return True
    own = {name: name.strip() for name in columns if name.strip()}
    cells = {name: [_said(row.get(name)) for row in rows if not _again(row, own)] for name in own}
    cells = {name: [cell for cell in each if cell] for name, each in cells.items()}
    if any(each and all(map(is_numeral, each)) for each in cells.values()):
        return False
    # Where several answers may be ticked, each has a column, which holds its own name or nothing.
    if any(own[name] in each and len(set(each)) > 1 for name, each in cells.items()):
        return True
    long = [name for name, each in cells.items() if each and statistics.median(map(words, each)) >= _SENTENCE]
    return bool(long) and all(
        words(own[name]) >= _SENTENCE and own[name][-1] not in "?？:：" for name in long
    )


_SENTENCE = 4  # words: of a text that is read, and hardly of a name


def _again(row: Mapping[str, Any], own: Mapping[str, str]) -> bool:
    """Whether a row is the first line once more, as where files are joined: in any case, behind a byte order mark."""
    return all(_name(_said(row.get(name))) == _name(own[name]) for name in own)


def _name(text: str) -> str:
    return text.strip("\ufeff \t\r\n").casefold()


def _said(cell: Any) -> str:
    return cell.strip() if isinstance(cell, str) else "" if cell is None else str(cell)


def words(text: str) -> int:
    """How many words a text has; of Chinese, every eight characters are one at least."""
    return max(len(text.split()), len(text) // 8)


def no_header(name: str, columns: Sequence[str], line: int | None = 1) -> Problem:
    """A file whose first line is a row already."""
    cells = ", ".join(f"`{_cut(column)}`" for column in columns[:6])
    names = ",".join(f"c{number}" for number in range(1, len(columns) + 1))
    fix = (
        f"If the file has no header, name its {len(columns)} columns in their order: --columns {names} with names of "
        "your own, such as text,label (data.format.columns)"
    )
    return Problem(name, f"the first line looks like a row, not like a header: {cells}", fix, line=line)


def _cut(text: str, most: int = 30) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


_OF_ONE = 100  # rows that say whether one column is several
_SIGNS = re.compile(r"[^\w\s\"'.()/#%-]{1,4}")
_UNQUOTE = r"""sed -E 's/^"(.*)"\r?$/\1/; s/""/"/g'"""


def cells_in_one(table: "Table") -> Problem | None:
    """What holds the columns of a text file together, and what parts them; None where it has several, or truly one."""
    if table.kind != "text" or len(table.columns) != 1:
        return None
    [name] = table.columns
    rows = [str(row.cells[name]) for row in islice(table.rows, _OF_ONE)]
    for sign in dict.fromkeys(_SIGNS.findall(name)):
        parts = [part.strip() for part in name.split(sign)]
        if len(parts) < 2 or not all(parts) or not all(sign in row for row in rows):
            continue
        message = f"the file has one column, `{name}`"
        path = Path(table.name)
        plain = plain_name(path)
        out = plain.with_name(f"{plain.stem}-plain{plain.suffix}")
        if sign in DELIMITERS:
            fix = f"Each line stands in quotes as one cell; take them off: {through(path, _UNQUOTE, out)}"
        elif not sign.isprintable():
            command = f"tr '\\{ord(sign[0]):03o}' '\\t'"
            fix = f"Put tabs between its cells: {through(path, command, out)}"
        else:
            option = shlex.quote(f"data.format.delimiter={sign}")
            fix = f"If {sign!r} separates its cells, say so: --set {option}"
        return Problem(table.name, message, fix, line=1)
    return None
