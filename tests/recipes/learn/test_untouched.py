"""The base untouched says what it would say if it were asked each time, and is asked once for the same rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapters.serving import Sampling
from adapters.slots import Slots
from recipes import Order, Recipe, train_many
from recipes.learn import predict
from recipes.learn.encode import EncodedRow
from recipes.learn.untouched import Untouched
from tests.adapters import models
from tests.recipes.runs.test_training import QUICK, copies, moods

ROWS = [EncodedRow((5, 6, 7, 8), (4, 1)), EncodedRow((9,), (3,)), EncodedRow((2, 8, 6), (7, 7, 1))]


@pytest.fixture
def slots() -> Slots:
    slots = Slots(models.base("llama"), 1)
    slots.load(0, models.made_here("llama", "prefix", labels=2))
    return slots


@contextmanager
def counted(base: Any) -> Iterator[list[int]]:
    """How many rows each forward of the base reads."""
    ran: list[int] = []
    handle = base.linears["model.layers.0.self_attn.q_proj"].register_forward_hook(
        lambda _, inputs, __: ran.append(len(inputs[0]))
    )
    try:
        yield ran
    finally:
        handle.remove()


def test_it_says_what_the_base_says_and_reads_the_same_rows_once(slots: Slots) -> None:
    base, sampling = slots.base, Sampling(max_new_tokens=3)
    prompts = [row.ids for row in ROWS]
    untouched = Untouched(base, slots)
    first = untouched.states(ROWS, "last"), untouched.copy_losses(ROWS), untouched.texts(prompts, sampling)
    with counted(base) as ran:
        again = (
            untouched.states(ROWS, "last"),
            untouched.copy_losses(ROWS),
            untouched.texts(prompts, sampling),
        )
        means = untouched.states(ROWS)
    assert not ran, "the means were read with the rest"
    alone = predict.states(base, slots, ROWS, None, "last")
    assert np.array_equal(first[0], alone) and np.array_equal(again[0], alone)
    assert np.array_equal(means, predict.states(base, slots, ROWS))
    assert first[1] == again[1] == predict.copy_losses(base, slots, None, ROWS)
    assert first[2] == again[2] == predict.texts(base, slots, None, prompts, sampling)


def test_other_rows_targets_and_settings_are_asked_anew(slots: Slots) -> None:
    base, untouched = slots.base, Untouched(slots.base, slots)
    other = [EncodedRow(row.ids, (*row.target, 2)) for row in ROWS]
    untouched.copy_losses(ROWS)
    assert untouched.copy_losses(other) == predict.copy_losses(base, slots, None, other)
    prompts, longer = [row.ids for row in ROWS], Sampling(max_new_tokens=6)
    untouched.texts(prompts, Sampling(max_new_tokens=1))
    assert untouched.texts(prompts, longer) == predict.texts(base, slots, None, prompts, longer)
    assert np.array_equal(untouched.states(ROWS[:2]), predict.states(base, slots, ROWS[:2]))


def test_what_was_asked_for_longest_ago_goes_first(slots: Slots) -> None:
    two = 2 * slots.base.width * 4
    untouched = Untouched(slots.base, slots, most=2 * two)
    parts = [[EncodedRow((3 + at,)), EncodedRow((4 + at, 5))] for at in range(3)]
    found = [untouched.states(part) for part in parts]
    with counted(slots.base) as ran:
        assert np.array_equal(untouched.states(parts[2]), found[2])
        assert np.array_equal(untouched.states(parts[1]), found[1])
        assert not ran
        assert np.array_equal(untouched.states(parts[0]), found[0])
        assert sum(ran) == 2


@pytest.mark.parametrize(("task", "data"), [("behavior", moods), ("ad-copy", copies)])
def test_jobs_on_the_same_rows_ask_the_base_once_and_report_as_alone(
    task: str, data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = models.base("llama")
    quick = QUICK | {"train.epochs": 1, "head.pooling": "mean"} if task == "behavior" else QUICK
    if task == "ad-copy":
        quick = quick | {"train.epochs": 1, "write.evaluated": 2, "write.max_new_tokens": 4}
    rows = data(tmp_path)
    orders = [Order(Recipe.load(name, **quick), rows) for name in (task, f"{task}-prefix")]
    asked: list[int] = []
    for name in ("all_states", "copy_losses", "texts"):
        whole = getattr(predict, name)
        monkeypatch.setattr(
            f"recipes.learn.untouched.{name}",
            lambda *given, whole=whole: (asked.append(1), whole(*given))[1],
        )
    torch.manual_seed(0)
    together = train_many(orders, base)
    once = len(asked)
    asked.clear()
    alone = [result for order in orders for result in train_many([order], base)]
    assert len(asked) > once > 0
    for one, other in zip(together, alone, strict=True):
        for named in ("before", "baselines"):
            assert one.info["report"][named] == other.info["report"][named]
