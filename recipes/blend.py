"""What the adapter and a baseline reach together: how much of the baseline the adapter does not know yet.

Their log-odds are mixed, with a weight between 0 (the adapter alone) and 1 (the baseline alone) that is fitted on the
validation rows. A blend is reported and not served: a registry has the adapter and not the baseline.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_softmax, logit, softmax

from recipes import evaluate

Floats = NDArray[np.float64]
_SMALLEST = 1e-6  # a baseline is never surer than this


def blend(adapter: ArrayLike, baseline: ArrayLike, weight: float, multi_label: bool = False) -> Floats:
    """Probabilities whose log-odds are (1 - weight) times the adapter's plus weight times the baseline's. Both
    arguments: probabilities [rows, labels]."""
    parts = [np.clip(np.asarray(each, dtype=float), _SMALLEST, 1 - _SMALLEST) for each in (adapter, baseline)]
    if multi_label:
        own, other = (logit(part) for part in parts)
        return np.asarray(expit((1 - weight) * own + weight * other))
    own, other = (log_softmax(np.log(part), axis=1) for part in parts)
    return np.asarray(softmax((1 - weight) * own + weight * other, axis=1))


def fit_weight(
    adapter: ArrayLike, baseline: ArrayLike, truth: ArrayLike, weights: ArrayLike, multi_label: bool = False
) -> tuple[float, float]:
    """The weight with the least log loss on these rows, and that loss. truth: true where a row has a label, [rows,
    labels]; weights: [rows]."""
    from scipy.optimize import minimize_scalar

    true = np.asarray(truth)

    def loss(weight: float) -> float:
        mixed = blend(adapter, baseline, weight, multi_label)
        if multi_label:
            return evaluate.multilabel_log_loss(true, mixed, weights)
        return evaluate.log_loss(true.argmax(axis=1), mixed, weights)

    inside = float(minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded").x)
    best = min((0.0, 1.0, inside), key=loss)
    return best, loss(best)
