"""Labels that stand in the very texts that they are to be told from: a note, since whoever learns from these copies
them and knows nothing of texts without.

    text                          label
    late again. Category: mad     mad        an export that joined the answer to the question
    thanks! Category: glad        glad

Where all labels stand in all texts, as in a question that lists them, none gives itself away.
"""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recipes.data.cells import Parsed

_NEARLY = 0.1  # of the rows may be without
_FEWEST = 10  # rows that are no coincidence
_SHOWN = 60  # characters of an example


class Leaks:
    """The labels and texts of one table. rows: how many it has."""

    def __init__(self, rows: int) -> None:
        self._most, self._seen, self._missed = _NEARLY * rows, 0, 0
        self._others = self._asked = 0
        self._first: Parsed | None = None
        self._last: tuple[str, ...] = ()  # labels of the latest row that has others

    def add(self, row: "Parsed") -> None:
        """Look at one row."""
        if not row.names or self._missed > self._most:
            return
        text = row.text.casefold()
        self._seen += 1
        if not all(_stands_in(name, text) for name in row.names):
            self._missed += 1
        elif self._first is None:
            self._first = row
        if self._last and self._last != row.names:
            self._asked += 1
            self._others += any(_stands_in(name, text) for name in self._last if name not in row.names)
        self._last = row.names

    def notes(self, title: str) -> list[str]:
        """A note where nearly every text holds its label, and seldom another one. title: of the file."""
        row = self._first
        if (
            row is None
            or self._seen < _FEWEST
            or self._missed > _NEARLY * self._seen
            or self._others >= _NEARLY * self._asked
        ):
            return []
        return [
            f"{title}: {1 - self._missed / self._seen:.0%} of the texts hold their own label, such as "
            f"{_shown(row)!r} in line {row.line}, {', '.join(map(repr, row.names))}: it is learned by copying them; "
            "take them out of the texts, unless every text that is asked about has one too"
        ]


@lru_cache(maxsize=4096)
def _pattern(label: str) -> re.Pattern[str]:
    # Chinese and Japanese have no spaces between words.
    own = re.escape(label.casefold())
    return re.compile(rf"(?<!\w){own}(?!\w)" if label.isascii() else own)


def _stands_in(label: str, text: str) -> bool:
    return _pattern(label).search(text) is not None


def _shown(row: "Parsed") -> str:
    """The part of a text in which its first label stands."""
    found = _pattern(row.names[0]).search(row.text.casefold())
    begin = max(0, found.end() - _SHOWN) if found is not None else 0
    return " ".join(row.text[begin : begin + _SHOWN].split())
