"""What is fitted on few rows is drawn towards doing nothing, and served only where rows that it was not fitted on say
so.

    loss of n rows + sum of (value - value that does nothing)^2 / (2 SPREAD^2)

is least at what the rows say where they are many, and near to nothing where they are few. Then the rows are dealt into
folds: what is fitted on the others must lower a fold's loss, by more than chance would.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Bools = NDArray[np.bool_]

SPREAD = 0.5
"""How far from doing nothing a logarithm of a temperature, a bias, a weight or a shift is expected, before any row is
seen."""

_FOLDS = 5
_SEED = 0
_FEW = 6  # of so few units a standard error is itself a guess, and twice as much is asked


def evidence(weights: Floats, units: Indices) -> float:
    """How many units of equal weight say as much as these: (sum of w)^2 / sum of w^2 (Kish 1965, Survey Sampling).

    weights, units: [rows].
    """
    each = np.bincount(units, weights=weights)
    return float(each.sum() ** 2 / (each**2).sum())


def holds(fit: Callable[[Bools], Floats], nothing: Floats, weights: Floats, units: Indices) -> bool:
    """Whether a fit lowers the loss of rows that it did not see, by more than a standard error.

    Args:
        fit: given which rows it may see, `[rows]`, the losses of all rows, `[rows]`.
        nothing: losses of the rows where nothing is done, `[rows]`.
        weights: of the rows.
        units: that rows belong to; those of one are no independent evidence.
    """
    count = int(units.max()) + 1
    if count < 2:
        return False
    unseen = np.array(nothing, dtype=float)
    for held in _folds(units, count):
        unseen[held] = fit(~held)[held]
    own = np.bincount(units, weights=weights)
    gains = np.bincount(units, weights=weights * (nothing - unseen)) / own
    mean = np.average(gains, weights=own)
    number = evidence(weights, units)
    error = np.sqrt(np.average((gains - mean) ** 2, weights=own) / max(number - 1, 1e-9))
    return bool(mean > error * (1 + _FEW / number) and mean > 0)


def _folds(units: Indices, count: int) -> Iterator[Bools]:
    """Which rows each fold holds; the rows of a unit stay together."""
    dealt = np.random.default_rng(_SEED).permutation(count) % min(_FOLDS, count)
    yield from (dealt[units] == fold for fold in range(min(_FOLDS, count)))
