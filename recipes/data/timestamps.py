"""Whether the timestamps of all files are of one kind: dates or numbers, and numbers of one unit."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from recipes.errors import Problem

if TYPE_CHECKING:
    from recipes.data.cells import Parsed

# What a number would be as a moment of these decades, from the smallest on. Since 1970, the years 1973 to 5138, moments
# in seconds have 9 to 11 digits, and each smaller unit 3 more; Excel counts days since 1900, 20,000 of them in 1954.
_UNITS = (
    (float("-inf"), "small numbers"),
    (20_000, "days as Excel counts them"),
    (80_000, "small numbers"),
    (19_000_000, "dates such as 20260131"),
    (21_010_000, "small numbers"),
    (1e8, "seconds"),
    (1e11, "milliseconds"),
    (1e14, "microseconds"),
    (1e17, "nanoseconds"),
)
_DAYS, _WRITTEN, _MOMENTS = (
    1,
    3,
    5,
)  # where in the units dates and moments stand, which no counter is for certain
_APART = 100  # between the largest of one unit and the smallest of the next; a counter that grows leaves no such gap


_DATES = -1


@dataclass(slots=True)
class _Kind:
    """Rows of one kind of timestamp: the first of them, how many, and the smallest and largest."""

    file: str
    line: int
    rows: int
    least: float
    most: float


class Timestamps:
    """The timestamps of all rows, of which only the kinds are held."""

    def __init__(self) -> None:
        self._kinds: dict[int, _Kind] = {}

    def add(self, row: "Parsed") -> None:
        """Look at a row's timestamp, where it has one."""
        if row.time is None:
            return
        unit = _DATES if row.dated else _unit(row.time)
        if (kind := self._kinds.get(unit)) is None:
            self._kinds[unit] = _Kind(row.file, row.line, 1, row.time, row.time)
        else:
            kind.rows += 1
            kind.least, kind.most = min(kind.least, row.time), max(kind.most, row.time)

    def problems(self) -> list[Problem]:
        """What is wrong with all of them together."""
        found = []
        numbers = [kind for unit, kind in self._kinds.items() if unit != _DATES]
        dates = self._kinds.get(_DATES)
        if dates is not None and numbers:
            fix = f"Write all of them as in line {dates.line} of {dates.file}, or all as numbers"
            message = "some timestamps are dates, some are numbers"
            found.append(Problem(numbers[0].file, message, fix, numbers[0].line))
        units = sorted(unit for unit in self._kinds if unit != _DATES)
        for coarse, fine in pairwise(units):
            lower, upper = self._kinds[coarse], self._kinds[fine]
            certain = fine >= _MOMENTS or (coarse, fine) == (_DAYS, _WRITTEN)
            if certain and upper.least >= (_APART / 10 if coarse == _WRITTEN else _APART) * lower.most:
                few, odd = min(((lower, coarse), (upper, fine)), key=lambda each: each[0].rows)
                other = _UNITS[fine if odd == coarse else coarse][1]
                rest = lower.rows + upper.rows - few.rows
                message = f"{few.rows} timestamps are in {_UNITS[odd][1]}, {rest} in {other}"
                found.append(Problem(few.file, message, f"Write all of them in {other}", few.line))
        return found


def _unit(number: float) -> int:
    """Which of the units a number would be a moment in."""
    return next(at for at in reversed(range(len(_UNITS))) if number >= _UNITS[at][0])
