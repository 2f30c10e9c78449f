"""Columns as a model of columns reads them: numbers, in steps or as they are, and words."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
WORDS = 250  # of a column that are told apart, the commonest ones
HASH = 16  # hexadecimal digits of a word's


def cuts_of(values: Sequence[str]) -> Floats | None:
    """Where a column of numbers is cut, so that ten steps hold as many rows each, or None for a column of words."""
    numbers = [number_of(value) for value in values if value]
    if not numbers or None in numbers:
        return None
    return np.unique(np.quantile(np.array(numbers, dtype=float), np.linspace(0.1, 0.9, 9)))


def in_steps(value: str, cuts: ArrayLike | None) -> str:
    """The step of a number, "step 3"; words, and what is no number, as they are."""
    number = number_of(value)
    return value if cuts is None or number is None else f"step {np.searchsorted(cuts, number)}"


def number_of(text: str) -> float | None:
    """A finite number; None for any other text."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


@dataclass(frozen=True)
class Column:
    """A column as numbers: those that it holds, or of words one for each of the commonest; others are missing.

    words: hashes of those that are told apart, each of at least two training rows; None for a column of numbers.
    """

    name: str
    words: tuple[str, ...] | None = None

    @classmethod
    def of(cls, name: str, rows: Sequence[Mapping[str, str]], is_name: bool = False) -> "Column":
        """As training rows have it. is_name: whether its numbers are names, and have no order."""
        cells = [cell for row in rows if (cell := row.get(name, ""))]
        if cells and not is_name and None not in map(_number, cells):
            return cls(name)
        common = Counter(map(_hashed, cells)).most_common(WORDS)
        return cls(name, tuple(word for word, count in common if count > 1))

    def read(self, rows: Sequence[Mapping[str, str]]) -> Floats:
        """The cells of rows, `[rows]`; NaN where one is missing, no number, or a word of no training rows."""
        cells = [row.get(self.name, "") for row in rows]
        found: list[float | None]
        if self.words is None:
            found = [_number(cell) for cell in cells]
        else:
            found = [self._codes.get(_hashed(cell)) if cell else None for cell in cells]
        return np.array([np.nan if each is None else each for each in found])

    @cached_property
    def _codes(self) -> dict[str, float]:
        return {word: float(code) for code, word in enumerate(self.words or ())}


def _number(cell: str) -> float | None:
    """A number; a share such as "73%" is 0.73."""
    share = number_of(cell[:-1]) if cell.endswith("%") else None
    return number_of(cell) if share is None else share / 100


def _hashed(cell: str) -> str:
    return blake2b(cell.encode("utf-8", "replace"), digest_size=HASH // 2).hexdigest()


def columns_of(
    names: Sequence[str], rows: Sequence[Mapping[str, str]], are_names: Collection[str] = ()
) -> list[Column]:
    """Those of words first, as scikit-learn orders them. are_names: columns whose numbers are names."""
    found = [Column.of(name, rows, name in are_names) for name in names]
    return sorted(found, key=lambda column: column.words is None)


def table(columns: Sequence[Column], rows: Sequence[Mapping[str, str]]) -> Floats:
    """`[rows, columns]`."""
    return np.stack([column.read(rows) for column in columns], axis=1)
