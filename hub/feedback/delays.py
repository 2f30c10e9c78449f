"""Outcomes that take their time: how many are still to come.

An outcome comes with probability p, after a time that is exponential with mean 1 / rate (Chapelle 2014, "Modeling
Delayed Feedback in Display Advertising"). An impression of age a whose outcome has not come has the likelihood
1 - p + p exp(-rate a): it is no miss yet.
"""

from dataclasses import dataclass

import numpy as np

from hub.feedback.observed import Floats

_FEWEST = 20  # outcomes to fit on


@dataclass(frozen=True)
class Delay:
    """mean: seconds until an outcome; rate: of impressions that ever have one; came: so far; to_come: still to be
    expected of the impressions that are there."""

    mean: float
    rate: float
    came: int
    to_come: float


def fit_delay(delay: Floats, age: Floats) -> Delay | None:
    """The likeliest delay of outcomes; None where fewer than 20 came.

    Args:
        delay: seconds from impression to outcome, infinite where none came yet, `[rows]`.
        age: of the impressions, seconds, `[rows]`.
    """
    from scipy.optimize import minimize
    from scipy.special import expit, logit

    came = np.isfinite(delay)
    if came.sum() < _FEWEST:
        return None
    total, hits, open_age = float(delay[came].sum()), int(came.sum()), age[~came]

    def loss(given: Floats) -> float:
        p, rate = expit(given[0]), np.exp(given[1])
        misses = np.log(np.clip(1 - p + p * np.exp(-rate * open_age), 1e-300, None)).sum()
        return -float(hits * (np.log(p) + given[1]) - rate * total + misses)

    begin = [float(logit(min(max(hits / len(delay), 1e-6), 0.99))), float(-np.log(max(total / hits, 1.0)))]
    found = minimize(
        loss, begin, method="Nelder-Mead", options={"maxiter": 2000, "xatol": 1e-6, "fatol": 1e-6}
    )
    p, rate = float(expit(found.x[0])), float(np.exp(found.x[1]))
    left = p * np.exp(-rate * open_age)
    return Delay(1 / rate, p, hits, float((left / (1 - p + left)).sum()))
