"""How hot a head's logits are: the temperature that makes its probabilities true, fitted on the validation rows.

Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599. It changes how sure the probabilities
are, and without a shift never their order.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_expit, log_softmax

Floats = NDArray[np.float64]
_COLDEST, _HOTTEST = 0.05, 20.0


def smoothed(truth: ArrayLike, multi_label: bool) -> Floats:
    """What is fitted to, [rows, labels]: 1 - 1 / (n + 2) in place of 1, so that few rows which are all right are no
    reason for being infinitely sure (Platt 1999, "Probabilistic Outputs for Support Vector Machines")."""
    true = np.asarray(truth, dtype=float)
    doubt = 1 / (len(true) + 2)
    rest = 1 - true if multi_label else (1 - true) / max(1, true.shape[1] - 1)
    return np.asarray(true * (1 - doubt) + rest * doubt)


def fit_temperature(
    logits: ArrayLike,
    truth: ArrayLike,
    weights: ArrayLike | None = None,
    multi_label: bool = False,
    shift: float = 0.0,
) -> float:
    """The temperature that minimises the log loss on these rows, between 0.05 and 20; shift: as in `Calibration`.

    logits, truth (true where a row has a label): [rows, labels]; weights: [rows]. The targets are `smoothed`. 1 where
    no temperature lowers the log loss itself.
    """
    from scipy.optimize import minimize_scalar

    raw, true = np.asarray(logits, dtype=float), np.asarray(truth, dtype=float)
    weight = np.ones(len(raw)) if weights is None else np.asarray(weights, dtype=float)
    smooth = smoothed(true, multi_label)

    def loss(temperature: float, targets: Floats) -> float:
        warm: Any = raw / temperature
        if multi_label:
            warm += shift
            each = -(targets * log_expit(warm) + (1 - targets) * log_expit(-warm)).mean(axis=1)
        else:
            warm[:, -1] += shift
            each = -(targets * log_softmax(warm, axis=1)).sum(axis=1)
        return float(np.average(each, weights=weight))

    found = minimize_scalar(
        lambda log_temperature: loss(float(np.exp(log_temperature)), smooth),
        bounds=(np.log(_COLDEST), np.log(_HOTTEST)),
        method="bounded",
    )
    temperature = float(np.exp(found.x))
    return temperature if loss(temperature, true) < loss(1.0, true) else 1.0
