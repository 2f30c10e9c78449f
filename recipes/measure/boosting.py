"""Gradient boosting on columns: what shops reach without a language model, where numbers and their steps say most."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from recipes.examples import Example, Splits
from recipes.measure import metrics as evaluate
from recipes.measure.baselines import Bools, folds, label_matrix, labels_of, number_of, weights_of
from recipes.measure.intervals import Floats, Indices

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

_ROUNDS = 100
_TREES = 2_000  # one for each label and round, so that 77 labels take seconds
WORDS = 250  # of a column that are told apart, the commonest ones


@dataclass(frozen=True)
class Column:
    """A column as numbers: those that it holds, or of words one for each of the commonest; others are missing.

    words: hashes of those that are told apart, each of at least two training rows; None for a column of numbers.
    """

    name: str
    words: tuple[str, ...] | None = None

    @classmethod
    def of(cls, train: Sequence[Example], name: str, is_name: bool = False) -> "Column":
        """As the training rows have it. is_name: whether its numbers are names, and have no order."""
        cells = [cell for example in train if (cell := example.fields.get(name, ""))]
        if cells and not is_name and None not in map(_number, cells):
            return cls(name)
        common = Counter(map(_hashed, cells)).most_common(WORDS)
        return cls(name, tuple(word for word, count in common if count > 1))

    def read(self, rows: Sequence[Mapping[str, str]]) -> Floats:
        """The cells of rows, `[rows]`; NaN where one is missing, no number, or a word of no training rows."""
        cells = [row.get(self.name, "") for row in rows]
        found: list[float | None]
        if self.words is None:
            found = [_number(cell) for cell in cells]
        else:
            codes = {word: float(code) for code, word in enumerate(self.words)}
            found = [codes.get(_hashed(cell)) if cell else None for cell in cells]
        return np.array([np.nan if each is None else each for each in found])


def _number(cell: str) -> float | None:
    """A number, or a share such as "73%"."""
    return number_of(cell.removesuffix("%"))


def _hashed(cell: str) -> str:
    return blake2b(cell.encode("utf-8", "replace"), digest_size=8).hexdigest()


def columns_of(train: Sequence[Example], names: Sequence[str], are_names: Collection[str]) -> list[Column]:
    """Those of words first, as scikit-learn orders them."""
    found = [Column.of(train, name, name in are_names) for name in names]
    return sorted(found, key=lambda column: column.words is None)


def table(columns: Sequence[Column], rows: Sequence[Mapping[str, str]]) -> Floats:
    """`[rows, columns]`."""
    return np.stack([column.read(rows) for column in columns], axis=1)


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
    columns = columns_of(splits.train, names, are_names)
    models, rows = boost(splits, columns), table(columns, [example.fields for example in splits.test])
    if not splits.multi_label:
        return models[0].probabilities(rows, len(splits.labels))
    return np.stack([model.probabilities(rows, 2)[:, 1] for model in models], axis=1)


def boost(splits: Splits, columns: Sequence[Column]) -> list[Boosted]:
    """Learn from the training rows; one model, or with several labels a row one for each. How many rounds it takes is
    chosen by cross-validation."""
    train, weights = table(columns, [example.fields for example in splits.train]), weights_of(splits.train)
    words = np.array([column.words is not None for column in columns])
    parts = [(seen, held) for _, seen, held in folds(splits)]
    labels, weights = len(splits.labels), weights / weights.mean()
    if not splits.multi_label:
        target = np.array([labels_of(example)[0] for example in splits.train])
        return [_boosted(parts, target, weights, labels, train, words)]
    truth = label_matrix(splits.train, labels).astype(int)
    return [_boosted(parts, truth[:, label], weights, 2, train, words) for label in range(labels)]


def _boosted(
    parts: Sequence[tuple[Indices, Indices]],
    target: Indices,
    weights: Floats,
    labels: int,
    train: Floats,
    words: Bools,
) -> Boosted:
    """parts: the rows that train and those that test, of each fold; words: which columns hold words."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    def model(rounds: int, rows: Indices | slice) -> HistGradientBoostingClassifier:
        made = HistGradientBoostingClassifier(
            max_iter=rounds, early_stopping=False, categorical_features=words, random_state=0
        )
        return made.fit(train[rows], target[rows], sample_weight=weights[rows])

    classes = np.unique(target)
    if len(classes) < 2:
        return Boosted(classes, None)
    most = max(10, min(_ROUNDS, _TREES // labels))
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
