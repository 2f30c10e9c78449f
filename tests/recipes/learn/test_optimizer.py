"""AdamW with moments of 8 bits: what it takes, and what it learns."""

from pathlib import Path

import pytest
import torch
from torch import nn

from adapters import Adapter, Base
from recipes import Order, Recipe, train_many
from recipes.learn import memory, optimizer
from recipes.learn.initial_weights import start
from tests.adapters import models
from tests.recipes.runs.test_training import QUICK, copies, moods, weights

EIGHT = {"train.optimizer": "adamw8bit"}


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama", tie_word_embeddings=False)


@pytest.mark.parametrize(("name", "most"), [("adamw", 8.01), ("adamw8bit", 2.05)])
def test_a_state_of_few_bytes_a_number_goes_on_to_the_same_bits(name: str, most: float) -> None:
    """One large tensor, and one that is too small for 8 bits."""
    settings = Recipe.load("behavior", **{"train.optimizer": name}).train
    draw = torch.Generator().manual_seed(0)
    gradients = [[torch.randn(size, generator=draw) for size in (20_000, 300)] for _ in range(6)]

    def made(values: list[torch.Tensor]) -> tuple[list[nn.Parameter], torch.optim.Optimizer]:
        own = [nn.Parameter(value.clone()) for value in values]
        groups = [{"params": [each], "lr": 10.0**-place} for place, each in enumerate(own, 2)]
        return own, optimizer.make(settings, groups)

    def steps(own: list[nn.Parameter], over: torch.optim.Optimizer, which: slice) -> None:
        for each in gradients[which]:
            for parameter, gradient in zip(own, each, strict=True):
                parameter.grad = gradient.clone()
            over.step()

    whole, over = made([torch.ones(20_000), torch.ones(300)])
    assert optimizer.state(over, whole[0]) == {}
    steps(whole, over, slice(3))
    states = [{k: v.clone() for k, v in optimizer.state(over, each).items()} for each in whole]
    again, fresh = made([each.detach() for each in whole])
    for parameter, state in zip(again, states, strict=True):
        optimizer.restore(fresh, parameter, state)
    steps(whole, over, slice(3, 6))
    steps(again, fresh, slice(3, 6))
    assert all(torch.equal(one, other) for one, other in zip(whole, again, strict=True))
    large, small = (sum(each.numel() * each.element_size() for each in state.values()) for state in states)
    assert large <= most * 20_000 and small <= 8.1 * 300


def test_it_learns_what_adamw_learns_alone_and_beside_others(base: Base, tmp_path: Path) -> None:
    moods(tmp_path, 120)
    copies(tmp_path, 40)
    many = QUICK | {"train.epochs": 8, "train.learning_rate": 0.01, "train.patience": None}
    orders = [
        Order(Recipe.load("behavior", **many | changes), tmp_path / "moods0.csv") for changes in ({}, EIGHT)
    ]
    copy = Order(Recipe.load("ad-copy", **QUICK), tmp_path / "copies.csv")
    plain, eight, _ = train_many([*orders, copy], base)
    (alone,) = train_many([orders[1]], base)
    assert isinstance(plain, Adapter) and isinstance(eight, Adapter) and isinstance(alone, Adapter)
    apart = (weights(eight) - weights(alone)).abs()
    # A moment between two of the 256 values that it may have can fall to either, by the rounding of a product.
    assert float(apart.max()) <= 5e-4 and float((apart > 1e-5).float().mean()) < 0.001
    assert float((weights(eight) - weights(plain)).abs().max()) > 1e-3, "8 bits are not 32"
    last = [each.info["report"]["history"][-1] for each in (plain, eight)]
    assert last[1]["loss"] == pytest.approx(last[0]["loss"], abs=1e-3) and last[0]["loss"] < 0.01
    assert eight.info["report"]["after"]["accuracy"] == 1


def test_it_leaves_room_for_more_jobs(base: Base) -> None:
    plain, eight = (Recipe.load("behavior", **changes) for changes in ({}, EIGHT))
    adapter = start(plain, base, ("a", "b"))
    assert memory.job_bytes(plain, adapter) == 6 * adapter.size
    assert memory.job_bytes(eight, adapter) == 4.5 * adapter.size
