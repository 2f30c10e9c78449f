"""A baseline that an adapter can carry: gradient-boosted trees on columns, all of them one table of nodes.

    row                        cells                   node     kind    column   value   right   left if missing
    {"price": "89",     ->     price 89.0        ->    0        number  1        75.0    4       no
     "month": "May"}           month 3                 1        words   0        (set)   2       yes
                                                       2        leaf             -0.31

    logits = bias + sum over trees of the value of the leaf that a row comes to

A row goes left from a number of at most the node's value and from a word of its set; the left node is the next one,
the right one so many further on. The trees are scikit-learn's, see `measure.boosting`: each leaf speaks of at least
twenty training rows. Of words only hashes travel, and only of those that two training rows have; who a user is
(`user_id`) is no column.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from adapters.errors import BadAdapter
from recipes.answer.linear import ADS
from recipes.examples import Splits
from recipes.measure import baselines
from recipes.measure.boosting import WORDS, Boosted, Column, boost, columns_of, table
from recipes.measure.calibration import shift_for
from recipes.part import is_finite
from recipes.tasks.task import label_task

if TYPE_CHECKING:
    from recipes.recipe import Recipe

Floats = NDArray[np.float64]
_NAME = "hashed columns + gradient boosting"
_LEAF, _NUMBER, _WORDS = range(3)
_NODE = np.dtype([("kind", "u1"), ("column", "<u2"), ("value", "<f8"), ("right", "<u2"), ("missing", "?")])
_MOST_NODES = 100_000  # of fourteen bytes each, which are 2 MiB in base64
_SET = 256  # words that a set may hold
_AT_ONCE = 1 << 20  # rows times trees


@dataclass(frozen=True, eq=False)
class Trees:
    """name: in reports. columns: what is read of a row, columns of words first. labels: how many; with two of them, one
    a row, one output says the second's log-odds. bias: [outputs]. roots: the first node of each tree, outputs: what
    each adds to. nodes: of all trees, as the table above. sets: bool [sets, 256], the words that go left."""

    name: str
    columns: tuple[Column, ...]
    labels: int
    bias: tuple[float, ...]
    roots: NDArray[np.intp]
    outputs: NDArray[np.intp]
    nodes: NDArray[Any]
    sets: NDArray[np.bool_]

    def probabilities(
        self, texts: Sequence[str], rows: Sequence[Mapping[str, str]], multi_label: bool
    ) -> Floats:
        """[rows, labels]. texts: are not read; rows: as `Example.fields`, one for each text."""
        cells = table(self.columns, rows)
        step = max(1, _AT_ONCE // max(1, len(self.roots)))
        adds = self.outputs[:, None] == np.arange(len(self.bias))
        logits = np.tile(np.array(self.bias), (len(rows), 1))
        for first in range(0, len(rows), step):
            logits[first : first + step] += self._leaves(cells[first : first + step]) @ adds
        if multi_label:
            return np.asarray(expit(logits))
        if len(self.bias) < self.labels:
            logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
        return np.asarray(softmax(logits, axis=1))

    def _leaves(self, cells: Floats) -> Floats:
        """The value of the leaf of each tree, `[rows, trees]`; cells: `[rows, columns]`."""
        node = self._fields
        at = np.tile(self.roots, (len(cells), 1))
        while (inner := node.kind[at] != _LEAF).any():
            cell = np.take_along_axis(cells, node.column[at], axis=1)
            gone = np.isnan(cell)
            left = cell <= node.value[at]
            if (among := (node.kind[at] == _WORDS) & ~gone).any():
                left[among] = self.sets[node.value[at][among].astype(int), cell[among].astype(int)]
            left = np.where(gone, node.missing[at], left)
            at = np.where(inner, at + np.where(left, 1, node.right[at]), at)
        return np.asarray(node.value[at])

    @cached_property
    def _fields(self) -> "_Fields":
        """The nodes field by field, each in one piece."""
        of = self.nodes
        right, column = (of[name].astype(np.intp) for name in ("right", "column"))
        return _Fields(of["kind"].copy(), column, of["value"].copy(), right, of["missing"].copy())

    def to_info(self) -> dict[str, Any]:
        """As it stands in an adapter's `info["blend"]["baseline"]`."""
        return {
            "name": self.name,
            "columns": [
                [each.name, None if each.words is None else list(each.words)] for each in self.columns
            ],
            "bias": list(self.bias),
            "trees": [
                [int(root), int(output)] for root, output in zip(self.roots, self.outputs, strict=True)
            ],
            "nodes": base64.b64encode(self.nodes.tobytes()).decode(),
            "sets": base64.b64encode(np.packbits(self.sets, axis=1).tobytes()).decode(),
        }

    @classmethod
    def from_info(cls, saved: Mapping[str, Any], labels: int, multi_label: bool) -> "Trees":
        """The model of a `to_info`. Raises BadAdapter with everything that is wrong with it."""
        if problems := list(_problems(saved, labels, multi_label)):
            raise BadAdapter("; ".join(problems))
        trees = np.array(saved["trees"], dtype=np.intp).reshape(-1, 2)
        return cls(
            saved["name"],
            tuple(Column(name, None if words is None else tuple(words)) for name, words in saved["columns"]),
            labels,
            tuple(map(float, saved["bias"])),
            trees[:, 0],
            trees[:, 1],
            _nodes(saved["nodes"]),
            _sets(saved["sets"]),
        )


class _Fields(NamedTuple):
    kind: NDArray[np.uint8]
    column: NDArray[np.intp]
    value: Floats
    right: NDArray[np.intp]
    missing: NDArray[np.bool_]


def learn(splits: Splits, recipe: "Recipe") -> list[Trees]:
    """A model of the columns, where there are any, from the training rows. What learned from sampled rows is corrected
    as the adapter is. None where there are more nodes than travel."""
    names = label_task(recipe.task).carried(splits.train, recipe)
    if not names:
        return []
    columns = tuple(columns_of(splits.train, names, ADS))
    outputs = 1 if len(splits.labels) == 2 and not splits.multi_label else len(splits.labels)
    bias, grown = np.full(outputs, -baselines.CERTAIN), list[_Tree]()
    for label, boosted in enumerate(boost(splits, columns)):
        grown += _grown(boosted, label if splits.multi_label else None, bias)
    if splits.negative_share < 1:
        bias[-1] += shift_for(splits.negative_share)
    if sum(len(tree.nodes) for tree in grown) > _MOST_NODES:
        return []
    sizes = np.array([0, *(len(tree.nodes) for tree in grown)], dtype=np.intp)
    firsts = np.cumsum([0, *(len(tree.sets) for tree in grown)])
    for tree, first in zip(grown, firsts, strict=False):
        tree.nodes["value"][tree.nodes["kind"] == _WORDS] += first
    made = Trees(
        _NAME,
        columns,
        len(splits.labels),
        tuple(map(float, bias)),
        np.cumsum(sizes)[:-1],
        np.array([tree.output for tree in grown], dtype=np.intp),
        np.concatenate([np.zeros(0, _NODE), *(tree.nodes for tree in grown)]),
        np.concatenate([np.zeros((0, _SET), dtype=bool), *(tree.sets for tree in grown)]),
    )
    return [made]


class _Tree(NamedTuple):
    """output: what it adds to; sets: its own, which its nodes count from 0."""

    output: int
    nodes: NDArray[Any]
    sets: NDArray[np.bool_]


def _grown(boosted: Boosted, label: int | None, bias: Floats) -> Iterator[_Tree]:
    """The trees of a model, of one label or of all (None), and in `bias`, [outputs], where they start."""
    classes, model = boosted.classes, boosted.model
    if (
        label is not None or len(bias) == 1
    ):  # trees of a label's log-odds, whose classes are whether a row has it
        told = [label or 0]
        bias[told] = 0.0 if model else baselines.CERTAIN if classes[0] else -baselines.CERTAIN
    else:
        told = [int(each) for each in (classes[1:] if len(classes) == 2 else classes)]
        bias[classes] = 0.0
    if model is not None:
        # scikit-learn offers no other way to its trees; that they say the same is tested.
        bias[told] = np.ravel(model._baseline_prediction)
        for trees in model._predictors:
            yield from (_Tree(output, *_table(tree)) for output, tree in zip(told, trees, strict=True))


def _table(tree: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The nodes and the sets of one of scikit-learn's trees, whose left nodes each follow their parent."""
    given = tree.nodes
    leaf, words = given["is_leaf"].astype(bool), given["is_categorical"].astype(bool)
    inner = ~leaf
    made = np.zeros(len(given), dtype=_NODE)
    made["kind"] = np.where(leaf, _LEAF, np.where(words, _WORDS, _NUMBER))
    made["column"][inner] = given["feature_idx"][inner]
    made["value"] = np.where(
        leaf, given["value"], np.where(words, given["bitset_idx"], given["num_threshold"])
    )
    made["right"][inner] = (given["right"] - np.arange(len(given)))[inner]
    made["missing"][inner] = given["missing_go_to_left"][inner]
    bits = np.ascontiguousarray(tree.raw_left_cat_bitsets, dtype="<u4").view(np.uint8)
    sets = np.unpackbits(bits, axis=1, bitorder="little").astype(bool)
    return made, sets.reshape(-1, _SET)


def _problems(saved: Any, labels: int, multi_label: bool) -> Iterator[str]:
    """What is wrong with a saved model: another key or type, a number that is not finite, a node that leads nowhere."""
    wanted = {"name": str, "columns": list, "bias": list, "trees": list, "nodes": str, "sets": str}
    if not isinstance(saved, Mapping) or saved.keys() != wanted.keys():
        yield f"its baseline should hold {', '.join(wanted)} and nothing else"
        return
    if odd := [name for name, kind in wanted.items() if not isinstance(saved[name], kind)]:
        yield f"{', '.join(odd)} of its baseline are of another type"
        return
    outputs = 1 if labels == 2 and not multi_label else labels
    if len(saved["bias"]) != outputs or not all(map(is_finite, saved["bias"])):
        yield f"its bias is not {outputs} finite numbers"
    if not saved["columns"] or not all(map(_is_column, saved["columns"])):
        yield f"its columns are not names, each with at most {WORDS} hashes or null"
        return
    if not all(_is_tree(each, outputs) for each in saved["trees"]):
        yield "its trees are not pairs of a first node and an output"
        return
    try:
        nodes, sets = _nodes(saved["nodes"]), _sets(saved["sets"])
    except (ValueError, binascii.Error):
        yield f"its nodes or sets are not the base64 of whole ones, or more than {_MOST_NODES:,}"
        return
    roots = [root for root, _ in saved["trees"]]
    if not roots and not len(nodes):
        return  # labels that training had only one of
    if roots[:1] != [0] or not all(a < b for a, b in pairwise([*roots, len(nodes)])):
        yield "its trees do not follow each other"
        return
    yield from _misled(nodes, roots, [words for _, words in saved["columns"]], len(sets))


def _misled(nodes: NDArray[Any], roots: list[int], words: list[Any], sets: int) -> Iterator[str]:
    """What is wrong with nodes: each must lead on in its own tree, so that every row comes to a leaf."""
    inner = nodes["kind"] != _LEAF
    ends = np.repeat([*roots[1:], len(nodes)], np.diff([*roots, len(nodes)]))
    right = nodes["right"].astype(np.intp)
    if (inner & ((right < 2) | (np.arange(len(nodes)) + right >= ends))).any():
        yield "its nodes lead out of their trees"
    if (nodes["kind"] > _WORDS).any() or not np.isfinite(nodes["value"]).all():
        yield "its nodes hold kinds that there are not, or numbers that are not finite"
        return
    among = nodes["kind"] == _WORDS
    column, value = nodes["column"], nodes["value"][among]
    if (column >= len(words)).any():
        yield f"its nodes read more than its {len(words)} columns"
    elif any(words[each] is None for each in np.unique(column[among])):
        yield "its nodes look for words in a column of numbers"
    if not (np.isin(value, np.arange(sets))).all():
        yield f"its nodes read more than its {sets} sets"


def _is_column(given: Any) -> bool:
    if not (isinstance(given, list) and len(given) == 2 and isinstance(given[0], str)):
        return False
    words = given[1]
    return words is None or (
        isinstance(words, list) and len(words) <= WORDS and all(isinstance(each, str) for each in words)
    )


def _is_tree(given: Any, outputs: int) -> bool:
    return (
        isinstance(given, list)
        and len(given) == 2
        and all(type(each) is int for each in given)
        and 0 <= given[0] <= _MOST_NODES
        and 0 <= given[1] < outputs
    )


def _nodes(written: str) -> NDArray[Any]:
    """Of base64. Raises ValueError for what is none, and for too many."""
    if len(written) > _MOST_NODES * _NODE.itemsize * 2:
        raise ValueError("too many")
    found = np.frombuffer(base64.b64decode(written, validate=True), dtype=_NODE)
    if len(found) > _MOST_NODES:
        raise ValueError("too many")
    return found


def _sets(written: str) -> NDArray[np.bool_]:
    """Of base64, `[sets, 256]`. Raises ValueError for what is none, and for more than nodes."""
    if len(written) > _MOST_NODES * _SET:
        raise ValueError("too many")
    bits = np.frombuffer(base64.b64decode(written, validate=True), dtype=np.uint8)
    return np.unpackbits(bits.reshape(-1, _SET // 8), axis=1).astype(bool)
