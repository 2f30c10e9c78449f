"""Epochs and learning rates that a recipe leaves open."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from recipes import Recipe
from recipes.learn import unsaid


def rate(width: int, **changes: Any) -> float:
    wide: Any = SimpleNamespace(width=width)
    about = {"task": changes.pop("task", "behavior"), "method": changes.pop("method", "lora")}
    return unsaid.learning_rate(Recipe.from_dict({**about, "train": changes}), wide)


def test_few_rows_are_read_often_and_steps_grow_with_rows() -> None:
    options = Recipe.from_dict({"task": "behavior", "train": {"epochs": None}}).train
    sizes = (1, 10, 50, 200, 1_000, 5_000, 10_000, 10**6)
    found = [unsaid.epochs(options, rows) for rows in sizes]
    assert found == [20, 20, 14, 7, 3, 1, 1, 1]
    assert all(a * m <= b * n for (a, m), (b, n) in pairwise(zip(found, sizes, strict=True)))


def test_wider_bases_take_smaller_steps_and_what_is_written_counts() -> None:
    assert rate(4096, learning_rate=None) == pytest.approx(2e-4)
    assert rate(256, learning_rate=None) == pytest.approx(8e-4)
    assert rate(256, learning_rate=None, method="prefix") == rate(4096, learning_rate=None, method="prefix")
    assert rate(256, learning_rate=3e-3) == 3e-3
    assert rate(4096, learning_rate=None, task="ad-copy") == pytest.approx(5e-4)
    assert rate(256, learning_rate=None, task="ad-copy") == pytest.approx(2e-3)
    assert rate(256, learning_rate=None, task="ad-copy", method="prefix") == 0.1
    written = Recipe.from_dict({"task": "behavior", "train": {"epochs": 4}}).train
    assert unsaid.epochs(written, 10**6) == 4


def test_a_step_against_a_row_is_a_share_of_its_embeddings_or_as_long_as_is_said() -> None:
    lengths = torch.tensor([4.0, 10.0])
    for said, wanted in ((None, [0.2, 0.5]), (0.3, [0.3, 0.3]), (0.0, [0.0, 0.0])):
        options = Recipe.from_dict({"task": "behavior", "train": {"fgm": said}}).train
        assert unsaid.fgm(options, lengths).tolist() == pytest.approx(wanted)
