"""A baseline that an adapter can carry: a linear model of hashed features, all of it one table of numbers.

    row                              features                        bucket    counts   label 0   label 1
    "Trail shoes" (its text)    ->   "w trail"            -hash->      4711      2.31      -0.4       0.9
                                     "w trail shoes"      -hash->        12      0         0          0
    {"season": "May"}           ->   "season=May"         -hash->       803      1         0.2       -0.2

    logits = bias + sum over features of value * counts * weights

It reads what a request brings anyway: the text that the model reads, or columns of the row. `counts` is how telling a
feature is (for texts the inverse document frequency), and 0 where fewer than two training rows have it: no number
speaks of a single row. Neither words nor values nor who a user is (`user_id`) go in; names of columns and the steps of
numbers do. Hashing is scikit-learn's FeatureHasher (MurmurHash3), which learns nothing (Weinberger et al. 2009,
arXiv:0902.2206).
"""

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from adapters.errors import BadAdapter
from recipes.answer.carried import is_bias, misshapen, outputs_of, probabilities_of
from recipes.examples import Example, Splits
from recipes.measure import baselines
from recipes.measure.calibration import shift_for
from recipes.measure.columns import cuts_of, in_steps
from recipes.part import is_finite
from recipes.tasks.history import LIKED_SHARE
from recipes.tasks.roles import ADS
from recipes.tasks.task import label_task

if TYPE_CHECKING:
    from recipes.recipe import Recipe

Floats = NDArray[np.float64]
Cuts = tuple[float, ...] | None
_MOST_BUCKETS = 1 << 17
_FEWEST_BUCKETS = 1 << 8
_USUAL_BUCKETS = 1 << 10
_MOST_NUMBERS = 3 << 18  # of two bytes each, which are 2 MiB in base64
_SHARE = re.compile(r"(\d{1,3})%")
_LETTERS = range(1, 5)


@dataclass(frozen=True)
class Reader:
    """Which features a row has. columns: those that are read, with the cuts of a column of numbers (as
    `columns.cuts_of`), or None for the text. characters: whether the letters of a text are read beside its words."""

    columns: Mapping[str, Cuts] | None = None
    characters: bool = False

    def features(self, text: str, fields: Mapping[str, str]) -> dict[str, float]:
        """A row's features and their values. text: as the model reads it; fields: as `Example.fields`, empty where a
        column is missing."""
        if self.columns is None:
            found = Counter(_ngrams(text, self.characters))
            return {feature: 1 + math.log(count) for feature, count in found.items()}
        return dict(_cell(name, fields.get(name, ""), cuts) for name, cuts in self.columns.items())


def _ngrams(text: str, characters: bool) -> Iterator[str]:
    """Words and pairs of them; 1 to 4 characters of what stands between spaces, with the spaces."""
    plain = text.lower().encode("utf-8", "replace").decode()
    words = re.findall(r"\w+", plain)
    yield from (f"w {word}" for word in words)
    yield from (f"w {first} {second}" for first, second in pairwise(words))
    for word in plain.split() if characters else ():
        spaced = f" {word} "
        for length in _LETTERS:
            yield from (f"c{spaced[at : at + length]}" for at in range(len(spaced) - length + 1))


def _cell(name: str, value: str, cuts: Cuts) -> tuple[str, float]:
    """The liked share, such as "73%", is its log-odds; any other value is a feature of its own."""
    if name == LIKED_SHARE and (share := _SHARE.fullmatch(value)):
        part = min(max(int(share[1]) / 100, 0.005), 0.995)
        return f"{name}%", math.log(part / (1 - part))
    plain = in_steps(value, cuts).encode("utf-8", "replace").decode()
    return f"{name}={plain}", 1.0


@dataclass(frozen=True)
class Linear:
    """name: in reports. labels: how many; with two of them, one a row, one output says the second's log-odds. bias:
    [outputs]. table: float16 [buckets, 1 + outputs], counts first."""

    name: str
    reader: Reader
    labels: int
    bias: tuple[float, ...]
    table: NDArray[np.float16]

    def probabilities(
        self, texts: Sequence[str], rows: Sequence[Mapping[str, str]], multi_label: bool
    ) -> Floats:
        """[rows, labels]. texts, rows: as in `Reader.features`, one of each a row."""
        hashed = _hashed(self.reader, texts, rows, len(self.table))
        buckets_used, at = np.unique(hashed.indices, return_inverse=True)
        used = self.table[buckets_used].astype(float)  # a request has few of the buckets
        counted = _counted(
            csr_matrix((hashed.data, at, hashed.indptr), (len(texts), len(buckets_used))),
            used[:, 0],
            self.reader.columns is None,
        )
        logits = np.asarray(counted @ used[:, 1:]) + np.array(self.bias)
        return probabilities_of(logits, self.labels, multi_label)

    def to_info(self) -> dict[str, Any]:
        """As it stands in an adapter's `info["blend"]["baseline"]`."""
        columns = self.reader.columns
        return {
            "name": self.name,
            "columns": None
            if columns is None
            else {name: None if cuts is None else list(cuts) for name, cuts in columns.items()},
            "characters": self.reader.characters,
            "bias": list(self.bias),
            "table": base64.b64encode(self.table.astype("<f2").tobytes()).decode(),
        }

    @classmethod
    def from_info(cls, saved: Mapping[str, Any], labels: int, multi_label: bool) -> "Linear":
        """The model of a `to_info`. Raises BadAdapter with everything that is wrong with it."""
        if problems := list(_problems(saved, labels, multi_label)):
            raise BadAdapter("; ".join(problems))
        given = saved["columns"]
        columns = None if given is None else {n: None if c is None else tuple(c) for n, c in given.items()}
        table = np.frombuffer(base64.b64decode(saved["table"]), dtype="<f2").astype(np.float16)
        bias = tuple(map(float, saved["bias"]))
        return cls(
            saved["name"],
            Reader(columns, saved["characters"]),
            labels,
            bias,
            table.reshape(-1, 1 + len(bias)),
        )


def learn(splits: Splits, recipe: "Recipe") -> list[Linear]:
    """A model of the texts, and one of the columns where there are any, from the training rows; how strongly they are
    regularised is chosen as `baselines.best_regression` does. What learned from sampled rows is corrected as the
    adapter is. Nothing for so many labels that the table would have too few buckets."""
    readers = {"hashed n-grams": Reader(None, characters=True)}
    if names := label_task(recipe.task).carried(splits.train, recipe):
        readers["hashed columns"] = Reader({name: _cuts(splits.train, name) for name in names})
    found = (
        _learned(f"{name} + logistic regression", reader, splits, recipe) for name, reader in readers.items()
    )
    return [model for model in found if model is not None]


def _cuts(train: Sequence[Example], name: str) -> Cuts:
    """Where a column of numbers is cut; the number of an ad is a name."""
    found = None if name in ADS else cuts_of([example.fields.get(name, "") for example in train])
    return None if found is None else tuple(map(float, found))


def _learned(name: str, reader: Reader, splits: Splits, recipe: "Recipe") -> Linear | None:
    outputs = outputs_of(len(splits.labels), splits.multi_label)
    most = min(_MOST_BUCKETS, _MOST_NUMBERS // (1 + outputs))
    if most < _FEWEST_BUCKETS:
        return None
    buckets = _buckets(reader, splits.train, most)
    is_text = reader.columns is None
    train, validation = (
        _hashed(reader, [e.text for e in part], [e.fields for e in part], buckets)
        for part in (splits.train, splits.validation)
    )
    counts = _counts(train, splits.train, is_text).astype(np.float16)
    model = baselines.best_regression(
        splits, *(_counted(part, counts.astype(float), is_text) for part in (train, validation))
    )
    weights, bias = model.linear()
    if outputs < len(splits.labels):
        weights, bias = weights[:, 1:] - weights[:, :1], bias[1:] - bias[:1]
    if splits.negative_share < 1:
        bias[-1] += shift_for(splits.negative_share)
    table = np.concatenate([counts[:, None], weights.astype(np.float16)], axis=1)
    return Linear(name, reader, len(splits.labels), tuple(map(float, bias)), table)


def _buckets(reader: Reader, train: Sequence[Example], most: int) -> int:
    """Eight for each different feature, so that few share one; at most `most`."""
    seen: set[str] = set()
    for example in train:
        seen.update(reader.features(example.text, example.fields))
        if 8 * len(seen) >= most:
            return most
    return min(most, max(_USUAL_BUCKETS, 8 * len(seen)))


def _hashed(
    reader: Reader, texts: Sequence[str], rows: Sequence[Mapping[str, str]], buckets: int
) -> csr_matrix:
    """The values of the rows' features by bucket, [rows, buckets]."""
    from sklearn.feature_extraction import FeatureHasher

    hasher = FeatureHasher(buckets, input_type="dict", alternate_sign=False)
    features = (reader.features(text, fields) for text, fields in zip(texts, rows, strict=True))
    return csr_matrix(hasher.transform(features))


def _counts(hashed: csr_matrix, examples: Sequence[Example], is_text: bool) -> Floats:
    """How much each bucket counts, [buckets]. The two halves of a row of impressions and clicks are one row."""
    rows = {example.origin: row for row, example in enumerate(examples)}
    once = hashed[list(rows.values())]
    seen = np.bincount(once.indices, minlength=hashed.shape[1])
    # Inverse document frequency as scikit-learn smooths it: log((1 + rows) / (1 + seen)) + 1
    telling = np.log((1 + once.shape[0]) / (1 + seen)) + 1 if is_text else np.ones(len(seen))
    return np.where(seen > 1, telling, 0.0)


def _counted(hashed: csr_matrix, counts: Floats, is_text: bool) -> csr_matrix:
    """Values times counts; texts are brought to length 1, so that a long one says no more than a short one."""
    found = hashed.copy()
    found.data = found.data * counts[found.indices]
    if is_text:
        lengths = np.sqrt(np.asarray(found.multiply(found).sum(axis=1))).ravel()
        found.data /= np.repeat(np.where(lengths > 0, lengths, 1.0), np.diff(found.indptr))
    return found


def _problems(saved: Any, labels: int, multi_label: bool) -> Iterator[str]:
    """What is wrong with a saved model: another key or type, a number that is not finite, a table of another size."""
    wanted = {"name": str, "columns": dict | None, "characters": bool, "bias": list, "table": str}
    if problem := misshapen(saved, wanted):
        yield problem
        return
    outputs = outputs_of(labels, multi_label)
    if not is_bias(saved["bias"], outputs):
        yield f"its bias is not {outputs} finite numbers"
    for name, cuts in (saved["columns"] or {}).items():
        if cuts is not None and not (
            isinstance(cuts, list) and len(cuts) < 10 and all(map(is_finite, cuts)) and sorted(cuts) == cuts
        ):
            yield f"the cuts of its column {name!r} are not at most nine numbers in order"
    if len(saved["table"]) > 4 * _MOST_NUMBERS * 2 // 3 + 4:
        yield f"its table has more than {_MOST_NUMBERS:,} numbers"
        return
    try:
        numbers = np.frombuffer(base64.b64decode(saved["table"], validate=True), dtype="<f2")
    except (ValueError, binascii.Error):
        yield "its table is not the base64 of numbers of two bytes"
        return
    if not len(numbers) or len(numbers) % (1 + outputs) or len(numbers) > _MOST_BUCKETS * (1 + outputs):
        yield f"its table of {len(numbers):,} numbers is none of {1 + outputs} columns"
    if not np.isfinite(numbers).all():
        yield "its table holds numbers that are not finite"
