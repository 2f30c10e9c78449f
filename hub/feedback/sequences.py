"""Intervals that hold however often one looks: confidence sequences.

With probability 1 - alpha the true rate lies in the interval at all times together, so that a page may be read every
day and a test ended when it has said enough.

    rates      the method of mixtures for Bernoulli trials with a Beta(1/2, 1/2) mixture (Robbins 1970, "Statistical
               methods related to the law of the iterated logarithm"; Howard, Ramdas, McAuliffe and Sekhon 2021,
               "Time-uniform, nonparametric, nonasymptotic confidence sequences", arXiv:1810.08240). By Ville's
               inequality {p : B(1/2 + s, 1/2 + f) / B(1/2, 1/2) < p^s (1 - p)^f / alpha} holds the truth at all times;
               s, f: hits and misses. Counts are all it needs.
    means      of numbers from 0 to 1: the predictable plug-in empirical Bernstein sequence (Waudby-Smith and Ramdas
               2024, "Estimating means of bounded random variables by betting", arXiv:2010.09686, theorem 2)
    equality   whether two rates are one: both sequences at alpha / 2 (Bonferroni); they differ when they do not meet
    arms       whether one of two arms, to which units were dealt at random, has the higher rate: an e-process (`edge`)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

ALPHA = 0.05
_ODDS = (
    1.1,
    1.25,
    1.5,
    2.0,
    3.0,
    5.0,
)  # ratios that an arm may have to the other; each gets a sixth of the bet
_LARGEST = 700.0  # of a logarithm whose exponential is a float
_STEPS = 80  # of a bisection; beyond them no float changes


@dataclass(frozen=True)
class Running:
    """An estimate with its confidence sequence now. of: how many trials."""

    value: float
    low: float
    high: float
    of: int

    def __str__(self) -> str:
        if not self.of:
            return "unknown, of 0"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}] of {self.of:,}"


def rate(hits: int, trials: int, alpha: float = ALPHA) -> Running:
    """The rate of independent trials.

    Args:
        hits: of them.
        trials: so far.
        alpha: probability that the truth is ever left out.
    """
    if not trials:
        return Running(math.nan, 0.0, 1.0, 0)
    misses = trials - hits
    bound = (
        math.lgamma(hits + 0.5) + math.lgamma(misses + 0.5) - math.lgamma(trials + 1) - math.log(math.pi)
    ) + math.log(alpha)

    def inside(p: float) -> bool:
        likelihood = (hits * math.log(p) if hits else 0.0) + (misses * math.log1p(-p) if misses else 0.0)
        return likelihood > bound

    value = hits / trials
    low = 0.0 if not hits else _edge(inside, 0.0, value)
    high = 1.0 if not misses else _edge(inside, 1.0, value)
    return Running(value, low, high, trials)


def mean(values: ArrayLike, alpha: float = ALPHA) -> Running:
    """The mean of numbers from 0 to 1, in the order in which they came.

    Args:
        values: `[trials]`.
        alpha: as of `rate`.
    """
    x = np.asarray(values, dtype=float)
    n = len(x)
    if n == 0:
        return Running(math.nan, 0.0, 1.0, 0)
    count = np.arange(1, n + 1)
    means = (0.5 + np.cumsum(x)) / (count + 1)
    before = np.concatenate(([0.5], means[:-1]))
    variance = (0.25 + np.cumsum((x - means) ** 2)) / (count + 1)
    spread = np.concatenate(([0.25], variance[:-1]))
    bets = np.minimum(np.sqrt(2 * math.log(2 / alpha) / (spread * count * np.log1p(count))), 0.5)
    cost = 4 * (x - before) ** 2 * (-np.log1p(-bets) - bets) / 4
    total = bets.sum()
    middle, width = float((bets * x).sum() / total), float((math.log(2 / alpha) + cost.sum()) / total)
    return Running(float(x.mean()), max(0.0, middle - width), min(1.0, middle + width), n)


def apart(one: tuple[int, int], other: tuple[int, int], alpha: float = ALPHA) -> int:
    """Whether two rates differ beyond doubt, however often this is asked.

    Args:
        one: hits and trials.
        other: of the other, hits and trials.
        alpha: probability of ever saying so of two equal rates.

    Returns:
        1 where the first is the higher one, -1 where it is the lower one, 0 where nothing can be said yet.
    """
    first, second = rate(*one, alpha / 2), rate(*other, alpha / 2)
    return int(first.low > second.high) - int(first.high < second.low)


def edge(first: NDArray[np.bool_], hits: NDArray[np.bool_], share: float) -> float:
    """The evidence that one of two arms has the higher rate: an e-value, 1 at the start, that is ever above 1 / alpha
    with a probability of at most alpha where that arm's rate is no higher.

    Turner, Ly and Grünwald 2024 ("Generic E-variables for exact sequential k-sample tests that allow for optional
    stopping", arXiv:2106.02693), with arms drawn at random and not in blocks: a unit of arm x with outcome y multiplies
    the evidence by p_x(y) / (share p_1(y) + (1 - share) p_2(y)), p_2 the other arm's rate so far and p_1 its odds times
    a ratio above 1; the mean over some ratios. Under equal arms the mean of each factor over x is 1, whatever y is: it
    holds through seasons, and for users of whom no two are alike.

    Args:
        first: whether a unit is of that arm, `[units]`, in the order in which they came.
        hits: whether its outcome came, `[units]`.
        share: probability with which a unit is dealt to that arm.

    Returns:
        The highest evidence so far.
    """
    if not len(first):
        return 1.0
    others = ~first
    before: NDArray[np.int64] = np.cumsum(others) - others
    rates = (np.cumsum(hits & others) - (hits & others) + 0.5) / (before + 1)
    odds = np.asarray(_ODDS)[:, None] * rates / (1 - rates)
    mine = odds / (1 + odds)
    mixed = share * mine + (1 - share) * rates
    said = np.where(first, mine, rates)
    gained = np.cumsum(np.log(np.where(hits, said / mixed, (1 - said) / (1 - mixed))), axis=1)
    mean = np.logaddexp.reduce(gained, axis=0) - math.log(len(_ODDS))
    return math.exp(min(max(0.0, float(mean.max())), _LARGEST))


def _edge(inside: Callable[[float], bool], out: float, within: float) -> float:
    """Where an interval ends, between a number outside and one inside, which errs to the outside."""
    for _ in range(_STEPS):
        middle = (out + within) / 2
        if middle in (out, within):
            break
        out, within = (out, middle) if inside(middle) else (middle, within)
    return out
