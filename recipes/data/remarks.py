"""What cells hold that a reader should know, and nobody reads otherwise: a note for each column that has some.

NULL, #N/A, \\N       words by which programs say that a cell is empty; they are read as these words
&amp; &#39; <br>     what HTML writes for & ' and a line break; it is read as it stands
="007"               a text as formulas of Excel have it; it is read as it stands
U+0007, U+001B       characters that act on a terminal and say nothing; they are taken out (`text_of`)
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from recipes.tasks.templates import SAY_NOTHING, as_written, without_controls

if TYPE_CHECKING:
    from recipes.data.records import Row

_HTML = re.compile(
    r"&(?:[a-zA-Z]{2,8}\d{0,2}|#\d{2,7}|#[xX][0-9a-fA-F]{2,6});|</?(?:br|p|b|i|div|span|li|ul|strong)\b[^<>]*>"
)
_FORMULA = re.compile('="[^"]*"')
_TEXTS = {str, list, tuple, dict, bytes}  # types of cells that texts are in
_WORDS, _MARKS, _FORMULAS, _CONTROLS = "words", "marks", "formulas", "controls"


class Remarks:
    """Those on the rows of a file, which are looked at in their order."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Counter[str]] = {}  # (column, kind) -> what stands there
        self._first: dict[tuple[str, str], int] = {}
        self._of: dict[tuple[str, ...], Callable[[Mapping[str, Any]], tuple[Any, ...]]] = {}

    def look(self, row: "Row", columns: tuple[str, ...]) -> None:
        """Look at one row. columns: that are read of it."""
        # Nearly all rows have nothing of it, and are asked as a whole.
        try:
            cells = (self._of.get(columns) or self._getter(columns))(row.cells)
            text = "".join(cells)
            if (
                SAY_NOTHING.isdisjoint(cells)
                and "&" not in text
                and "<" not in text
                and '="' not in text
                and (text.isprintable() or without_controls(text) == text)
            ):
                return
        except (KeyError, TypeError):  # JSON leaves keys out, and has more than texts
            pass
        for column in dict.fromkeys(columns):
            cell = row.cells.get(column)
            if type(cell) in _TEXTS:
                self._add(row.line, column, as_written(cell))

    def notes(self, title: str) -> list[str]:
        """A note for each column that has some. title: of the file."""
        return [self._note(title, column, kind) for column, kind in self._found]

    def _getter(self, columns: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
        if columns not in self._of:
            # Of one column `itemgetter` would give the cell itself.
            self._of[columns] = itemgetter(*columns, *columns[:1]) if columns else lambda cells: ()
        return self._of[columns]

    def _add(self, line: int, column: str, cell: str) -> None:
        if cell in SAY_NOTHING:
            self._count(line, column, _WORDS, cell)
        elif ("&" in cell or "<" in cell) and (found := _HTML.search(cell)) is not None:
            self._count(line, column, _MARKS, found[0])
        if _FORMULA.fullmatch(cell):
            self._count(line, column, _FORMULAS, cell)
        if not cell.isprintable() and (plain := without_controls(cell)) != cell:
            odd = next(character for character in cell if character not in plain)
            self._count(line, column, _CONTROLS, f"U+{ord(odd):04X}")

    def _count(self, line: int, column: str, kind: str, what: str) -> None:
        self._found.setdefault((column, kind), Counter())[what] += 1
        self._first.setdefault((column, kind), line)

    def _note(self, title: str, column: str, kind: str) -> str:
        found, line = self._found[column, kind], self._first[column, kind]
        where = f"the first in line {line}"
        if kind == _WORDS:
            return (
                f"{title}: {found.total():,} cells of `{column}` say {', '.join(sorted(found))}, {where}, and are read "
                "as these words; where they mean that nothing is known, empty them"
            )
        often = ", ".join(what for what, _ in found.most_common(3))
        if kind == _MARKS:
            return (
                f"{title}: {found.total():,} cells of `{column}` hold HTML such as {often}, {where}, and are read as "
                "they stand; where it is no part of the text, export it as plain text (in Python: html.unescape)"
            )
        if kind == _FORMULAS:
            return (
                f"{title}: {found.total():,} cells of `{column}` are written for Excel, such as {often[:60]}, {where}, "
                "and are read as they stand; export them without the sign and its quotes (in Python: cell[2:-1])"
            )
        return (
            f"{title}: {found.total():,} cells of `{column}` hold control characters ({often}), {where}; they are "
            "taken out, and so they are in requests"
        )
