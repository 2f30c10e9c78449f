"""From a head's logits to probabilities that can be taken at their word.

One number, the temperature, is fitted on the validation rows after training (Guo et al. 2017, "On Calibration of Modern
Neural Networks", arXiv:1706.04599). It changes how sure the probabilities are, never their order.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_softmax, softmax

from adapters.errors import BadAdapter

Floats = NDArray[np.float64]
_COLDEST, _HOTTEST = 0.05, 20.0


@dataclass(frozen=True)
class Calibration:
    """temperature: what logits are divided by. shift: what is added to the positive class's log-odds."""

    temperature: float = 1.0
    shift: float = 0.0

    def apply(self, logits: ArrayLike, multi_label: bool = False) -> Floats:
        """Probabilities of logits [..., labels]: a softmax over the labels, or for several labels a row a sigmoid each.

        The positive class is the second of two; with several labels a row, each label's own log-odds are shifted.
        """
        warm = np.asarray(logits, dtype=float) / self.temperature
        if multi_label:
            return np.asarray(expit(warm + self.shift))
        if self.shift:
            warm[..., 1] += self.shift
        return np.asarray(softmax(warm, axis=-1))

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> "Calibration":
        """What an adapter's `info` says; an adapter without a calibration is taken as it is. Raises BadAdapter."""
        saved = info.get("calibration") or {}
        try:
            found = cls(float(saved.get("temperature", 1.0)), float(saved.get("shift", 0.0)))
        except (AttributeError, TypeError, ValueError) as error:
            raise BadAdapter(f"its calibration cannot be read ({error}); train the adapter again") from error
        if not (0 < found.temperature < math.inf and math.isfinite(found.shift)):
            raise BadAdapter(f"its calibration {saved} is impossible; train the adapter again")
        return found

    def to_info(self) -> dict[str, float]:
        """What an adapter carries as `info["calibration"]`."""
        return asdict(self)


def fit_temperature(
    logits: ArrayLike, truth: ArrayLike, weights: ArrayLike | None = None, multi_label: bool = False
) -> float:
    """The temperature that minimises the log loss on these rows, between 0.05 and 20.

    logits, truth (true where a row has a label): [rows, labels]; weights: [rows]. So that few rows which are all right
    are no reason for being infinitely sure, the targets are smoothed as Platt's: 1 - 1 / (n + 2) in place of 1 (Platt
    1999, "Probabilistic Outputs for Support Vector Machines"). 1 where no temperature lowers the log loss itself.
    """
    from scipy.optimize import minimize_scalar

    raw, true = np.asarray(logits, dtype=float), np.asarray(truth, dtype=float)
    weight = np.ones(len(raw)) if weights is None else np.asarray(weights, dtype=float)
    doubt = 1 / (len(raw) + 2)
    rest = 1 - true if multi_label else (1 - true) / max(1, raw.shape[1] - 1)
    smooth = true * (1 - doubt) + rest * doubt

    def loss(temperature: float, targets: Floats) -> float:
        warm = raw / temperature
        if multi_label:
            each = -(targets * log_expit(warm) + (1 - targets) * log_expit(-warm)).mean(axis=1)
        else:
            each = -(targets * log_softmax(warm, axis=1)).sum(axis=1)
        return float(np.average(each, weights=weight))

    found = minimize_scalar(
        lambda log_temperature: loss(float(np.exp(log_temperature)), smooth),
        bounds=(np.log(_COLDEST), np.log(_HOTTEST)),
        method="bounded",
    )
    temperature = float(np.exp(found.x))
    return temperature if loss(temperature, true) < loss(1.0, true) else 1.0
