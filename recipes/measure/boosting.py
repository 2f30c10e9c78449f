"""Gradient boosting on columns: what shops reach without a language model, where numbers and their steps say most."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recipes.examples import Example, Splits
from recipes.measure import metrics as evaluate
from recipes.measure.baselines import Bools, folds, label_matrix, labels_of, weights_of
from recipes.measure.columns import Column, columns_of, table
from recipes.measure.intervals import Floats, Indices

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

_ROUNDS, _FEWEST = 100, 10
_TREES = 2_000  # one for each label and round, so that 77 labels take seconds


@dataclass(frozen=True)
class Boosted:
    """A model of the labels, or where a row may have several one of each. classes: the labels that `model` tells apart;
    with one of them there is no model."""

    classes: Indices
    model: "HistGradientBoostingClassifier | None"

    def probabilities(self, rows: Floats, labels: int) -> Floats:
        """`[rows, labels]`, of so many; rows: as `table` has them."""
        return _spread(
            np.ones((len(rows), 1)) if self.model is None else self.model.predict_proba(rows),
            self.classes,
            labels,
        )


def boosted(splits: Splits, names: Sequence[str], are_names: Collection[str] = ()) -> Floats:
    """scikit-learn's HistGradientBoostingClassifier on columns alone, [test, labels]; one for each label where a row
    may have several. are_names: columns whose numbers are names."""
    columns = columns_of(names, rows_of(splits.train), are_names)
    models, rows = boost(splits, columns), table(columns, [example.fields for example in splits.test])
    if not splits.multi_label:
        return models[0].probabilities(rows, len(splits.labels))
    return np.stack([model.probabilities(rows, 2)[:, 1] for model in models], axis=1)


def rows_of(examples: Sequence[Example]) -> list[Mapping[str, str]]:
    """The cells of each row once: the two halves of a row of impressions and clicks are one row."""
    return list({example.origin: example.fields for example in examples}.values())


def boost(splits: Splits, columns: Sequence[Column]) -> list[Boosted]:
    """Learn from the training rows; one model, or with several labels a row one for each. How many rounds it takes is
    chosen by cross-validation."""
    train, weights = table(columns, [example.fields for example in splits.train]), weights_of(splits.train)
    words = np.array([column.words is not None for column in columns])
    parts = [(seen, held) for _, seen, held in folds(splits)]
    labels, weights = len(splits.labels), weights / weights.mean()
    rounds = max(_FEWEST, min(_ROUNDS, _TREES // labels))
    if not splits.multi_label:
        target = np.array([labels_of(example)[0] for example in splits.train])
        return [_boosted(parts, target, weights, labels, train, words, rounds)]
    truth = label_matrix(splits.train, labels).astype(int)
    return [_boosted(parts, truth[:, label], weights, 2, train, words, rounds) for label in range(labels)]


def _boosted(
    parts: Sequence[tuple[Indices, Indices]],
    target: Indices,
    weights: Floats,
    labels: int,
    train: Floats,
    words: Bools,
    most: int,
) -> Boosted:
    """parts: the rows that train and those that test, of each fold; words: which columns hold words; most: rounds."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    def model(rounds: int, rows: Indices | slice) -> HistGradientBoostingClassifier:
        made = HistGradientBoostingClassifier(
            max_iter=rounds, early_stopping=False, categorical_features=words, random_state=0
        )
        return made.fit(train[rows], target[rows], sample_weight=weights[rows])

    classes = np.unique(target)
    if len(classes) < 2:
        return Boosted(classes, None)
    losses = np.zeros(most)
    for seen, held in parts:
        if len(np.unique(target[seen])) > 1:
            tried = model(most, seen)
            for rounds, guess in enumerate(tried.staged_predict_proba(train[held])):
                loss = evaluate.losses(target[held], _spread(guess, tried.classes_, labels))
                losses[rounds] += float((loss * weights[held]).sum())
    return Boosted(classes, model(int(losses.argmin()) + 1, slice(None)))


def _spread(guess: Floats, classes: Indices, labels: int) -> Floats:
    """Probabilities of the classes that were seen as those of all labels, `[rows, labels]`."""
    found = np.zeros((len(guess), labels))
    found[:, classes] = guess
    return found
