"""A head that starts at a linear probe."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from adapters import Adapter, Base
from adapters.slots import RowSlots, pooled
from adapters.slots.forward_pass import forward, pad
from adapters.slots.slots import Slots
from recipes import Order, Recipe, train, train_many
from recipes.examples import Splits
from recipes.learn import predict, untouched
from recipes.learn.job import Job
from recipes.learn.linear_probe import probe
from recipes.learn.predict import all_states, logits, states
from recipes.learn.untouched import Untouched
from recipes.runs.order import prepare
from tests.adapters import models
from tests.recipes.runs.test_training import QUICK, moods, weights

AT_RANDOM: dict[str, Any] = {"head.init": "random"}
READ = ("label", "weight", "part")
PROBE: dict[str, Any] = QUICK | {"head.init": "probe", "train.max_steps": 4}


def probed(job: Job, base: Base) -> Slots:
    slots = Slots(base, 1, dtype=torch.float32, trains=True)
    slots.load(0, job.adapter)
    job.begin(slots, 0)
    probe(job, base, slots, Untouched(base, slots))
    return slots


@pytest.mark.parametrize("family", ["llama", "bert"])
@pytest.mark.parametrize("name", ["behavior", "behavior-prefix"])
def test_the_head_is_the_mean_of_regressions_and_a_row_trains_under_the_one_that_has_not_seen_it(
    family: str, name: str, tmp_path: Path
) -> None:
    """Fitted anew here, for each strength that may have been chosen; a decoder's head has no bias. The names of labels
    are among the rows."""
    base = models.base(family)
    job = prepare(Order(Recipe.load(name, **PROBE), moods(tmp_path, 90, noise=0.2)), base)
    slots = probed(job, base)
    head = slots.head(0).head
    vectors, asked = (states(base, slots, rows, 0, head.pooling) for rows in (job.train, job.validation))
    found, own = (logits(base, slots, 0, rows) for rows in (job.validation, job.train))
    slots.close()
    assert job.held_out is not None
    own = own + job.held_out.logits(torch.from_numpy(vectors).float(), job.train)
    labels, counts, parts = (np.array([getattr(row, key) for row in job.train]) for key in READ)
    assert len(labels) == len(job.splits.train) + len(job.splits.labels) and {*parts} == {0, 1, 2}
    mean = vectors.mean(0) if head.bias else np.zeros(vectors.shape[1])
    rows, asked = ((each - mean) / vectors.std(0) for each in (vectors, asked))

    def off(strength: float) -> float:
        """How far the regressions by a strength are from the logits that were found."""
        fitted = []
        for part in range(3):
            seen = parts != part
            model = LogisticRegression(C=strength, fit_intercept=head.bias, tol=1e-8, max_iter=10_000)
            fitted.append(model.fit(rows[seen], labels[seen], counts[seen] / counts[seen].mean()))
        said = np.mean([model.decision_function(asked) for model in fitted], axis=0)
        unseen = np.choose(parts, [model.decision_function(rows) for model in fitted])
        return max(np.abs(apart(found) - said).max(), np.abs(apart(own) - unseen).max())

    assert min(map(off, (0.0001, 0.001, 0.01, 0.1))) < 8e-3  # of a probability 2e-3
    assert apart(found).std() > 0.05


def test_the_loss_of_a_row_is_that_of_what_has_not_seen_it(tmp_path: Path) -> None:
    base = models.base("bert")
    job = prepare(Order(Recipe.load("behavior", **PROBE), moods(tmp_path, 90, noise=0.2)), base)
    slots = probed(job, base)
    assert job.held_out is not None
    batch = job.next_batch()
    rows = pad(base, [row.ids for row in batch])
    hidden = forward(base, slots, rows, RowSlots((0,) * len(batch)))
    found = float(job.loss(base, slots, hidden, batch).detach())
    head = slots.head(0)
    vectors = pooled(hidden.states, hidden.mask, hidden.pooler, head.head.pooling).detach()
    own = head.of_pooled(vectors).detach()
    labels, weights = (torch.tensor([getattr(row, key) for row in batch]) for key in ("label", "weight"))
    unseen, seen = (
        float(
            (torch.nn.functional.cross_entropy(each, labels, reduction="none") * weights).sum()
            / weights.sum()
        )
        for each in (own + job.held_out.logits(vectors, batch), own)
    )
    slots.close()
    assert found == pytest.approx(unseen, rel=1e-5) and abs(unseen - seen) > 1e-3


def test_rows_with_copies_train_under_the_mean(tmp_path: Path) -> None:
    base = models.base("bert")
    recipe = Recipe.load("behavior", **PROBE | {"data.augment.dropout": 0.3})
    job = prepare(Order(recipe, moods(tmp_path, 90)), base)
    slots = probed(job, base)
    slots.close()
    assert job.held_out is None and len(job.train) > len(job.splits.train) + 2


def apart(logits: torch.Tensor) -> Any:
    """Log-odds of the second label."""
    return (logits[:, 1] - logits[:, 0]).numpy()


def test_a_label_without_training_rows_starts_unlikely_and_several_labels_have_a_regression_each(
    tmp_path: Path,
) -> None:
    path = tmp_path / "several.csv"
    rows = [f"love {i},warm;{'loud' if i % 2 else 'calm'}" for i in range(60)]
    path.write_text("text,label\n" + "\n".join(rows) + "\n")
    base = models.base("bert")
    job = prepare(Order(Recipe.load("behavior", **PROBE | {"data.separator": ";"}), path), base)
    job.splits = without(job.splits, job.splits.labels.index("loud"))
    slots = probed(job, base)
    found = dict(zip(job.splits.labels, logits(base, slots, 0, job.validation).sigmoid().T, strict=True))
    slots.close()
    assert found["warm"].min() > 0.99
    assert found["loud"].max() < 1e-4
    assert found["calm"].min() > 0.2


def without(splits: Splits, label: int) -> Splits:
    def cut(found: Any) -> Any:
        return tuple(each for each in found if each != label)

    return replace(splits, train=tuple(replace(each, label=cut(each.label)) for each in splits.train))


def test_neighbours_never_show_and_before_is_the_untrained_head(tmp_path: Path) -> None:
    base, data = models.base("llama"), moods(tmp_path, 80)
    recipe = Recipe.load("behavior", **PROBE)
    plain = Recipe.load("behavior-prefix", **QUICK | {"train.max_steps": 6})
    alone = train(recipe, data, base)
    orders = [Order(plain, moods(tmp_path, 60, seed=1)), Order(recipe, data)]
    _, beside = train_many(orders, base)
    assert isinstance(beside, Adapter)
    assert torch.allclose(weights(alone), weights(beside), atol=1e-4)
    untouched = train(Recipe.load("behavior", **PROBE | {"head.init": "random"}), data, base)
    assert alone.info["report"]["before"] == untouched.info["report"]["before"]
    assert not torch.allclose(weights(alone), weights(untouched), atol=1e-3)


def test_a_published_head_is_trained_on_and_not_probed_again(tmp_path: Path) -> None:
    base, data = models.base("llama"), moods(tmp_path, 80)
    parent = train(Recipe.load("behavior", **PROBE), data, base)
    own = prepare(Order(Recipe.load("behavior", **PROBE), data, parent=(parent, "acme/x/behavior@1")), base)
    assert not own.starts_with_probe
    assert prepare(Order(Recipe.load("behavior", **PROBE), data), base).starts_with_probe


def test_a_probe_that_fails_is_told_of_its_own_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr("recipes.runs.run.probe", failing)
    orders = [
        Order(Recipe.load("behavior", **PROBE), moods(tmp_path, 60), name="probed"),
        Order(Recipe.load("behavior", **QUICK, **AT_RANDOM), moods(tmp_path, 60, seed=1), name="plain"),
    ]
    failed, fine = train_many(orders, models.base("llama"))
    assert "probed: the linear probe of its head failed" in str(failed)
    assert isinstance(fine, Adapter)


def test_the_base_is_read_once_for_all_probes_on_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And for the baseline on its vectors: what is read further are the test rows."""
    read: list[int] = []

    def counted(base: Base, slots: Slots, rows: Any, *how: Any) -> Any:
        read.append(len(rows))
        return all_states(base, slots, rows, *how)

    for module in (untouched, predict):
        monkeypatch.setattr(module, "all_states", counted)
    path = moods(tmp_path, 90)
    orders = [Order(Recipe.load("behavior", **PROBE, **{"train.seed": seed}), path) for seed in (0, 1, 2)]
    adapters = train_many(orders, models.base("bert"))
    rows = adapters[0].info["report"]["rows"]  # type: ignore[union-attr]
    names = 2  # of its labels
    assert sorted(read) == sorted([rows["train"], names, rows["validation"], rows["test"]])
