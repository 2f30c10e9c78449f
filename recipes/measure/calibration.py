"""From a head's logits to probabilities that mean what they say.

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
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


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
        """What an adapter's `info` says; none for adapters that say nothing, such as those of other tools."""
        said = info.get("calibration", {})
        return cls(float(said.get("temperature", 1.0)), float(said.get("shift", 0.0)))

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
