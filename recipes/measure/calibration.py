"""From a head's logits to probabilities that mean what they say: a temperature, a bias, and a shift for rows left out.

    logits' = logits / temperature + bias + shift

The temperature that makes probabilities true is fitted on rows unseen (Guo et al. 2017, "On Calibration of
Modern Neural Networks", arXiv:1706.04599). By itself it draws a head that is too sure towards all labels alike, where
the commonest one would be the better guess; so a multiple of the logarithms of the labels' shares is fitted with it
(as the biases of Alexandari et al. 2020, arXiv:1901.06852, but one number for all labels). Of two labels neither
changes the order of rows.

Training on a share w of the rows without a click makes clicks look more common: the log-odds that are learned are
those of all rows minus log(w). Adding log(w) gives them back, exactly where the kept rows are a random sample (King and
Zeng, "Logistic Regression in Rare Events Data", 2001, section 4.1; He et al., "Practical Lessons from Predicting Clicks
on Ads at Facebook", 2014, section 6.3, as q = p / (p + (1 - p) / w)). The order of the rows stays as it is.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
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
_NOTHING = np.zeros(2)  # the logarithm of the temperature, and the multiple of the shares' logarithms
_TEMPERATURES, _MOST_BIAS = (np.log(0.05), np.log(20.0)), 2.0
_LEAST, _FARTHEST = 1e-3, 100.0  # a temperature, and a shift or a bias in nats, of an adapter that is read


@dataclass(frozen=True)
class Calibration:
    """temperature: what the logits are divided by. shift: added to the log-odds of the positive class, nats. bias:
    added to the logits after that, nats, `[labels]`; empty for none."""

    temperature: float = 1.0
    shift: float = 0.0
    bias: tuple[float, ...] = ()

    def apply(self, logits: "Tensor", multi_label: bool) -> "Tensor":
        """Probabilities `[..., labels]` of logits of that shape: softmax over the labels, of which the last one is the
        positive class; for several labels a row an independent sigmoid each, and each is positive."""
        scaled = logits / self.temperature
        if self.bias:
            scaled = scaled + scaled.new_tensor(self.bias)
        if multi_label:
            return (scaled + self.shift).sigmoid()
        if self.shift:
            scaled = scaled.clone()
            scaled[..., -1] += self.shift
        return scaled.softmax(-1)

    @classmethod
    def from_info(cls, info: Mapping[str, Any], labels: int) -> "Calibration":
        """What an adapter's `info` says; none for adapters that say nothing, such as those of other tools. A number
        alone is the temperature. Raises BadAdapter for what no calibration of so many labels can be."""
        said = info.get("calibration")
        if said is None:
            return cls()
        told = said if isinstance(said, Mapping) else {"temperature": said}
        temperature, shift, bias = told.get("temperature", 1.0), told.get("shift", 0.0), told.get("bias", ())
        numbers = isinstance(bias, list | tuple) and all(map(is_finite, (temperature, shift, *bias)))
        if not (
            numbers
            and _LEAST <= temperature <= 1 / _LEAST
            and len(bias) in (0, labels)
            and all(abs(each) <= _FARTHEST for each in (shift, *bias))
        ):
            raise BadAdapter(f"the calibration {str(said)[:60]!r} is impossible; train the adapter again")
        return cls(float(temperature), float(shift), tuple(map(float, bias)))

    def to_info(self) -> dict[str, Any]:
        """As it stands in an adapter's `info["calibration"]`, plain JSON."""
        told: dict[str, Any] = {"temperature": self.temperature, "shift": self.shift}
        return told | ({"bias": list(self.bias)} if self.bias else {})


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


def fit_calibration(
    logits: ArrayLike,
    truth: ArrayLike,
    shares: ArrayLike | None,
    weights: ArrayLike | None = None,
    multi_label: bool = False,
    shift: float = 0.0,
    units: "Indices | None" = None,
) -> Calibration:
    """The temperature, between 0.05 and 20, and the multiple of the logarithms of the labels' shares, between -2 and 2,
    that minimise the log loss on these rows together, drawn towards 1 and 0 where the rows are few (see `shrinkage`);
    the temperature alone, or neither, where they do not lower the log loss of rows that they were not fitted on.

    The targets are `smoothed`.

    Args:
        logits: `[rows, labels]`.
        truth: true where a row has a label, `[rows, labels]`.
        shares: of the labels in training, `[labels]`; None for a temperature alone. A label that no row has counts as
            the rarest that one has.
        weights: of the rows.
        multi_label: whether a row may have several labels.
        shift: as in `Calibration`.
        units: that rows belong to, as in `intervals.units_of`; None where each is its own.
    """
    from scipy.optimize import minimize
    from scipy.special import log_expit, log_softmax

    raw, true = np.asarray(logits, dtype=float), np.asarray(truth, dtype=float)
    weight = np.ones(len(raw)) if weights is None else np.asarray(weights, dtype=float)
    unit = np.arange(len(raw)) if units is None else units
    common = np.zeros(raw.shape[1])
    if shares is not None:
        known = np.asarray(shares, dtype=float)
        common = np.log(np.maximum(known, known[known > 0].min()))
        common -= common.mean()

    def losses(found: Floats, targets: Floats, rows: Any = ...) -> Floats:
        warm: Any = raw[rows] / np.exp(found[0]) + found[1] * common
        if multi_label:
            warm += shift
            return np.asarray(-(targets * log_expit(warm) + (1 - targets) * log_expit(-warm)).mean(axis=1))
        warm[:, -1] += shift
        return np.asarray(-(targets * log_softmax(warm, axis=1)).sum(axis=1))

    def fitted(most: float, rows: Any = ...) -> Floats:
        smooth, counted = smoothed(true[rows], multi_label), weight[rows]
        few = 1 / (2 * SPREAD**2 * evidence(counted, unit[rows]))

        def drawn(found: Floats) -> float:
            each = losses(found, smooth, rows)
            return float(np.average(each, weights=counted)) + few * float(found @ found)

        bounds = (_TEMPERATURES, (-most, most))
        return np.asarray(minimize(drawn, _NOTHING, method="L-BFGS-B", bounds=bounds).x)

    def helps(most: float) -> bool:
        return holds(lambda seen: losses(fitted(most, seen), true), losses(_NOTHING, true), weight, unit)

    for most in (_MOST_BIAS, 0.0) if common.any() else (0.0,):
        if helps(most):
            found = fitted(most)
            bias = (found[1] * common).round(6).tolist()
            return Calibration(float(np.exp(found[0])), shift, tuple(bias) if any(bias) else ())
    return Calibration(shift=shift)
