"""What the adapter and a baseline reach together, and how a registry answers with both.

    logits  -> / temperature, + bias + shift -> probabilities --+
                                                                +-- weight, sharpness, shift --> the answer
    the row -> the baseline,         + shift -> probabilities --+

The baseline is a regression of the text or of columns (`linear`), or boosted trees of columns (`trees`).

Each part is first corrected by itself: the adapter by its `Calibration`, the baseline by the same shift where it
learned from sampled rows. Then their evidence is mixed: what each says beyond the share p that the labels had in
training, in log-odds,

    logit = logit(p) + sharpness * ((1 - weight) * (logit(adapter) - logit(p)) + weight * (logit(baseline) - logit(p)))
            + shift

Two that know the same are averaged (sharpness 1); the evidence of two that know different things adds up (sharpness 2,
weight one half), where an average would be too unsure (Satopää et al. 2014, doi:10.1016/j.ijforecast.2013.09.009).
Where there are two labels, a shift mends a click rate that is off, so that no weight has to. All three are fitted
together on rows unseen (`judge/unseen.py`), as a logistic regression on both parts' log-odds whose weights are not
negative, that is stacking (Breiman 1996, "Stacked Regressions"). Nothing is done to the mix after that: an ensemble
averages the answers of its members.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, logsumexp, softmax

from adapters.errors import BadAdapter
from recipes.answer.linear import Linear
from recipes.answer.trees import Trees
from recipes.measure import metrics as evaluate
from recipes.measure.calibration import smoothed
from recipes.measure.shrinkage import SPREAD, evidence, holds
from recipes.part import is_finite

if TYPE_CHECKING:
    from recipes.measure.intervals import Indices

Baseline: TypeAlias = Linear | Trees
Floats = NDArray[np.float64]
_SMALLEST = 1e-6  # no part is ever surer than this
_LEAST, _MOST_SHARPNESS, _MOST_SHIFT = 1e-3, 20.0, 5.0
_ALONE = np.array([1.0, 0.0, 0.0])  # what the adapter's and the baseline's evidence count, and the shift


@dataclass(frozen=True)
class Mix:
    """How two are mixed. weight: 0 is the adapter alone, 1 the baseline alone. sharpness: above 0. prior: the labels'
    shares [labels]. shift: added to the log-odds of the last of two labels."""

    weight: float
    sharpness: float
    prior: tuple[float, ...]
    shift: float = 0.0


def blend(adapter: ArrayLike, baseline: ArrayLike, mix: Mix, multi_label: bool = False) -> Floats:
    """Mixed probabilities by the formula above, with logarithms of probabilities for log-odds where a row has one
    label. adapter, baseline: probabilities [rows, labels]."""
    own, other, prior = (_log_odds(each, multi_label) for each in (adapter, baseline, mix.prior))
    evidence = (1 - mix.weight) * (own - prior) + mix.weight * (other - prior)
    mixed = prior + mix.sharpness * evidence
    mixed[:, -1] += mix.shift
    return np.asarray(expit(mixed) if multi_label else softmax(mixed, axis=1))


def fit_mix(
    adapter: ArrayLike,
    baseline: ArrayLike,
    prior: ArrayLike,
    truth: ArrayLike,
    weights: ArrayLike,
    multi_label: bool = False,
    units: "Indices | None" = None,
) -> tuple[Mix, float]:
    """The mix with the least log loss on these rows, whose targets are smoothed as `fit_calibration` does, drawn
    towards the adapter alone where they are few (see `shrinkage`); and its log loss. The adapter alone where the mix
    does not lower the log loss of rows that it was not fitted on.

    Args:
        adapter: probabilities, `[rows, labels]`.
        baseline: the same.
        prior: `[labels]`.
        truth: true where a row has a label, `[rows, labels]`.
        weights: of the rows.
        multi_label: whether a row may have several labels.
        units: that rows belong to, as in `intervals.units_of`; None where each is its own.
    """
    true, shares = np.asarray(truth, dtype=bool), tuple(map(float, np.asarray(prior)))
    weight = np.asarray(weights, dtype=float)
    unit = np.arange(len(true)) if units is None else units

    def losses(mix: Mix) -> Floats:
        return evaluate.losses_of(true, blend(adapter, baseline, mix, multi_label), multi_label)

    own, other, start = (_log_odds(each, multi_label) for each in (adapter, baseline, prior))

    def fitted(rows: Any = ...) -> Mix:
        targets = smoothed(true[rows], multi_label)
        evidences = (own - start)[rows], (other - start)[rows]
        parts = _parts(*evidences, start, targets, weight[rows], unit[rows], multi_label)
        return Mix(float(parts[1] / parts[:2].sum()), float(parts[:2].sum()), shares, float(parts[2]))

    alone = Mix(0.0, 1.0, shares)
    is_better = holds(lambda seen: losses(fitted(seen)), losses(alone), weight, unit)
    found = fitted() if is_better else alone
    return found, float(np.average(losses(found), weights=weight))


def _parts(
    own: Floats,
    other: Floats,
    start: Floats,
    targets: Floats,
    weights: Floats,
    units: "Indices",
    multi_label: bool,
) -> Floats:
    """What the adapter's evidence counts, what the baseline's does, and the shift of the last of two labels, `[3]`.

    own, other: evidence `[rows, labels]`; start: the prior's log-odds `[labels]`; targets: `[rows, labels]`.
    """
    from scipy.optimize import minimize

    share = weights / weights.sum()
    few = 1 / (SPREAD**2 * evidence(weights, units))

    def loss(parts: Floats) -> tuple[float, Floats]:
        mixed = start + parts[0] * own + parts[1] * other
        mixed[:, -1] += parts[2]
        if multi_label:
            each = (np.logaddexp(0, mixed) - targets * mixed).mean(axis=1)
            slope = (expit(mixed) - targets) * share[:, None] / targets.shape[1]
        else:
            each = logsumexp(mixed, axis=1) - (targets * mixed).sum(axis=1)
            slope = (softmax(mixed, axis=1) - targets) * share[:, None]
        gradient = np.array([(slope * own).sum(), (slope * other).sum(), slope[:, -1].sum()])
        moved = parts - _ALONE
        return float(share @ each + few * (moved @ moved) / 2), gradient + few * moved

    most = _MOST_SHIFT if targets.shape[1] == 2 and not multi_label else 0.0
    half = _MOST_SHARPNESS / 2
    bounds = [(_LEAST, half), (0.0, half), (-most, most)]  # of a convex loss
    return np.asarray(minimize(loss, (0.7, 0.7, 0.0), jac=True, method="L-BFGS-B", bounds=bounds).x)


@dataclass(frozen=True)
class Blend:
    """A mix that is served: the baseline travels with the adapter, as `info["blend"]`."""

    baseline: Baseline
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
            "format": 2 if isinstance(self.baseline, Trees) else 1,
            "weight": self.mix.weight,
            "sharpness": self.mix.sharpness,
            "prior": list(self.mix.prior),
            "shift": self.mix.shift,
            "baseline": self.baseline.to_info(),
        }

    @classmethod
    def from_info(cls, info: Mapping[str, Any], labels: int, multi_label: bool) -> "Blend | None":
        """What an adapter's `info` says, None where it says nothing. Raises BadAdapter with all that is wrong."""
        saved = info.get("blend")
        if saved is None:
            return None
        wanted = {"format", "weight", "sharpness", "prior", "shift", "baseline"}
        if isinstance(saved, Mapping) and saved.get("format", 1) not in (1, 2):
            raise BadAdapter(
                f"the blend has format {saved['format']!r}, this Repertoire reads 1 and 2: upgrade"
            )
        if not isinstance(saved, Mapping) or saved.keys() != wanted:
            raise BadAdapter(f"the blend should hold {', '.join(sorted(wanted))}; train the adapter again")
        weight, sharpness, prior, shift = (saved[name] for name in ("weight", "sharpness", "prior", "shift"))
        problems = []
        if not (is_finite(weight) and 0 <= weight <= 1):
            problems.append(f"its weight {weight!r} is not between 0 and 1")
        if not (is_finite(sharpness) and 0 < sharpness <= _MOST_SHARPNESS):
            problems.append(f"its sharpness {sharpness!r} is not between 0 and {_MOST_SHARPNESS}")
        if not (isinstance(prior, list) and len(prior) == labels and all(map(_is_share, prior))):
            problems.append(f"its prior is not {labels} shares between 0 and 1")
        if not (is_finite(shift) and abs(shift) <= _MOST_SHIFT):
            problems.append(f"its shift {shift!r} is not between {-_MOST_SHIFT} and {_MOST_SHIFT}")
        try:
            kind = Trees if saved["format"] == 2 else Linear
            baseline: Baseline = kind.from_info(saved["baseline"], labels, multi_label)
        except BadAdapter as error:
            problems.append(str(error))
        if problems:
            raise BadAdapter(f"the blend is impossible: {'; '.join(problems)}; train the adapter again")
        return cls(baseline, Mix(float(weight), float(sharpness), tuple(map(float, prior)), float(shift)))


def _is_share(value: Any) -> bool:
    return is_finite(value) and 0 <= value <= 1


def _log_odds(probabilities: ArrayLike, multi_label: bool) -> Floats:
    clipped = np.clip(np.asarray(probabilities, dtype=float), _SMALLEST, 1 - _SMALLEST)
    return np.asarray(logit(clipped) if multi_label else np.log(clipped))
