"""What the adapter and a baseline reach together, and how a registry answers with both.

    logits  -> / temperature, + shift -> probabilities --+
                                                         +-- weight, sharpness --> the answer
    the row -> linear model,  + shift -> probabilities --+

Each part is first corrected by itself: the adapter by its `Calibration`, the baseline by the same shift where it
learned from sampled rows. Then their evidence is mixed: what each says beyond the share p that the labels had in
training, in log-odds,

    logit = logit(p) + sharpness * ((1 - weight) * (logit(adapter) - logit(p)) + weight * (logit(baseline) - logit(p)))

Two that know the same are averaged (sharpness 1). The evidence of two that know different things adds up (sharpness 2,
weight one half); an average would be too unsure (Satopää et al. 2014, doi:10.1016/j.ijforecast.2013.09.009). Between
the two, neither part ever counts for more than what it says alone. Nothing is done to the mix after that: an ensemble
averages the answers of its members.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, softmax

from adapters.errors import BadAdapter
from recipes import evaluate
from recipes.linear import Linear, is_finite

Floats = NDArray[np.float64]
_FORMAT = 1
_SMALLEST = 1e-6  # no part is ever surer than this


@dataclass(frozen=True)
class Mix:
    """How two are mixed. weight: 0 is the adapter alone, 1 the baseline alone. sharpness: 1 to 2. prior: the labels'
    shares [labels]."""

    weight: float
    sharpness: float
    prior: tuple[float, ...]


def blend(adapter: ArrayLike, baseline: ArrayLike, mix: Mix, multi_label: bool = False) -> Floats:
    """Mixed probabilities by the formula above, with logarithms of probabilities for log-odds where a row has one
    label. adapter, baseline: probabilities [rows, labels]."""
    own, other, prior = (_log_odds(each, multi_label) for each in (adapter, baseline, mix.prior))
    evidence = (1 - mix.weight) * (own - prior) + mix.weight * (other - prior)
    mixed = prior + mix.sharpness * evidence
    return np.asarray(expit(mixed) if multi_label else softmax(mixed, axis=1))


def fit_mix(
    adapter: ArrayLike,
    baseline: ArrayLike,
    prior: ArrayLike,
    truth: ArrayLike,
    weights: ArrayLike,
    multi_label: bool = False,
) -> tuple[Mix, float]:
    """The mix with the least log loss on these rows, and that loss. prior: [labels]; truth: true where a row has a
    label, [rows, labels]; weights: [rows]."""
    from scipy.optimize import minimize

    true, shares = np.asarray(truth), tuple(map(float, np.asarray(prior)))

    def mix_of(parts: Floats) -> Mix:
        """parts: what the adapter and the baseline count, each from 0 to 1, together at least 1."""
        own, other = (float(part) for part in np.clip(parts, 0.0, 1.0))
        total = min(max(own + other, 1.0), 2.0)
        return Mix(min(other / total, 1.0), total, shares)

    def loss(parts: Floats) -> float:
        mixed = blend(adapter, baseline, mix_of(parts), multi_label)
        if multi_label:
            return evaluate.multilabel_log_loss(true, mixed, weights)
        return evaluate.log_loss(true.argmax(axis=1), mixed, weights)

    # The loss is convex in the two parts, and so is the triangle that they may lie in.
    found = minimize(
        loss,
        (0.7, 0.7),
        method="SLSQP",
        bounds=[(0.0, 1.0)] * 2,
        constraints={"type": "ineq", "fun": lambda parts: parts.sum() - 1},
    )
    best = min((np.array([1.0, 0.0]), np.array([0.0, 1.0]), found.x), key=loss)
    return mix_of(best), loss(best)


@dataclass(frozen=True)
class Blend:
    """A mix that is served: the baseline travels with the adapter, as `info["blend"]`."""

    baseline: Linear
    mix: Mix

    def apply(
        self, adapter: ArrayLike, texts: Sequence[str], rows: Sequence[Mapping[str, str]], multi_label: bool
    ) -> Floats:
        """What is answered, [rows, labels]. adapter: its calibrated probabilities; texts, rows: as in
        `Linear.probabilities`."""
        return blend(adapter, self.baseline.probabilities(texts, rows, multi_label), self.mix, multi_label)

    def to_info(self) -> dict[str, Any]:
        """As it stands in an adapter's `info["blend"]`: plain JSON of at most about 2 MiB."""
        return {
            "format": _FORMAT,
            "weight": self.mix.weight,
            "sharpness": self.mix.sharpness,
            "prior": list(self.mix.prior),
            "baseline": self.baseline.to_info(),
        }

    @classmethod
    def from_info(cls, info: Mapping[str, Any], labels: int, multi_label: bool) -> "Blend | None":
        """What an adapter's `info` says, None where it says nothing. Raises BadAdapter with all that is wrong."""
        saved = info.get("blend")
        if saved is None:
            return None
        wanted = {"format", "weight", "sharpness", "prior", "baseline"}
        if isinstance(saved, Mapping) and saved.get("format", _FORMAT) != _FORMAT:
            raise BadAdapter(
                f"the blend has format {saved['format']!r}, this Repertoire reads {_FORMAT}: upgrade"
            )
        if not isinstance(saved, Mapping) or saved.keys() != wanted:
            raise BadAdapter(f"the blend should hold {', '.join(sorted(wanted))}; train the adapter again")
        weight, sharpness, prior = saved["weight"], saved["sharpness"], saved["prior"]
        problems = []
        if not (is_finite(weight) and 0 <= weight <= 1):
            problems.append(f"its weight {weight!r} is not between 0 and 1")
        if not (is_finite(sharpness) and 1 <= sharpness <= 2):
            problems.append(f"its sharpness {sharpness!r} is not between 1 and 2")
        if not (isinstance(prior, list) and len(prior) == labels and all(map(_is_share, prior))):
            problems.append(f"its prior is not {labels} shares between 0 and 1")
        try:
            baseline = Linear.from_info(saved["baseline"], labels, multi_label)
        except BadAdapter as error:
            problems.append(str(error))
        if problems:
            raise BadAdapter(f"the blend is impossible: {'; '.join(problems)}; train the adapter again")
        return cls(baseline, Mix(float(weight), float(sharpness), tuple(map(float, prior))))


def _is_share(value: Any) -> bool:
    return is_finite(value) and 0 <= value <= 1


def _log_odds(probabilities: ArrayLike, multi_label: bool) -> Floats:
    clipped = np.clip(np.asarray(probabilities, dtype=float), _SMALLEST, 1 - _SMALLEST)
    return np.asarray(logit(clipped) if multi_label else np.log(clipped))
