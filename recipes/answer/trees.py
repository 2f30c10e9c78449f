"""A baseline that an adapter can carry: gradient-boosted trees on columns, all of them one table of nodes.

    row                        cells                   node     kind    column   value   right   left if missing
    {"price": "89",     ->     price 89.0        ->    0        number  1        75.0    4       no
     "month": "May"}           month 3                 1        words   0        (set)   2       yes
                                                       2        leaf             -0.31

    logits = bias + sum over trees of the value of the leaf that a row comes to

A row goes left from a number of at most the node's value and from a word of its set; the left node is the next one,
the right one so many further on. The trees are scikit-learn's, see `measure.boosting`: each leaf speaks of at least
twenty training rows, of rows of impressions and clicks ten. Of words only hashes travel, and only of those that two
training rows have; who a user is (`user_id`) is no column.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from adapters.errors import BadAdapter
from recipes.answer.carried import is_bias, misshapen, outputs_of, probabilities_of
from recipes.measure.columns import HASH, WORDS, Column, table

Floats = NDArray[np.float64]
LEAF, NUMBER, WORD = range(3)
NODE = np.dtype([("kind", "u1"), ("column", "<u2"), ("value", "<f8"), ("right", "<u2"), ("missing", "?")])
SET = 256  # words that a set may hold
MOST_COLUMNS, MOST_TREES, _MOST_OF_A_TREE = 1_000, 2_000, 64
_MOST_BYTES = 2 << 20  # of nodes and sets in base64, and of words
_LONGEST_NAME = 1_000  # characters of a column's
_MOST_LEAF = 1e6  # so that no sum of leaves is endless
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
        logits = np.tile(np.array(self.bias), (len(rows), 1))
        for first in range(0, len(rows), step):
            logits[first : first + step] += self._leaves(cells[first : first + step]) @ self._adds
        return probabilities_of(logits, self.labels, multi_label)

    def _leaves(self, cells: Floats) -> Floats:
        """The value of the leaf of each tree, `[rows, trees]`; cells: `[rows, columns]`."""
        node = self._fields
        at = np.tile(self.roots, (len(cells), 1))
        while (inner := node.kind[at] != LEAF).any():
            cell = np.take_along_axis(cells, node.column[at], axis=1)
            gone = np.isnan(cell)
            left = cell <= node.value[at]
            if (among := (node.kind[at] == WORD) & ~gone).any():
                left[among] = self.sets[node.value[at][among].astype(int), cell[among].astype(int)]
            left = np.where(gone, node.missing[at], left)
            at = np.where(inner, at + np.where(left, 1, node.right[at]), at)
        return np.asarray(node.value[at])

    @cached_property
    def _adds(self) -> csr_matrix:
        """Which output each tree adds to, `[trees, outputs]`."""
        trees = len(self.roots)
        ones = (np.ones(trees), (np.arange(trees), self.outputs))
        return csr_matrix(ones, shape=(trees, len(self.bias)))

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


def _problems(saved: Any, labels: int, multi_label: bool) -> Iterator[str]:
    """What is wrong with a saved model: another key or type, a number that is not finite, a node that leads nowhere."""
    wanted = {"name": str, "columns": list, "bias": list, "trees": list, "nodes": str, "sets": str}
    if problem := misshapen(saved, wanted):
        yield problem
        return
    outputs = outputs_of(labels, multi_label)
    if not is_bias(saved["bias"], outputs):
        yield f"its bias is not {outputs} finite numbers"
    columns = saved["columns"]
    if not 0 < len(columns) <= MOST_COLUMNS or not all(map(_is_column, columns)):
        yield f"its columns are not at most {MOST_COLUMNS:,} names, each with at most {WORDS} hashes or null"
        return
    if len(saved["trees"]) > MOST_TREES or not all(_is_tree(each, outputs) for each in saved["trees"]):
        yield f"its trees are not at most {MOST_TREES:,} pairs of a first node and an output"
        return
    try:
        nodes, sets = _nodes(saved["nodes"]), _sets(saved["sets"])
    except (ValueError, binascii.Error):
        yield "its nodes or sets are not the base64 of whole ones"
        return
    if not fits(len(saved["trees"]), len(nodes), len(sets), sum(len(words or ()) for _, words in columns)):
        yield f"its nodes, sets and words have more than {_MOST_BYTES:,} bytes"
        return
    roots = [root for root, _ in saved["trees"]]
    if not roots and not len(nodes):
        return  # labels that training had only one of
    if roots[:1] != [0] or not all(0 < b - a <= _MOST_OF_A_TREE for a, b in pairwise([*roots, len(nodes)])):
        yield f"its trees do not follow each other, each of at most {_MOST_OF_A_TREE} nodes"
        return
    yield from _misled(nodes, roots, [words for _, words in columns], len(sets))


def _misled(nodes: NDArray[Any], roots: list[int], words: list[Any], sets: int) -> Iterator[str]:
    """What is wrong with nodes: each must lead on in its own tree, so that every row comes to a leaf."""
    inner = nodes["kind"] != LEAF
    ends = np.repeat([*roots[1:], len(nodes)], np.diff([*roots, len(nodes)]))
    right = nodes["right"].astype(np.intp)
    if (inner & ((right < 2) | (np.arange(len(nodes)) + right >= ends))).any():
        yield "its nodes lead out of their trees"
    most = np.where(inner, np.finfo(float).max, _MOST_LEAF)
    if (nodes["kind"] > WORD).any() or not (np.abs(nodes["value"]) <= most).all():
        yield "its nodes hold kinds that there are not, or numbers that are too large"
        return
    among = nodes["kind"] == WORD
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
    name, words = given
    if len(name) > _LONGEST_NAME or not isinstance(words, list | None) or len(words or ()) > WORDS:
        return False
    return all(isinstance(each, str) and len(each) == HASH for each in words or ())


def _is_tree(given: Any, outputs: int) -> bool:
    return (
        isinstance(given, list)
        and len(given) == 2
        and all(type(each) is int for each in given)
        and given[0] >= 0
        and 0 <= given[1] < outputs
    )


def fits(trees: int, nodes: int, sets: int, words: int) -> bool:
    """Whether so many travel."""
    size = (nodes * NODE.itemsize + sets * SET // 8) * 4 // 3 + words * (HASH + 4)
    return trees <= MOST_TREES and size <= _MOST_BYTES


def _nodes(written: str) -> NDArray[Any]:
    """Of base64. Raises ValueError for what is none."""
    return np.frombuffer(base64.b64decode(written, validate=True), dtype=NODE)


def _sets(written: str) -> NDArray[np.bool_]:
    """Of base64, `[sets, 256]`. Raises ValueError for what is none."""
    bits = np.frombuffer(base64.b64decode(written, validate=True), dtype=np.uint8)
    if len(bits) > _MOST_BYTES:
        raise ValueError("more than travel")
    return np.unpackbits(bits.reshape(-1, SET // 8), axis=1).astype(bool)
