"""Jobs trained alone, and beside LoRA of another rank, DoRA and a prefix."""

from collections.abc import Sequence
from pathlib import Path

from adapters import Adapter, Base
from recipes import Order, Recipe, train_many
from tests.recipes.runs.test_training import QUICK, weights


def alone_and_beside(own: Sequence[Order], data: Path, base: Base) -> list[tuple[Adapter, Adapter]]:
    """Both adapters of each job, whose weights are held equal. data: rows of moods, for the neighbours."""
    rank, dora = {"lora.rank": 9}, {"lora.dora": True, "lora.dropout": 0.0}
    others = [Order(Recipe.load("behavior", **QUICK | changes), data) for changes in (rank, dora)]
    others.append(Order(Recipe.load("behavior-prefix", **QUICK), data))
    found = []
    for order, beside in zip(own, train_many([*others, *own], base)[len(others) :], strict=True):
        (alone,) = train_many([order], base)
        assert isinstance(alone, Adapter) and isinstance(beside, Adapter), beside
        assert alone.method == beside.method
        assert float((weights(alone) - weights(beside)).abs().max()) <= 1e-4
        found.append((alone, beside))
    return found
