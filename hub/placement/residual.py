"""What users do beyond what the adapter says, learned from every outcome as it comes, between two refreshes.

    log-odds of a click  =  the adapter's  +  w · x

    x    words of the user      words of the ad      words that both have, and how many      1      the adapter's
         [1/√n 1/√n ...          1/√m 1/√m ...        1 1 ... √k]                            1      log-odds

The weights w are a Gaussian with a diagonal covariance around 0, which each outcome moves by an extended Kalman step,
as in "Web-Scale Bayesian Click-Through Rate Prediction" (Graepel, Candela, Borchert and Herbrich 2010), whose drift of
the variances back to the prior is here too: what is learned once is not believed for ever. How much there is to learn
nobody knows: little after a training, and much after a shift. Some such Gaussians, one of which says that there is
nothing and is believed at first, are mixed by how well each predicted what came (fixed share; Herbster and Warmuth
1998, "Tracking the Best Expert").

Its mean is what counts, and no draw: where users and ads differ as much as words do, they explore by themselves
(Bastani, Bayati and Khosravi 2021, "Mostly Exploration-Free Algorithms for Contextual Bandits"). It goes by what every
version of the adapter said: what a new one has learned by itself is soon unlearned here. Words are hashed and not kept.
"""

import re
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hub.placement.posterior import LEAST, Floats

_SPREADS = np.array([[0.0], [0.3], [3.0]])  # prior variances of the weights, of each Gaussian
_SLOPE = np.array([[0.0], [0.05], [0.05]])  # that of the adapter's log-odds
_SHARED = 0.01  # of the mix's weights, dealt evenly after each outcome
_FORGOTTEN = 0.001  # of what a weight's variance has lost, with each outcome that moves it
_BUCKETS = 1 << 14
_FURTHEST = 6.0  # log-odds of the adapter as a number of x
_MOST_WORDS = 200  # of a column
# A word is a run of letters and digits; of Chinese and Japanese each character.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")
_ONE, _SLOPES, _COMMON = range(3)  # the buckets of 1, the adapter's log-odds, and how many words both have

Row = tuple[NDArray[np.intp], Floats]
"""The buckets of x that are not 0, and their numbers."""


class Residual:
    """What a name's users taught. One thread may teach it while others ask."""

    def __init__(self) -> None:
        self._variance = _prior(np.arange(_BUCKETS))
        self._mean = np.zeros_like(self._variance)
        self._mix = _dealt(np.eye(len(_SPREADS))[0])

    def probability(self, row: Row, log_odds: float) -> float:
        """Of the outcome, beside an adapter that gives these log-odds."""
        return float(self._mix @ self._each(row, log_odds)[0])

    def learn(self, row: Row, log_odds: float, hit: bool) -> float:
        """Take in what came. Returns the probability that it was given before that."""
        buckets, x = row
        each, spread = self._each(row, log_odds)
        said = float(self._mix @ each)
        self._mix = _dealt(self._mix * (each if hit else 1 - each))
        curve = (each * (1 - each))[:, None]
        variance = self._variance[:, buckets]
        gain = variance * x / (spread[:, None] + 1 / curve)
        self._mean[:, buckets] += gain * (float(hit) - each[:, None]) / curve
        left = variance * (1 - gain * x)
        self._variance[:, buckets] = left + _FORGOTTEN * (_prior(buckets) - left)
        return said

    def _each(self, row: Row, log_odds: float) -> tuple[Floats, Floats]:
        """What each Gaussian says, and the variance of its log-odds, `[Gaussians]`. The mean of a probability over a
        Gaussian of log-odds is that of MacKay 1992, "The Evidence Framework Applied to Classification Networks"."""
        buckets, x = row
        spread = self._variance[:, buckets] @ x**2
        middle = (log_odds + self._mean[:, buckets] @ x) / np.sqrt(1 + np.pi / 8 * spread)
        return np.clip(1 / (1 + np.exp(-middle)), LEAST, 1 - LEAST), spread


def _prior(buckets: NDArray[np.intp]) -> Floats:
    """Variances of weights before anything is learned, `[Gaussians, buckets]`."""
    return np.where(buckets == _SLOPES, _SLOPE, _SPREADS)


def _dealt(weights: Floats) -> Floats:
    """Weights of the mix that sum to 1, some of it dealt evenly."""
    return np.asarray((1 - _SHARED) * weights / weights.sum() + _SHARED / len(weights))


def row_of(user: Mapping[str, Any], ad: Mapping[str, Any], log_odds: float) -> Row:
    """x of a user and an ad.

    Args:
        user: columns of the user and the request, as they may be stored.
        ad: its columns, the same.
        log_odds: the adapter's.
    """
    theirs, own = _words("user", user), _words("ad", ad)
    common = [_bucket(f"both {word}") for word in own.keys() & theirs.keys()]
    buckets = [_ONE, _SLOPES, _COMMON, *theirs.values(), *own.values(), *common]
    x = [
        1.0,
        min(max(log_odds, -_FURTHEST), _FURTHEST),
        len(common) ** 0.5,
        *[max(1, len(theirs)) ** -0.5] * len(theirs),
        *[max(1, len(own)) ** -0.5] * len(own),
        *[1.0] * len(common),
    ]
    # Two words may share a bucket, which then holds both.
    at, where = np.unique(np.array(buckets, dtype=np.intp), return_inverse=True)
    return at, np.asarray(np.bincount(where, weights=x), dtype=float)


def log_odds_of(probabilities: ArrayLike) -> Floats:
    """Of probabilities, which are kept off 0 and 1, `[ads]`."""
    kept = np.clip(np.asarray(probabilities, dtype=float), LEAST, 1 - LEAST)
    return np.asarray(np.log(kept / (1 - kept)))


def _words(side: str, columns: Mapping[str, Any]) -> dict[str, int]:
    """Word -> its bucket, of all columns of a side."""
    return {
        word: bucket
        for name, cell in columns.items()
        for word, bucket in _cell(f"{side} {name}", str(cell)).items()
    }


@lru_cache(4096)
def _cell(where: str, cell: str) -> Mapping[str, int]:
    return {word: _bucket(f"{where} {word}") for word in _WORD.findall(cell.lower())[:_MOST_WORDS]}


def _bucket(feature: str) -> int:
    return 3 + zlib.crc32(feature.encode("utf-8", "replace")) % (_BUCKETS - 3)
