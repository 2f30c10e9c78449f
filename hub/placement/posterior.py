"""What is believed of each ad's rate: the adapter's probability as prior, the ad's own clicks as evidence.

    prior       Beta(s m, s (1 - m)): as if s impressions had been seen, clicked at the rate m that the adapter gives
    evidence    c clicks of n impressions
    posterior   Beta(s m + c, s (1 - m) + n - c): the rate of the ad for the users who saw it
    this user   the adapter's odds for them, beside those for the users who saw it: odds = posterior's · o(p) / o(m)

A new ad has no evidence: its prior is what the model reads in it (Ye, Yoganarasimhan and Zheng, "LOLA", arXiv
2406.02611). How much the prior counts, s, is fitted on past ads by the likelihood of the beta-binomial distribution
(Skellam 1948, "A probability distribution derived from the binomial distribution by regarding the probability of
success as variable between the sets of trials"): empirical Bayes, in pseudo-observations.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
USUAL_STRENGTH = 100.0
"""Pseudo-observations, where too few ads were seen to fit them."""
_FEWEST_ADS = 10
_RANGE = (1.0, 1e6)
LEAST = 1e-6
"""Probabilities are kept this far from 0 and 1."""


@dataclass(frozen=True)
class Posterior:
    """Beta distributions of ads' rates, and the odds by which this user differs. All: `[ads]`."""

    clicks: Floats
    others: Floats
    odds: Floats

    def draw(self, draws: int, random: np.random.Generator) -> Floats:
        """Rates for this user, `[draws, ads]`."""
        return self._moved(random.beta(self.clicks, self.others, size=(draws, len(self.clicks))))

    def mean(self) -> Floats:
        """The expected rate at the posterior's mean, `[ads]`."""
        return self._moved(self.clicks / (self.clicks + self.others))

    def quantile(self, share: float) -> Floats:
        """The rates that are exceeded with probability `1 - share`, `[ads]`."""
        from scipy.stats import beta

        return self._moved(np.asarray(beta.ppf(share, self.clicks, self.others)))

    def _moved(self, rates: Floats) -> Floats:
        odds = self.odds * rates
        return np.asarray(odds / (odds + 1 - rates))


def posterior(
    probabilities: ArrayLike, shown: ArrayLike, clicks: ArrayLike, predicted: ArrayLike, strength: float
) -> Posterior:
    """What is believed of ads for one user. All but the strength: `[ads]`.

    Args:
        probabilities: of a click by this user, by the adapter and what users taught since.
        shown: how often each ad was shown.
        clicks: how often it was clicked.
        predicted: the mean of what was predicted of those impressions; NaN where nothing was.
        strength: of the prior, in pseudo-observations.
    """
    own = np.clip(np.asarray(probabilities, dtype=float), LEAST, 1 - LEAST)
    seen, hits = np.asarray(shown, dtype=float), np.asarray(clicks, dtype=float)
    told = np.asarray(predicted, dtype=float)
    mean = np.where((seen > 0) & np.isfinite(told), np.clip(told, LEAST, 1 - LEAST), own)
    odds = own / (1 - own) * (1 - mean) / mean
    return Posterior(strength * mean + hits, strength * (1 - mean) + np.maximum(seen - hits, 0.0), odds)


def fit_strength(shown: ArrayLike, clicks: ArrayLike, predicted: ArrayLike) -> float:
    """The prior's strength under which past ads' clicks are likeliest, between 1 and 1,000,000 pseudo-observations.

    All: `[ads]`, as of `posterior`. USUAL_STRENGTH where fewer than 10 ads were shown.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import betaln

    seen, hits = np.asarray(shown, dtype=float), np.asarray(clicks, dtype=float)
    mean = np.clip(np.asarray(predicted, dtype=float), LEAST, 1 - LEAST)
    some = seen > 0
    seen, hits, mean = seen[some], np.minimum(hits, seen)[some], mean[some]
    if len(seen) < _FEWEST_ADS:
        return USUAL_STRENGTH

    def loss(log_strength: float) -> float:
        a, b = np.exp(log_strength) * mean, np.exp(log_strength) * (1 - mean)
        return float(-(betaln(a + hits, b + seen - hits) - betaln(a, b)).sum())

    found = minimize_scalar(loss, bounds=np.log(_RANGE), method="bounded")
    return float(np.exp(found.x))
