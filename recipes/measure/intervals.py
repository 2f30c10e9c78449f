"""How sure a metric is: bootstrap intervals of metrics and of paired differences (Efron and Tibshirani 1993, ch. 13).

The test rows are drawn again, with replacement, as often as there are; each draw gives every model's metric on the
same rows, so that what makes a row easy or hard for all models cancels out in their difference. What is drawn is a
unit: a group where rows have one (its rows are no independent evidence), else a row of the file, for ad-copy a
product. An interval holds the middle 95 % of the draws.

    counts: how often each draw holds each unit, [draws, units]

             unit  0  1  2  3
    draw 0         1  0  2  1
    draw 1         0  1  1  2
"""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from recipes.examples import Example

DRAWS = 1000
LEVEL = 0.95
_SEED = 0
_AT_ONCE = 2_000_000  # counts that are held in memory together

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Statistic = Callable[[Floats], Floats]  # counts [draws, units] -> a metric's value in each draw, [draws]
Key = TypeVar("Key", bound=Hashable)


def units_of(examples: Sequence["Example"]) -> Indices:
    """The unit of each example, counted from 0 in the order in which they first come, [examples]."""
    return _numbered(example.unit for example in examples)


def together(examples: Sequence["Example"]) -> Indices:
    """As `units_of`, of what stays together when rows are dealt (`Example.key`)."""
    return _numbered(example.unit if example.key is None else example.key for example in examples)


def _numbered(names: Iterable[Hashable]) -> Indices:
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.intp)


def resample(
    statistics: Mapping[Key, Statistic], units: int, draws: int = DRAWS, seed: int = _SEED
) -> dict[Key, Floats]:
    """The values of every statistic in the same draws, [draws] each."""
    found: dict[Key, list[Floats]] = {key: [] for key in statistics}
    for counts in _draws(units, draws, seed):
        for key, statistic in statistics.items():
            found[key].append(statistic(counts))
    return {key: np.concatenate(values) for key, values in found.items()}


def point(statistic: Statistic, units: int) -> float:
    """A statistic on the rows as they are: each unit once."""
    return float(statistic(np.ones((1, units)))[0])


def interval(values: Floats) -> dict[str, float]:
    """low and high of the middle 95 % of the draws in which the metric is defined; NaN where there are none."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return {"low": float("nan"), "high": float("nan")}
    outside = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(defined, [outside, 100 - outside])
    return {"low": float(low), "high": float(high)}


def share_interval(share: float, rows: float) -> tuple[float, float]:
    """Between which two a share lies in 95 of 100 samples of so many rows (Wilson 1927, doi:10.2307/2276774)."""
    z = 1.959964
    middle, spread = (
        share + z**2 / (2 * rows),
        z * math.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2)),
    )
    return (middle - spread) / (1 + z**2 / rows), (middle + spread) / (1 + z**2 / rows)


def ratio(numerators: ArrayLike, denominators: ArrayLike, units: Indices) -> Statistic:
    """A sum over another: a weighted mean, or nats per token. All arguments: [rows]. NaN where it is 0 / 0."""
    above, below = _by_unit(numerators, units), _by_unit(denominators, units)

    def value(counts: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            return np.asarray((counts @ above) / (counts @ below))

    return value


def auc(truth: ArrayLike, scores: ArrayLike, weights: ArrayLike, units: Indices) -> Statistic:
    """`evaluate.auc` with each row's weight times its unit's count. All arguments: [rows]."""
    order = np.argsort(scores, kind="stable")
    _, first = np.unique(np.asarray(scores)[order], return_index=True)  # where each run of ties begins
    own = units[order]
    positive = np.asarray(weights, dtype=float)[order] * np.asarray(truth, dtype=float)[order]
    negative = np.asarray(weights, dtype=float)[order] - positive

    def value(counts: Floats) -> Floats:
        drawn = counts[:, own]
        above = np.add.reduceat(drawn * positive, first, axis=1)
        below = np.add.reduceat(drawn * negative, first, axis=1)
        right = (above * (np.cumsum(below, axis=1) - below / 2)).sum(axis=1)
        with np.errstate(invalid="ignore"):
            return np.asarray(right / (above.sum(axis=1) * below.sum(axis=1)))

    return value


def macro_f1(
    truth: NDArray[np.bool_], given: NDArray[np.bool_], weights: ArrayLike, units: Indices, absent: float
) -> Statistic:
    """`evaluate.macro_f1`. truth, given: [rows, labels]; absent: what a label counts that a draw neither has nor gives,
    NaN leaves it out of the mean."""
    weight = np.asarray(weights, dtype=float)[:, None]
    hits = _by_unit((truth & given) * weight, units)
    misses = _by_unit((truth ^ given) * weight, units)

    def value(counts: Floats) -> Floats:
        right, wrong = 2 * (counts @ hits), counts @ misses
        total = right + wrong
        scores = np.where(total > 0, right / np.where(total > 0, total, 1.0), absent)
        return np.asarray(np.nanmean(scores, axis=1))

    return value


def _draws(units: int, draws: int, seed: int) -> Iterator[Floats]:
    random = np.random.default_rng(seed)
    most = max(1, _AT_ONCE // units)
    for start in range(0, draws, most):
        block = min(most, draws - start)
        drawn = random.integers(units, size=(block, units)) + units * np.arange(block)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=block * units)
        yield counts.reshape(block, units).astype(float)


def _by_unit(values: ArrayLike, units: Indices) -> Floats:
    """Sums of rows over their units: [rows, ...] -> [units, ...]."""
    table = np.asarray(values, dtype=float)
    sums = np.zeros((int(units.max()) + 1, *table.shape[1:]))
    np.add.at(sums, units, table)
    return sums
