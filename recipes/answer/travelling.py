"""Which baselines an adapter can carry, learned from its training rows."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recipes.answer import linear
from recipes.answer.carried import outputs_of
from recipes.answer.trees import LEAF, MOST_COLUMNS, NODE, NUMBER, SET, WORD, Trees, fits
from recipes.examples import Splits
from recipes.measure import baselines
from recipes.measure.boosting import Boosted, boost, rows_of
from recipes.measure.calibration import shift_for
from recipes.measure.columns import columns_of
from recipes.tasks.roles import ADS
from recipes.tasks.task import label_task

if TYPE_CHECKING:
    from recipes.answer.blend import Baseline
    from recipes.recipe import Recipe

Floats = NDArray[np.float64]
_NAME = "hashed columns + gradient boosting"


def travelling(splits: Splits, recipe: "Recipe") -> "dict[str, Baseline]":
    """A name -> a baseline that an adapter can carry, of the training rows."""
    models: list[Baseline] = [*linear.learn(splits, recipe), *trees(splits, recipe)]
    return {model.name: model for model in models}


def trees(splits: Splits, recipe: "Recipe") -> list[Trees]:
    """A model of the columns, where there are any, from the training rows. What learned from sampled rows is corrected
    as the adapter is. Nothing where there is more of it than travels."""
    names = label_task(recipe.task).carried(splits.train, recipe)
    if not 0 < len(names) <= MOST_COLUMNS:
        return []
    columns = tuple(columns_of(names, rows_of(splits.train), ADS))
    outputs = outputs_of(len(splits.labels), splits.multi_label)
    bias, grown = np.full(outputs, -baselines.CERTAIN), list[_Tree]()
    for label, boosted in enumerate(boost(splits, columns)):
        grown += _grown(boosted, label if splits.multi_label else None, bias)
    if splits.negative_share < 1:
        bias[-1] += shift_for(splits.negative_share)
    firsts = np.cumsum([0, *(len(tree.sets) for tree in grown)])
    for tree, first in zip(grown, firsts, strict=False):
        tree.nodes["value"][tree.nodes["kind"] == WORD] += first
    nodes = np.concatenate([np.zeros(0, NODE), *(tree.nodes for tree in grown)])
    sets = np.concatenate([np.zeros((0, SET), dtype=bool), *(tree.sets for tree in grown)])
    if not fits(len(grown), len(nodes), len(sets), sum(len(column.words or ()) for column in columns)):
        return []
    roots = np.cumsum([0, *(len(tree.nodes) for tree in grown)], dtype=np.intp)[:-1]
    added_to = np.array([tree.output for tree in grown], dtype=np.intp)
    bias_of = tuple(map(float, bias))
    return [Trees(_NAME, columns, len(splits.labels), bias_of, roots, added_to, nodes, sets)]


class _Tree(NamedTuple):
    """output: what it adds to; sets: its own, which its nodes count from 0."""

    output: int
    nodes: NDArray[Any]
    sets: NDArray[np.bool_]


def _grown(boosted: Boosted, label: int | None, bias: Floats) -> Iterator[_Tree]:
    """The trees of a model, of one label or of all (None), and in `bias`, [outputs], where they start."""
    classes, model = boosted.classes, boosted.model
    if label is not None or len(bias) == 1:
        # Of a label's log-odds: the classes are whether a row has it.
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
    made = np.zeros(len(given), dtype=NODE)
    made["kind"] = np.where(leaf, LEAF, np.where(words, WORD, NUMBER))
    made["column"][inner] = given["feature_idx"][inner]
    # What goes right only where the cell is missing has an endless number, which nothing that travels holds.
    number = np.minimum(given["num_threshold"], np.finfo(float).max)
    made["value"] = np.where(leaf, given["value"], np.where(words, given["bitset_idx"], number))
    made["right"][inner] = (given["right"] - np.arange(len(given)))[inner]
    made["missing"][inner] = given["missing_go_to_left"][inner]
    bits = np.ascontiguousarray(tree.raw_left_cat_bitsets, dtype="<u4").view(np.uint8)
    sets = np.unpackbits(bits, axis=1, bitorder="little").astype(bool)
    return made, sets.reshape(-1, SET)
