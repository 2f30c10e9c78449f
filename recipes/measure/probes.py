"""Linear probes at which a head may start: logistic regressions on a frozen model's vectors, each without a part of the
rows, and what they make of rows without labels.

Rows without labels teach by the labels that a probe gives them: it is fitted again on both, each of its own guesses for
at most a third of a row, by how likely it finds it. That is self-training (Scudder 1965, doi:10.1109/TIT.1965.1053799;
Lee 2013, "Pseudo-Label"), of one round.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recipes.examples import Example, Splits
from recipes.measure.baselines import (
    DENSE_STRENGTHS,
    Regression,
    chosen,
    folds,
    parts_of,
    shares,
    weights_of,
)
from recipes.measure.intervals import Floats, Indices

_UNLIKELY = -10.0  # the log-odds that a head starts with for a label that no training row has
_GUESSED = 1 / 3  # of a row with a label, at most


@dataclass(frozen=True)
class Probes:
    """Logistic regressions on the same vectors, one without each part of the rows, or a single one on all where that
    would leave too little: a part holds most of the rows, or a label is told from others by none.

    weights: [probes, width, labels]; biases: [probes, labels]. A probe without rows of a label has the others' mean of
    it, so that the one row of a label is the one that a probe has seen.
    part: of each row, which of the probes has not seen it, [rows]; None of a single one.
    guesses: of rows without labels, the label that the probes together find the likeliest, [rows]; counts: how much of
    a row it is to count as, [rows].
    """

    weights: Floats
    biases: Floats
    part: Indices | None
    guesses: Indices
    counts: Floats


def linear_probes(
    splits: Splits,
    train: Floats,
    validation: Floats,
    intercept: bool = True,
    unlabelled: Floats | None = None,
) -> Probes:
    """As `baselines.on_states`, as numbers for the vectors as they are, and one for each of the folds by which the
    strength was chosen. Biases are 0 without an intercept but for labels that no training row has.

    Args:
        splits: whose training rows are fitted.
        train: their vectors, [rows, width].
        validation: vectors of the validation rows, which choose the strength where rows are many.
        intercept: whether the probes have biases.
        unlabelled: vectors of rows without labels, which are learned from too.
    """
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler(with_mean=intercept).fit(train)
    train, validation = scaler.transform(train), scaler.transform(validation)
    by = parts_of(splits)
    strength, fitted = chosen(splits, by, train, validation, DENSE_STRENGTHS, intercept)
    parts, part = by or list(folds(splits)), None
    if not by:
        fitted = [Regression(rest, train[seen], strength, intercept) for rest, seen, _ in parts]
    if not _are_sound(splits, parts, fitted):
        parts, fitted = [], [Regression(splits, train, strength, intercept)]
    guesses, counts = np.zeros(0, dtype=np.intp), np.zeros(0)
    if unlabelled is not None:
        more = scaler.transform(unlabelled)
        own = [(rest, train[seen]) for rest, seen, _ in parts] or [(splits, train)]
        fitted = [
            _self_trained(model, rest, rows, more, strength, intercept)
            for model, (rest, rows) in zip(fitted, own, strict=True)
        ]
        guesses, counts = _guessed(splits, np.mean([model.probabilities(more) for model in fitted], axis=0))
    weights, biases = (np.array(each) for each in zip(*(model.linear() for model in fitted), strict=True))
    known = np.array([model.known for model in fitted])
    having = np.maximum(known.sum(axis=0), 1)
    mean = (weights * known[:, None]).sum(axis=0) / having
    likely = np.where(known.any(axis=0), (biases * known).sum(axis=0) / having, biases.min(axis=0))
    weights = np.where(known[:, None], weights, mean) / scaler.scale_[:, None]
    biases = np.where(known, biases, np.maximum(likely, _UNLIKELY))
    if parts:
        part = np.zeros(len(splits.train), dtype=np.intp)
        for at, (_, _, held) in enumerate(parts):
            part[held] = at
    biases = biases - scaler.mean_ @ weights if intercept else biases
    return Probes(weights, biases, part, guesses, counts)


def _are_sound(
    splits: Splits, parts: Sequence[tuple[Splits, Indices, Indices]], fitted: Sequence[Regression]
) -> bool:
    most = max(len(held) for _, _, held in parts)
    known = np.any([model.known for model in fitted], axis=0)
    return 2 * most <= len(splits.train) and bool((known | (shares(splits) == 0)).all())


def _self_trained(
    model: Regression, splits: Splits, train: Floats, more: Floats, strength: float, intercept: bool
) -> Regression:
    """Fitted again, to its own guesses of further rows too."""
    guesses, counts = _guessed(splits, model.probabilities(more))
    rows = tuple(
        Example("", 0, label, weight=weight)
        for label, weight in zip(guesses.tolist(), counts.tolist(), strict=True)
    )
    both = replace(splits, train=(*splits.train, *rows))
    return Regression(both, np.concatenate([train, more]), strength, intercept)


def _guessed(splits: Splits, said: Floats) -> tuple[Indices, Floats]:
    """The likeliest label of each row, and how much of an ordinary row it counts as. said: [rows, labels]."""
    ordinary = float(weights_of(splits.train).mean())
    return said.argmax(axis=1), _GUESSED * ordinary * said.max(axis=1)
