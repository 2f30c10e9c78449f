"""Cells that say in a word that they are empty, as programs write it: NULL, #N/A, \\N. They are read as these words,
and told."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from recipes.tasks.templates import SAY_NOTHING

if TYPE_CHECKING:
    from recipes.data.records import Row


class Nothing:
    """Those of some columns of a table, whose rows are looked at in their order."""

    def __init__(self, columns: Iterable[str]) -> None:
        self._columns = tuple(dict.fromkeys(columns))
        self._words: dict[str, Counter[str]] = {}
        self._first: dict[str, int] = {}

    def look(self, row: "Row") -> None:
        """Look at one row."""
        for column in self._columns:
            cell = row.cells.get(column)
            if type(cell) is str and cell in SAY_NOTHING:
                self._words.setdefault(column, Counter())[cell] += 1
                self._first.setdefault(column, row.line)

    def notes(self, title: str) -> list[str]:
        """A note for each column that has some. title: of the file."""
        return [
            f"{title}: {words.total():,} cells of `{column}` say {', '.join(sorted(words))}, the first in line "
            f"{self._first[column]}, and are read as these words; where they mean that nothing is known, empty them"
            for column, words in self._words.items()
        ]
