"""Rows without labels: the adapter labels them when it has learned from the others, and trains on all once more."""

from pathlib import Path
from typing import Any

import pytest
import torch

from adapters.slots.slots import Slots
from recipes import Order, Recipe, train
from recipes.learn.batches import Batches, Plan
from recipes.learn.encode import EncodedRow
from recipes.learn.fused import Fused
from recipes.learn.guesses import guessed, kept, restored
from recipes.learn.job import Job
from recipes.learn.predict import logits
from recipes.runs.order import prepare
from tests.adapters import models
from tests.recipes.runs.test_training import QUICK, moods, weights

OWN: dict[str, Any] = QUICK | {
    "train.epochs": 2,
    "train.accumulate": 2,
    "train.batch_size": 4,
    "blend": False,
}


def more(folder: Path, rows: int = 30) -> Path:
    path = folder / "more.csv"
    path.write_text(
        "\n".join(["text", *(f"{('love', 'hate')[n % 2]} it {200 + n}" for n in range(rows))]) + "\n"
    )
    return path


def dealt(batches: Batches, first: int, count: int) -> list[int]:
    return sorted(row for number in range(first, first + count) for row in batches.rows(number))


def test_batches_are_of_rows_with_labels_first_and_then_once_of_all() -> None:
    batches, plain = Batches(0, 4, [5] * 23, labelled=10, alone=6), Batches(0, 4, [5] * 10, 10, alone=6)
    alone = [batches.rows(number) for number in range(6)]
    assert dealt(batches, 0, 3) == dealt(batches, 3, 3) == [*range(10)] and alone[:3] != alone[3:]
    assert dealt(batches, 6, 6) == [*range(23)]
    assert [plain.rows(number) for number in range(6)] == alone
    assert dealt(plain, 6, 3) == [*range(10)], "without others epochs go on"


@pytest.mark.parametrize(
    ("most", "plan"),
    [
        (None, Plan(9, 16)),
        (100, Plan(9, 16)),
        (12, Plan(6, 12)),
        (14, Plan(7, 14)),
        (15, Plan(8, 15)),
        (1, Plan(1, 1)),
    ],
)
def test_of_the_most_steps_some_are_left_for_rows_without_labels(most: int | None, plan: Plan) -> None:
    assert Plan.of(10, 15, 4, 3, most) == plan
    assert Plan.of(10, 0, 4, 3, most) == Plan(*[min(9, most or 9)] * 2)
    assert plan.part(0) == (0, plan.alone) and plan.part(plan.steps) in ((plan.alone, plan.steps), (0, 1))


def test_guesses_are_the_likeliest_labels_for_at_most_a_third_of_a_row() -> None:
    rows = [EncodedRow((1,)), EncodedRow((2,))]
    found = guessed(rows, torch.tensor([[0.0, 9.0], [0.0, 0.0]]), ordinary=2.0)
    assert found[0].label == 1 and [row.weight for row in found] == pytest.approx([2 / 3, 1 / 3], rel=1e-3)
    assert restored(rows, kept(found)) == found
    assert kept(rows) == kept([]) == {}


@pytest.mark.parametrize("name", ["behavior", "behavior-prefix"])
def test_the_adapter_labels_them_between_the_two(name: str, tmp_path: Path) -> None:
    base, recipe = models.base("bert"), Recipe.load(name, **OWN)
    data, unlabelled = moods(tmp_path, 60), more(tmp_path)
    job = prepare(Order(recipe, data, unlabelled=unlabelled), base)
    alone = prepare(Order(recipe, data), base).steps
    assert len(job.unlabelled) == 30 and job.steps == alone + -(-(len(job.train) + 30) // 8)
    slots = Slots(base, 1, dtype=torch.float32, trains=True)
    slots.load(0, job.adapter)
    job.begin(slots, 0)
    fused, rates = Fused(base, slots, 512), []
    while job.step < alone:
        assert {row.label for row in job.unlabelled} == {None}
        fused.turn([job])
        rates.append(rate(job))
    own = logits(base, slots, 0, job.unlabelled).argmax(1).tolist()
    first = rates[-1]
    while job.step < job.steps:
        fused.turn([job])
        rates.append(rate(job))
        assert job.failure is None
    slots.close()
    assert [row.label for row in job.unlabelled] == own
    assert all(0 < row.weight <= 1 / 3 for row in job.unlabelled)
    assert first < max(rates[alone:]) <= max(rates[:alone]) * 1.001, "the rate climbs again"


def rate(job: Job) -> float:
    return float(job._optimizer.param_groups[0]["lr"])


def test_they_change_what_is_learned_and_a_trained_adapter_goes_on_with_them(tmp_path: Path) -> None:
    base, recipe = models.base("bert"), Recipe.load("behavior", **OWN | {"head.init": "probe"})
    data, unlabelled = moods(tmp_path, 60), more(tmp_path)
    plain, found = train(recipe, data, base), train(recipe, data, base, unlabelled=unlabelled)
    assert not torch.allclose(weights(plain), weights(found), atol=1e-4)
    assert any(note.startswith("30 rows without labels") for note in found.info["data"]["notes"])
    onwards = train(recipe, data, base, unlabelled=unlabelled, parent=(found, "acme/x/behavior@1"))
    assert not torch.allclose(weights(onwards), weights(found), atol=1e-4)


def test_what_goes_wrong_with_them_is_told_of_their_own_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(Job, "guess", failing)
    with pytest.raises(Exception, match="labels for rows without any failed"):
        train(
            Recipe.load("behavior", **OWN),
            moods(tmp_path, 60),
            models.base("bert"),
            unlabelled=more(tmp_path),
        )
