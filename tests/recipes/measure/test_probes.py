"""Linear probes: of a part of the rows each, and what they make of rows without labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from recipes.examples import Example, Splits
from recipes.learn.encode import EncodedRow
from recipes.learn.held_out import HeldOut
from recipes.measure.probes import linear_probes


def vectors(labels: list[int], seed: int = 0) -> tuple[Splits, np.ndarray]:
    """Rows of labels among four, and for each a vector around its label's own."""
    random = np.random.default_rng(seed)
    centres = 2 * random.normal(size=(4, 6))
    rows = tuple(Example(f"t {i}", i, label) for i, label in enumerate(labels))
    return Splits(rows, (), (), tuple("abcd"), ""), centres[labels] + random.normal(size=(len(labels), 6))


def test_a_probe_without_rows_of_a_label_has_the_others_mean_of_it() -> None:
    """The one row of a label is held out of one probe of three; no row has the last label."""
    splits, rows = vectors([0, 1] * 20 + [2])
    found = linear_probes(splits, rows, rows[:1])
    assert found.part is not None and found.weights.shape == (3, 6, 4)
    lacks = found.part[-1]
    others = [part for part in range(3) if part != lacks]
    np.testing.assert_allclose(found.weights[lacks, :, 2], found.weights[others, :, 2].mean(0))
    assert np.abs(found.weights[others, :, 2]).max() > 0.01
    assert not found.weights[:, :, 3].any() and found.biases[:, 3].max() <= -10
    logits = rows @ found.weights.mean(0) + found.biases.mean(0)
    assert np.mean(logits.argmax(1) == [e.label for e in splits.train]) > 0.95


def test_beside_many_rows_and_a_validation_split_rows_are_held_out_too() -> None:
    splits, rows = vectors([0, 1, 2, 3] * 500)
    found = linear_probes(replace(splits, validation=splits.train[:200]), rows, rows[:200])
    assert found.part is not None and {*found.part.tolist()} == {0, 1, 2}
    assert np.abs(found.weights[0] - found.weights[1]).max() > 1e-4


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        ([0] * 5 + [1] * 5, [0] * 5 + [1] * 5),
        ([0] * 20 + [1, 2] * 10, [0] * 20 + [1] * 20),
        ([0, 1] * 20 + [0, 1, 0, 1], [0] * 40 + [1, 2, 3, 4]),
    ],
    ids=["each part leaves one label", "no part tells a label from others", "a part has most of the rows"],
)
def test_where_parts_would_leave_too_little_a_single_probe_has_all_rows(
    labels: list[int], groups: list[int]
) -> None:
    splits, rows = vectors(labels)
    train = tuple(replace(e, group=str(group)) for e, group in zip(splits.train, groups, strict=True))
    found = linear_probes(replace(splits, train=train), rows, rows[:1])
    assert found.part is None and len(found.weights) == 1
    odds = np.exp(rows @ found.weights[0] + found.biases[0])
    told = odds[range(len(rows)), labels] / odds.sum(axis=1)
    assert told.min() > 0.1, "no label that has rows starts as unlikely"


def test_rows_without_labels_move_a_probe_to_where_the_rows_are() -> None:
    """Two labels whose few rows lie at one side of their clouds, and the clouds without labels."""
    random = np.random.default_rng(3)
    labels = [0, 1] * 6
    splits = Splits(
        tuple(Example(f"t {i}", i, label) for i, label in enumerate(labels)), (), (), ("a", "b"), ""
    )

    def cloud(count: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
        truth = random.integers(0, 2, count)
        return truth, random.normal(size=(count, 2)) * [spread, 0.4] + np.array([[0, 1.0], [0, -1.0]])[truth]

    truth, more = cloud(600, 1.0)
    _, rows = cloud(0, 1.0)
    rows = np.array([[1.5 if label else -1.5, -0.5 if label else 0.5] for label in labels])
    rows = rows + 0.1 * random.normal(size=rows.shape)
    fresh, asked = cloud(2_000, 1.0)

    def right(**how: np.ndarray) -> float:
        found = linear_probes(splits, rows, rows[:1], **how)
        return float(np.mean((asked @ found.weights.mean(0) + found.biases.mean(0)).argmax(1) == fresh))

    found = linear_probes(splits, rows, rows[:1], unlabelled=more)
    assert right(unlabelled=more) > right() + 0.02
    assert np.mean(found.guesses == truth) > 0.6 and found.counts.max() <= 1 / 3 < 2 * found.counts.max()
    assert not len(linear_probes(splits, rows, rows[:1]).guesses)


def test_rows_without_labels_train_by_guesses_under_the_mean_of_the_probes() -> None:
    splits, rows = vectors([0, 1, 2, 3] * 10)
    found = linear_probes(splits, rows, rows[:1], unlabelled=rows[:5])
    heads, weight, bias = HeldOut.of(found, len(rows) + 5, torch.device("cpu"))
    assert heads is not None and weight.shape == (4, 6) and bias.shape == (4,)
    trained = heads.parted([EncodedRow((1,), label=e.label) for e in splits.train] + [EncodedRow((1,))] * 5)
    assert [row.label for row in trained[-5:]] == found.guesses.tolist()
    assert [row.weight for row in trained[-5:]] == pytest.approx(found.counts.tolist())
    assert {row.weight for row in trained[:-5]} == {1.0}
    added = heads.logits(torch.from_numpy(rows[[0, 0]]).float(), [trained[0], trained[-5]])
    assert added[0].abs().max() > 1e-3 and not added[1].any(), "only a row with a label has been seen"


def test_a_single_probe_labels_rows_too() -> None:
    splits, rows = vectors([0] * 5 + [1] * 5)
    train = tuple(replace(e, group=str(e.label)) for e in splits.train)
    found = linear_probes(replace(splits, train=train), rows, rows[:1], unlabelled=rows)
    heads, _, _ = HeldOut.of(found, 20, torch.device("cpu"))
    assert heads is not None and found.part is None
    trained = heads.parted([EncodedRow((1,), label=0)] * 10 + [EncodedRow((1,))] * 10)
    assert [row.label for row in trained[10:]] == [0] * 5 + [1] * 5
    assert not heads.logits(torch.from_numpy(rows[[0, 0]]).float(), [trained[0], trained[-1]]).any()
    assert HeldOut.of(linear_probes(splits, rows, rows[:1]), 11, torch.device("cpu"))[0] is None
