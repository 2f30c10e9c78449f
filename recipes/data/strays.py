"""Rows of an export that are no observations: a header that comes again, totals; and rows that outweigh the rest.

campaign,headline,impressions,clicks
spring,Light trail shoes,120,3
campaign,headline,impressions,clicks          two exports were joined
Total: Account,--,123456,1234                 stands for all other rows, and is none
"""

import re
from array import array
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from recipes.data.records import QUALTRICS
from recipes.data.totals import names_total
from recipes.errors import Problem

if TYPE_CHECKING:
    from recipes.data.cells import Parsed
    from recipes.data.columns import Columns
    from recipes.data.records import Row
    from recipes.data.tables import Table

_DASHES = frozenset({"--", "-", "—", "–", " --"})
_RULE, _RULES = re.compile(r"(:?[-=_]{3,}:?)?"), frozenset(("", ":", "-", "=", "_"))
_MEAN = re.compile(r"\s*averages?\s*", re.IGNORECASE)
_FEWEST = 10  # rows whose sum is no coincidence
_HEAVY, _OVER_MEDIAN = 0.1, 20  # of all weight, and times the median: one row outweighs the rest


class Strays:
    """The rows of one table, looked at in their order."""

    def __init__(self, table: "Table", columns: "Columns") -> None:
        self._file, self._title, self._count = table.name, table.title, len(table.rows)
        self._rows, self._label = table.rows, columns.of.get("label")
        self._header = frozenset(map(_plain, filter(None, table.columns)))
        self._longest = max(map(len, table.columns), default=0) + 1
        self._counted = columns.of.keys() >= {"impressions", "clicks"}
        self._weighed = self._counted or "weight" in columns.of
        self._seen = 0
        # (rows, shown, clicked) since the last total, and of the whole table.
        self._since = self._all = (0, 0.0, 0.0)
        self._weights, self._lines = array("d"), array("q")

    def header(self, row: "Row") -> list[Problem]:
        """A row that says what the columns are, in whichever order, or parts them from the rows; nothing for any
        other."""
        first = next(iter(row.cells.values()), None)
        if not first and _is_empty(first) and all(map(_is_empty, row.cells.values())):
            return [Problem(self._file, "the row is empty", "Remove it", row.line)]
        if not isinstance(first, str):
            return []
        begins = first[:1]
        if begins == "{" and first.startswith(QUALTRICS):
            fix = "Remove this line and the one above it, in which Qualtrics tells its questions"
            return [
                Problem(self._file, "the row names the columns of a survey, and is no answer", fix, row.line)
            ]
        if begins in _RULES and all(
            _RULE.fullmatch("" if cell is None else str(cell)) for cell in row.cells.values()
        ):
            return [Problem(self._file, "the row is a rule below the header", "Remove the line", row.line)]
        if len(first) > self._longest or not self._is_name(first):
            return []
        cells = [cell for cell in row.cells.values() if cell not in (None, "")]
        if not all(map(self._is_name, cells)) or len(set(map(_plain, cells))) < max(2, len(cells)):
            return []
        fix = "Remove the line: where files are joined, only the first may bring its header"
        return [Problem(self._file, "the row is the header again", fix, row.line)]

    def total(self, row: "Row", parsed: "Parsed | list[Problem]") -> list[Problem]:
        """A row that adds up others; nothing for any other. parsed: what was understood of it."""
        self._seen += 1
        own = _weights(parsed) if self._weighed and not isinstance(parsed, list) else (0.0, 0.0)
        adds_up = self._counted and self._is_sum(own)
        if not adds_up and not self._is_called_total(row, parsed, own):
            if self._weighed:
                self._add(row.line, own)
            return []
        self._since = (0, 0.0, 0.0)
        message = "the row adds up the rows above it" if adds_up else "the row is a total, and no observation"
        return [Problem(self._file, message, "Remove it: it would count as much as all others", row.line)]

    def heavy(self) -> list[str]:
        """A note on the rows that outweigh the others."""
        weights = np.frombuffer(self._weights) if self._weights else np.zeros(0)
        if len(weights) < _FEWEST:
            return []
        bound = max(_HEAVY * weights.sum(), _OVER_MEDIAN * float(np.median(weights)))
        heaviest = [at for at in np.argsort(-weights, kind="stable")[:5] if weights[at] > bound]
        if not heaviest:
            return []
        told = ", ".join(f"line {self._lines[at]} with {weights[at] / weights.sum():.0%}" for at in heaviest)
        return [
            f"{self._title}: a few rows carry much of all weight ({told}): remove them where they are totals or faults "
            "of the export"
        ]

    def _add(self, line: int, own: tuple[float, float]) -> None:
        self._since, self._all = _plus(self._since, own), _plus(self._all, own)
        self._weights.append(own[0])
        self._lines.append(line)

    def _is_sum(self, own: tuple[float, float]) -> bool:
        return own[1] > 0 and any(sums[0] >= _FEWEST and own == sums[1:] for sums in (self._since, self._all))

    def _is_name(self, cell: Any) -> bool:
        return isinstance(cell, str) and _plain(cell) in self._header

    def _is_called_total(
        self, row: "Row", parsed: "Parsed | list[Problem]", own: tuple[float, float]
    ) -> bool:
        """Whether a cell names a total, and something else of the row agrees: an ad may be called Total too, a rating
        average."""
        rows, shown, _ = self._since
        outweighs = rows > 2 and own[0] >= shown / 2
        certain = outweighs or isinstance(parsed, list) or not _DASHES.isdisjoint(parsed.fields.values())
        if not certain and self._seen not in (1, self._count):
            return False
        named = [cell for cell in _cells(row) if names_total(cell[1], certain)]
        if not named or outweighs:
            return bool(named)
        if not certain and all(_MEAN.match(cell) for _, cell in named):
            # A review may say no more than that; a mean of labels would be no label.
            named += [cell for cell in _cells(row) if cell[0] == self._label]
        inside = 1 < self._seen < self._count and _misses_nothing(row)
        return all(self._observed[cell] <= inside for cell in named)

    @cached_property
    def _observed(self) -> Counter[tuple[str, str]]:
        """How many rows that miss nothing, but the first and the last, have a cell: those that name a total, and
        labels."""
        return Counter(
            cell
            for number, row in enumerate(self._rows, 1)
            if 1 < number < self._count and _misses_nothing(row)
            for cell in _cells(row)
            if cell[0] == self._label or names_total(cell[1], True)
        )


def _cells(row: "Row") -> Iterator[tuple[str, str]]:
    """Column and text of the cells that are text."""
    return ((column, cell) for column, cell in row.cells.items() if isinstance(cell, str))


def _misses_nothing(row: "Row") -> bool:
    return all(cell not in _DASHES for _, cell in _cells(row))


def _weights(parsed: "Parsed") -> tuple[float, float]:
    """How often a row was shown, and clicked, by weight."""
    clicked = sum(weight for outcome, weight in parsed.outcomes if outcome)
    return sum(weight for _, weight in parsed.outcomes), clicked


def _plus(sums: tuple[int, float, float], own: tuple[float, float]) -> tuple[int, float, float]:
    return sums[0] + 1, sums[1] + own[0], sums[2] + own[1]


def _is_empty(cell: Any) -> bool:
    return cell is None or (type(cell) is str and not cell)


def _plain(text: str) -> str:
    """A column's name without case, white space around it, and a byte order mark that a joined file brought."""
    return text.strip("\ufeff \t\r\n").casefold()
