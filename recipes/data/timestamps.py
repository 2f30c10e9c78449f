"""Whether the timestamps of all files are of one kind: dates or numbers, and numbers of one unit."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from recipes.errors import Problem

if TYPE_CHECKING:
    from recipes.data.cells import Parsed

# Since 1970, the years 1973 to 5138: moments in seconds have 9 to 11 digits, and each smaller unit 3 more.
_UNITS = ((1e8, "seconds"), (1e11, "milliseconds"), (1e14, "microseconds"), (1e17, "nanoseconds"))
_APART = 100  # between the largest of one unit and the smallest of the next; a counter that grows leaves no such gap


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
        self._kinds: dict[str, _Kind] = {}

    def add(self, row: "Parsed") -> None:
        """Look at a row's timestamp, where it has one."""
        if row.time is None:
            return
        name = "dates" if row.dated else _unit(row.time)
        if (kind := self._kinds.get(name)) is None:
            self._kinds[name] = _Kind(row.file, row.line, 1, row.time, row.time)
        else:
            kind.rows += 1
            kind.least, kind.most = min(kind.least, row.time), max(kind.most, row.time)

    def problems(self) -> list[Problem]:
        """What is wrong with all of them together."""
        found = []
        numbers = [kind for name, kind in self._kinds.items() if name != "dates"]
        dates = self._kinds.get("dates")
        if dates is not None and numbers:
            fix = f"Write all of them as in line {dates.line} of {dates.file}, or all as numbers"
            message = "some timestamps are dates, some are numbers"
            found.append(Problem(numbers[0].file, message, fix, numbers[0].line))
        units = [(name, self._kinds[name]) for _, name in _UNITS if name in self._kinds]
        for (coarse, lower), (fine, upper) in pairwise(units):
            if upper.least >= _APART * lower.most:
                few, odd = min(((lower, coarse), (upper, fine)), key=lambda each: each[0].rows)
                other = fine if odd == coarse else coarse
                message = (
                    f"{few.rows} timestamps are in {odd}, {(lower.rows + upper.rows) - few.rows} in {other}"
                )
                found.append(Problem(few.file, message, f"Write all of them in {other}", few.line))
        return found


def _unit(number: float) -> str:
    """The unit in which a number would be a moment of these decades."""
    return next((name for least, name in reversed(_UNITS) if number >= least), "small numbers")
