"""Gradient boosting on columns: what shops reach without a language model, where numbers and their steps say most."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from recipes.examples import Example, Splits
from recipes.measure import metrics as evaluate
from recipes.measure.baselines import (
    Bools,
    cuts_of,
    folds,
    label_matrix,
    labels_of,
    number_of,
    weights_of,
)
from recipes.measure.intervals import Floats, Indices

_ROUNDS = 100
_TREES = 2_000  # one for each label and round, so that 77 labels take seconds
_WORDS = 250  # of a column that are told apart, the commonest ones


def boosted(splits: Splits, names: Sequence[str]) -> Floats:
    """scikit-learn's HistGradientBoostingClassifier on columns alone, [test, labels]; one for each label where a row
    may have several. How many rounds it takes is chosen by cross-validation of the training rows."""
    columns = [_Column.of(splits.train, name) for name in names]
    train, test = (_table(part, columns) for part in (splits.train, splits.test))
    words = np.array([column.codes is not None for column in columns])
    weights, labels = weights_of(splits.train), len(splits.labels)
    weights /= weights.mean()
    parts = [(seen, held) for _, seen, held in folds(splits)]
    if not splits.multi_label:
        target = np.array([labels_of(example)[0] for example in splits.train])
        return _guess(parts, target, weights, labels, train, test, words)
    truth = label_matrix(splits.train, labels).astype(int)
    each = [_guess(parts, truth[:, label], weights, 2, train, test, words)[:, 1] for label in range(labels)]
    return np.stack(each, axis=1)


class _Column:
    """A column as numbers: those that it holds, or of words one for each of the commonest. Others are missing."""

    def __init__(self, name: str, codes: dict[str, float] | None) -> None:
        self.name, self.codes = name, codes

    @classmethod
    def of(cls, train: Sequence[Example], name: str) -> "_Column":
        """As the training rows have it."""
        cells = [example.fields.get(name, "") for example in train]
        if cuts_of(cells) is not None:
            return cls(name, None)
        common = Counter(filter(None, cells)).most_common(_WORDS)
        return cls(name, {word: float(code) for code, (word, _) in enumerate(common)})

    def read(self, example: Example) -> float:
        """The cell of a row."""
        cell = example.fields.get(self.name, "")
        found = number_of(cell) if self.codes is None else self.codes.get(cell)
        return float("nan") if found is None else found


def _table(examples: Sequence[Example], columns: Sequence[_Column]) -> Floats:
    return np.array([[column.read(example) for column in columns] for example in examples])


def _guess(
    parts: Sequence[tuple[Indices, Indices]],
    target: Indices,
    weights: Floats,
    labels: int,
    train: Floats,
    test: Floats,
    words: Bools,
) -> Floats:
    """Probabilities `[test, labels]`. parts: the rows that train and those that test, of each fold; target, weights: of
    the training rows; words: which columns hold words."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    def model(rounds: int, rows: Indices | slice) -> HistGradientBoostingClassifier:
        made = HistGradientBoostingClassifier(
            max_iter=rounds, early_stopping=False, categorical_features=words, random_state=0
        )
        return made.fit(train[rows], target[rows], sample_weight=weights[rows])

    most = max(10, min(_ROUNDS, _TREES // labels))
    losses = np.zeros(most)
    for seen, held in parts:
        if len(np.unique(target[seen])) > 1:
            tried = model(most, seen)
            for rounds, guess in enumerate(tried.staged_predict_proba(train[held])):
                loss = evaluate.losses(target[held], _spread(guess, tried.classes_, labels))
                losses[rounds] += float((loss * weights[held]).sum())
    if len(np.unique(target)) < 2:
        return _spread(np.ones((len(test), 1)), np.unique(target), labels)
    best = model(int(losses.argmin()) + 1, slice(None))
    return _spread(best.predict_proba(test), best.classes_, labels)


def _spread(guess: Floats, classes: Indices, labels: int) -> Floats:
    """Probabilities of the classes that were seen as those of all labels, `[rows, labels]`."""
    found = np.zeros((len(guess), labels))
    found[:, classes] = guess
    return found
