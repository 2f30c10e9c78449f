"""From a head's logits to probabilities that mean what they say: a temperature, and a shift for rows left out.

The temperature that makes probabilities true is fitted on rows unseen (Guo et al. 2017, "On Calibration of
Modern Neural Networks", arXiv:1706.04599). It changes how sure they are, and without a shift never their order.

Training on a share w of the rows without a click makes clicks look more common: the log-odds that are learned are
those of all rows minus log(w). Adding log(w) gives them back, exactly where the kept rows are a random sample (King and
Zeng, "Logistic Regression in Rare Events Data", 2001, section 4.1; He et al., "Practical Lessons from Predicting Clicks
on Ads at Facebook", 2014, section 6.3, as q = p / (p + (1 - p) / w)). The order of the rows stays as it is.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adapters.errors import BadAdapter
from recipes.measure.shrinkage import SPREAD, evidence, holds
from recipes.part import is_finite

if TYPE_CHECKING:
    from torch import Tensor

    from recipes.measure.intervals import Indices

Floats = NDArray[np.float64]
_COLDEST, _HOTTEST = 0.05, 20.0
_LEAST, _FARTHEST = 1e-3, 100.0  # a temperature, and a shift in nats, of an adapter that is read


@dataclass(frozen=True)
class Calibration:
    """temperature: what the logits are divided by. shift: added to the log-odds of the positive class, nats."""

    temperature: float = 1.0
    shift: float = 0.0

    def apply(self, logits: "Tensor", multi_label: bool) -> "Tensor":
        """Probabilities `[..., labels]` of logits of that shape: softmax over the labels, of which the last one is the
        positive class; for several labels a row an independent sigmoid each, and each is positive."""
        scaled = logits / self.temperature
        if multi_label:
            return (scaled + self.shift).sigmoid()
        if self.shift:
            scaled = scaled.clone()
            scaled[..., -1] += self.shift
        return scaled.softmax(-1)

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> "Calibration":
        """What an adapter's `info` says; none for adapters that say nothing, such as those of other tools. A number
        alone is the temperature. Raises BadAdapter for what no calibration can be."""
        said = info.get("calibration")
        if said is None:
            return cls()
        told = said if isinstance(said, Mapping) else {"temperature": said}
        temperature, shift = told.get("temperature", 1.0), told.get("shift", 0.0)
        sound = is_finite(temperature) and is_finite(shift)
        if not (sound and _LEAST <= temperature <= 1 / _LEAST and abs(shift) <= _FARTHEST):
            raise BadAdapter(f"the calibration {said!r} is impossible; train the adapter again")
        return cls(float(temperature), float(shift))

    def to_info(self) -> dict[str, float]:
        """As it stands in an adapter's `info["calibration"]`."""
        return asdict(self)


UNCALIBRATED = Calibration()


def shift_for(negative_share: float) -> float:
    """The shift that undoes training on a share (0, 1] of the negatives."""
    return math.log(negative_share)


def shifted(probabilities: NDArray[np.float64], shift: float) -> NDArray[np.float64]:
    """Probabilities `[rows, 2]` with `shift` added to the log-odds of the second class."""
    odds = probabilities * [1.0, math.exp(shift)]
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


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
    units: "Indices | None" = None,
) -> float:
    """The temperature that minimises the log loss on these rows, between 0.05 and 20, drawn towards 1 where they are
    few (see `shrinkage`); 1 where it does not lower the log loss of rows that it was not fitted on.

    The targets are `smoothed`.

    Args:
        logits: `[rows, labels]`.
        truth: true where a row has a label, `[rows, labels]`.
        weights: of the rows.
        multi_label: whether a row may have several labels.
        shift: as in `Calibration`.
        units: that rows belong to, as in `intervals.units_of`; None where each is its own.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_expit, log_softmax

    raw, true = np.asarray(logits, dtype=float), np.asarray(truth, dtype=float)
    weight = np.ones(len(raw)) if weights is None else np.asarray(weights, dtype=float)
    unit = np.arange(len(raw)) if units is None else units

    def losses(temperature: float, targets: Floats, rows: Any = ...) -> Floats:
        warm: Any = raw[rows] / temperature
        if multi_label:
            warm += shift
            return np.asarray(-(targets * log_expit(warm) + (1 - targets) * log_expit(-warm)).mean(axis=1))
        warm[:, -1] += shift
        return np.asarray(-(targets * log_softmax(warm, axis=1)).sum(axis=1))

    def fitted(rows: Any = ...) -> float:
        smooth, counted = smoothed(true[rows], multi_label), weight[rows]
        few = 1 / (2 * SPREAD**2 * evidence(counted, unit[rows]))

        def drawn(log_temperature: float) -> float:
            each = losses(float(np.exp(log_temperature)), smooth, rows)
            return float(np.average(each, weights=counted)) + few * log_temperature**2

        bounds = (np.log(_COLDEST), np.log(_HOTTEST))
        return float(np.exp(minimize_scalar(drawn, bounds=bounds, method="bounded").x))

    is_better = holds(lambda seen: losses(fitted(seen), true), losses(1.0, true), weight, unit)
    return fitted() if is_better else 1.0
