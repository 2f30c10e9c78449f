"""What simple methods reach on the same split: an adapter is worth its place only beside them.

Each learns from the training split alone and guesses the test split.
"""

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipes.examples import Example, Splits
from recipes.measure import metrics as evaluate
from recipes.measure.columns import cuts_of, in_steps
from recipes.measure.intervals import Floats, Indices, together

Bools = NDArray[np.bool_]
_STRENGTHS = (0.1, 1.0, 10.0, 100.0)  # scikit-learn's C, from the strongest regularisation on
_DENSE_STRENGTHS = (0.0001, 0.001, 0.01, 0.1)  # for some hundred standardised numbers a row
_MANY = 2_000  # training rows beside which validation rows choose C as well as cross-validation would, in a third of it
_FOLDS = 3
CERTAIN = 30.0  # log-odds that stand for a probability of 0 or 1
_UNLIKELY = -10.0  # the log-odds that a head starts with for a label that no training row has


def label_matrix(examples: Sequence[Example], labels: int) -> Bools:
    """True where a row has a label, [examples, labels]."""
    truth = np.zeros((len(examples), labels), dtype=bool)
    for row, example in enumerate(examples):
        truth[row, labels_of(example)] = True
    return truth


def labels_of(example: Example) -> list[int]:
    """The indices of a row's labels, one or several."""
    assert example.label is not None, "only rows of heads have labels"
    return [example.label] if isinstance(example.label, int) else list(example.label)


def weights_of(examples: Sequence[Example]) -> Floats:
    """The rows' weights, [examples]."""
    return np.array([example.weight for example in examples])


def shares(splits: Splits) -> Floats:
    """How common each label is in the training rows, weighted, [labels]."""
    truth = label_matrix(splits.train, len(splits.labels))
    return np.asarray(np.average(truth, axis=0, weights=weights_of(splits.train)))


def common_labels(splits: Splits, metric: str) -> Floats | None:
    """The labels' shares that a calibration may draw to, [labels]; None where rare labels count as much as common ones
    in what is watched, and where each label is decided by itself."""
    return None if splits.multi_label or metric == "macro_f1" else shares(splits)


def prior(splits: Splits) -> Floats:
    """The labels' shares for every test row, [test, labels]."""
    return np.tile(shares(splits), (len(splits.test), 1))


def bag_of_words(splits: Splits) -> Floats:
    """TF-IDF (words 1-2 and characters 1-4) and logistic regression, [test, labels].

    One regression over all labels; one per label where a row may have several. How strongly it is regularised is
    chosen by cross-validation, see `best_regression`.
    """
    texts = [[example.text for example in part] for part in (splits.train, splits.validation, splits.test)]
    return regression(splits, *_tfidf(*texts))


def regression(
    splits: Splits, train: Any, validation: Any, test: Any, strengths: Sequence[float] = _STRENGTHS
) -> Floats:
    """Logistic regression on rows of numbers, dense or sparse, one matrix per split: probabilities [test, labels]."""
    return best_regression(splits, train, validation, strengths).probabilities(test)


def best_regression(
    splits: Splits,
    train: Any,
    validation: Any,
    strengths: Sequence[float] = _STRENGTHS,
    intercept: bool = True,
) -> "Regression":
    """The regression with the least log loss in cross-validation of the training rows, or beside many of them on the
    validation rows; arguments as above. Strengths are tried in turn until one is worse than that before it."""
    parts = _parts(splits)
    strength, fitted = _chosen(splits, parts, train, validation, strengths, intercept)
    return Regression(splits, train, strength, intercept) if parts else fitted[0]


def _parts(splits: Splits) -> list[tuple[Splits, Indices, Indices]]:
    """The `folds` by which a strength is chosen; none where validation rows choose it."""
    held_out = len(splits.train) >= _MANY and len(splits.validation) >= _MANY // 10
    return [] if held_out else list(folds(splits))


def _chosen(
    splits: Splits,
    parts: Sequence[tuple[Splits, Indices, Indices]],
    train: Any,
    validation: Any,
    strengths: Sequence[float],
    intercept: bool,
) -> tuple[float, "list[Regression]"]:
    """The best strength, and what was fitted by it: a regression without each of the parts, or one on all rows."""
    best: tuple[float, float, list[Regression]] | None = None
    for strength in strengths:
        if parts:
            fitted = [Regression(rest, train[seen], strength, intercept) for rest, seen, _ in parts]
            asked = [(rest.test, train[held]) for rest, _, held in parts]
        else:
            fitted = [Regression(splits, train, strength, intercept)]
            asked = [(splits.validation, validation)]
        loss = sum(
            _loss(splits, rows, model.probabilities(each)) * sum(example.weight for example in rows)
            for model, (rows, each) in zip(fitted, asked, strict=True)
        )
        if best is not None and loss >= best[0]:
            break
        best = loss, strength, fitted
    assert best is not None, "there is a strength to try"
    return best[1:]


def folds(splits: Splits) -> Iterator[tuple[Splits, Indices, Indices]]:
    """The training rows in three parts, of which each is the test of what the others train: as splits, and which rows
    train and which test. The rows of a key (see `Example.key`) stay together; labels are dealt evenly."""
    units = together(splits.train)
    first = np.array([(labels_of(example) or [-1])[0] for example in splits.train])
    label = np.zeros(int(units.max()) + 1, dtype=int)
    label[units[::-1]] = first[::-1]
    random = np.random.default_rng(0).permutation(len(label))
    dealt = np.empty(len(label), dtype=int)
    dealt[np.lexsort((random, label))] = np.arange(len(label)) % _FOLDS
    for fold in range(min(_FOLDS, len(label))):
        seen, held = (np.flatnonzero(part) for part in (dealt[units] != fold, dealt[units] == fold))
        own, other = (tuple(splits.train[row] for row in rows) for rows in (seen, held))
        yield replace(splits, train=own, test=other), seen, held


def on_columns(splits: Splits, names: Sequence[str]) -> Floats:
    """Logistic regression on columns alone, [test, labels]: one input for each value that the training rows have.

    A column of numbers is cut into ten steps that hold as many training rows each.
    """
    from sklearn.feature_extraction import DictVectorizer

    cuts = {name: cuts_of([example.fields.get(name, "") for example in splits.train]) for name in names}
    train, *others = (
        [{name: in_steps(example.fields.get(name, ""), cuts[name]) for name in names} for example in part]
        for part in (splits.train, splits.validation, splits.test)
    )
    columns = DictVectorizer().fit(train)
    return regression(splits, *(columns.transform(part) for part in (train, *others)))


def on_states(splits: Splits, train: Floats, validation: Floats, test: Floats) -> Floats:
    """Logistic regression on vectors of a frozen model, standardised by the training rows': [test, labels]."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train)
    train, validation, test = (scaler.transform(part) for part in (train, validation, test))
    return regression(splits, train, validation, test, _DENSE_STRENGTHS)


@dataclass(frozen=True)
class Probes:
    """Logistic regressions on the same vectors, one without each part of the rows, or a single one on all where that
    would leave too little: a part holds most of the rows, or a label is told from others by none.

    weights: [probes, width, labels]; biases: [probes, labels]. A probe without rows of a label has the others' mean of
    it, so that the one row of a label is the one that a probe has seen.
    part: of each row, which of the probes has not seen it, [rows]; None of a single one.
    """

    weights: Floats
    biases: Floats
    part: Indices | None


def linear_probes(splits: Splits, train: Floats, validation: Floats, intercept: bool = True) -> Probes:
    """As `on_states`, as numbers for the vectors as they are, and one for each of the folds by which the strength was
    chosen. Biases are 0 without an intercept but for labels that no training row has."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler(with_mean=intercept).fit(train)
    train, validation = scaler.transform(train), scaler.transform(validation)
    by = _parts(splits)
    strength, fitted = _chosen(splits, by, train, validation, _DENSE_STRENGTHS, intercept)
    parts, part = by or list(folds(splits)), None
    if not by:
        fitted = [Regression(rest, train[seen], strength, intercept) for rest, seen, _ in parts]
    if not _are_sound(splits, parts, fitted):
        parts, fitted = [], [Regression(splits, train, strength, intercept)]
    weights, biases = (np.array(each) for each in zip(*(model.linear() for model in fitted), strict=True))
    known = np.array([model.known for model in fitted])
    counts = np.maximum(known.sum(axis=0), 1)
    mean = (weights * known[:, None]).sum(axis=0) / counts
    likely = np.where(known.any(axis=0), (biases * known).sum(axis=0) / counts, biases.min(axis=0))
    weights = np.where(known[:, None], weights, mean) / scaler.scale_[:, None]
    biases = np.where(known, biases, np.maximum(likely, _UNLIKELY))
    if parts:
        part = np.zeros(len(splits.train), dtype=np.intp)
        for at, (_, _, held) in enumerate(parts):
            part[held] = at
    return Probes(weights, biases - scaler.mean_ @ weights if intercept else biases, part)


def _are_sound(
    splits: Splits, parts: Sequence[tuple[Splits, Indices, Indices]], fitted: "Sequence[Regression]"
) -> bool:
    most = max(len(held) for _, _, held in parts)
    known = np.any([model.known for model in fitted], axis=0)
    return 2 * most <= len(splits.train) and bool((known | (shares(splits) == 0)).all())


class Regression:
    """Logistic regression over a split's labels, or one per label; labels without training rows get 0."""

    def __init__(self, splits: Splits, train: Any, strength: float, intercept: bool = True) -> None:
        self._labels, self._features = len(splits.labels), train.shape[1]
        self._multi = splits.multi_label
        weights = weights_of(splits.train) / weights_of(splits.train).mean()
        truth = label_matrix(splits.train, self._labels)
        targets = list(truth.T) if self._multi else [np.array([labels_of(e)[0] for e in splits.train])]
        self._models = [_fitted(train, target, weights, strength, intercept) for target in targets]

    @property
    def known(self) -> Bools:
        """The labels that it tells from others, [labels]."""
        known = np.zeros(self._labels, dtype=bool)
        for label, (classes, model) in enumerate(self._models):
            if model is not None:
                known[label if self._multi else classes] = True
        return known

    def probabilities(self, rows: Any) -> Floats:
        guesses = np.zeros((rows.shape[0], self._labels))
        for label, (classes, model) in enumerate(self._models):
            known = np.ones((rows.shape[0], 1)) if model is None else model.predict_proba(rows)
            if self._multi:
                guesses[:, label] = known[:, classes].sum(axis=1) if classes.any() else 0.0
            else:
                guesses[:, classes] = known
        return guesses

    def linear(self) -> tuple[Floats, Floats]:
        """The same as numbers: weights [features, labels] and bias [labels], whose sums are the logits of a softmax, or
        with several labels a row of a sigmoid each."""
        weights, bias = np.zeros((self._features, self._labels)), np.full(self._labels, -CERTAIN)
        for label, (classes, model) in enumerate(self._models):
            if model is None:
                bias[label if self._multi else classes] = (
                    CERTAIN if classes[0] or not self._multi else -CERTAIN
                )
            elif self._multi:
                weights[:, label], bias[label] = model.coef_[0], model.intercept_[0]
            elif len(classes) == 2:  # scikit-learn keeps the difference between them
                half = np.array([[-0.5], [0.5]])
                weights[:, classes], bias[classes] = (half * model.coef_).T, half[:, 0] * model.intercept_
            else:
                weights[:, classes], bias[classes] = model.coef_.T, model.intercept_
        return weights, bias


def _fitted(rows: Any, target: Any, weights: Floats, strength: float, intercept: bool) -> tuple[Any, Any]:
    """(classes, model); the model is None where there is but one class."""
    from sklearn.linear_model import LogisticRegression

    classes = np.unique(target)
    if len(classes) < 2:
        return classes, None
    model = LogisticRegression(C=strength, fit_intercept=intercept, max_iter=200, tol=3e-4)
    with warnings.catch_warnings():  # that few rows of many labels might be no labels at all
        warnings.filterwarnings("ignore", "The number of unique classes")
        return classes, model.fit(rows, target, sample_weight=weights)


def _loss(splits: Splits, rows: Sequence[Example], probabilities: Floats) -> float:
    weights = weights_of(rows)
    if splits.multi_label:
        return evaluate.multilabel_log_loss(label_matrix(rows, len(splits.labels)), probabilities, weights)
    return evaluate.log_loss([labels_of(e)[0] for e in rows], probabilities, weights)


def past_share(splits: Splits, key: Callable[[Example], str | None]) -> Floats:
    """Each test row's share of positives among the training rows of the same key: probabilities [test, 2].

    Shares are smoothed towards the training rows' own share p with the weight of two rows: (k + 2p) / (n + 2), which
    is (k + 1) / (n + 2) where p is a half; a key that training has not seen gets p. For a row of impressions and
    clicks, k and n are its counts.
    """
    past = _Past(splits.train, key)
    shares = np.array([past.share(example) for example in splits.test])
    return np.stack([1 - shares, shares], axis=1)


def seen_share(splits: Splits, key: Callable[[Example], str | None]) -> float:
    """The share of test rows whose key the training rows have too."""
    past = _Past(splits.train, key)
    return float(np.mean([past.has_seen(example) for example in splits.test]))


def regression_on(
    splits: Splits, value: Callable[[Example], float], key: Callable[[Example], str | None]
) -> Floats:
    """Logistic regression on the log-odds of a row's own `value` in (0, 1) and of its key's past share, [test, 2].

    A training row's own outcome is left out of its key's past share.
    """
    from sklearn.linear_model import LogisticRegression

    past = _Past(splits.train, key)
    train = _log_odds([(value(example), past.share(example, without=example)) for example in splits.train])
    test = _log_odds([(value(example), past.share(example)) for example in splits.test])
    model = LogisticRegression().fit(
        train, [e.label for e in splits.train], sample_weight=weights_of(splits.train)
    )
    return np.asarray(model.predict_proba(test), dtype=float)


class _Past:
    """Positives and rows of each key among the training rows, weighted."""

    def __init__(self, train: Sequence[Example], key: Callable[[Example], str | None]) -> None:
        self._key = key
        self._counts: dict[str | None, tuple[float, float]] = {}
        positive = total = 0.0
        for example in train:
            gained, rows = self._counts.get(key(example), (0.0, 0.0))
            self._counts[key(example)] = (gained + _gain(example), rows + example.weight)
            positive, total = positive + _gain(example), total + example.weight
        self._base = positive / total

    def has_seen(self, example: Example) -> bool:
        return self._key(example) is not None and self._key(example) in self._counts

    def share(self, example: Example, without: Example | None = None) -> float:
        gained, rows = self._counts[self._key(example)] if self.has_seen(example) else (0.0, 0.0)
        if without is not None and rows:
            gained, rows = gained - _gain(without), rows - without.weight
        return (gained + 2 * self._base) / (rows + 2)


def _gain(example: Example) -> float:
    return example.weight * (1 in labels_of(example))


def _log_odds(shares: Sequence[tuple[float, float]]) -> Floats:
    table = np.clip(np.array(shares), 0.001, 0.999)
    return np.asarray(np.log(table / (1 - table)), dtype=float)


def nearest_copies(train: Sequence[Example], products: Sequence[str]) -> list[str]:
    """For each product the copy of the most similar training product: cosine of TF-IDF over characters 1-4."""
    texts = [example.text for example in train]
    known, asked = _tfidf(texts, products)
    best = [(row @ known.T).toarray().argmax(axis=1) for row in _batches(asked, 256)]
    return [train[i].copy or "" for i in chain.from_iterable(best)]


def _batches(matrix: Any, size: int) -> list[Any]:
    return [matrix[start : start + size] for start in range(0, matrix.shape[0], size)]


def _tfidf(train: Sequence[str], *others: Sequence[str]) -> list[Any]:
    """Sparse rows of the training texts, then of each of the others."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    rare = 2 if len(train) > 5000 else 1
    most = 30_000  # the commonest, so that 77 labels on 10,000 rows take seconds and not minutes
    kinds = [
        TfidfVectorizer(
            analyzer="char_wb", ngram_range=(1, 4), min_df=rare, sublinear_tf=True, max_features=most
        )
    ]
    if any(re.search(r"\w", text) for text in train):
        words = r"(?u)\b\w+\b"
        kinds.insert(
            0, TfidfVectorizer(ngram_range=(1, 2), min_df=rare, sublinear_tf=True, token_pattern=words)
        )
    union = make_union(*kinds)
    return [union.fit_transform(train).tocsr(), *(union.transform(texts).tocsr() for texts in others)]
