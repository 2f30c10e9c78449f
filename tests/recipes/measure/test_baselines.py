"""Baselines that could win: both kinds of n-grams, C by cross-validation, boosting on columns."""

import random
from dataclasses import replace

import numpy as np
import pytest

from recipes.examples import Example, Splits
from recipes.measure import baselines
from recipes.measure import metrics as evaluate
from recipes.measure.boosting import boosted

FILLER = "the shop sent me what I had asked for and I will write more of it when I have used it for some days".split()


def text_rows(count: int, seed: int) -> tuple[Example, ...]:
    """Long texts of which the beginning of one made-up word tells the label: no word comes twice."""
    draw, found = random.Random(seed), []
    for line in range(count):
        label = draw.randrange(2)
        ending = "".join(draw.choice("aeioustrn") for _ in range(7))
        words = [*draw.sample(FILLER, 15), f"{('zorb', 'qinx')[label]}{ending}", *draw.sample(FILLER, 10)]
        found.append(Example(" ".join(words), line, label))
    return tuple(found)


def shop_rows(count: int, seed: int, labels: int = 2) -> tuple[Example, ...]:
    """A purchase where price and stay are both high or both low, which no sum of the two tells; a season says a bit."""
    draw, found = random.Random(seed), []
    for line in range(count):
        price, stay = draw.random(), draw.random()
        label = int((price > 0.5) == (stay > 0.5)) if draw.random() < 0.9 else draw.randrange(labels)
        fields = {
            "price": f"{price:.3f}" if draw.random() < 0.95 else "",
            "stay": f"{stay:.3f}",
            "season": f"s {label}",
        }
        if draw.random() < 0.7:
            fields["season"] = f"s {draw.randrange(labels)}"
        found.append(Example("t", line, label, fields=fields))
    return tuple(found)


def accuracy(splits: Splits, guess: np.ndarray) -> float:
    return float(np.mean(guess.argmax(axis=1) == [e.label for e in splits.test]))


def test_letters_are_read_in_long_texts_too() -> None:
    splits = Splits(text_rows(120, 0), text_rows(20, 1), text_rows(200, 2), ("a", "b"), "")
    assert len(splits.train[0].text) > 100
    assert accuracy(splits, baselines.bag_of_words(splits)) > 0.9


def test_boosting_finds_what_no_sum_of_columns_tells() -> None:
    splits = Splits(shop_rows(500, 0), shop_rows(60, 1), shop_rows(500, 2), ("no", "yes"), "")
    names = ("price", "stay", "season")
    linear, trees = (accuracy(splits, way(splits, names)) for way in (baselines.on_columns, boosted))
    assert trees > 0.85 > linear + 0.1


def test_boosting_takes_several_labels_few_rows_labels_that_never_train_and_odd_cells() -> None:
    names = ("price", "stay", "season")
    odd = Example("t", 999, 1, fields={"price": "dear", "season": "never seen"})
    few = Splits(shop_rows(12, 0), (), (*shop_rows(5, 1), odd), ("no", "yes", "never"), "")
    found = boosted(few, names)
    assert found.shape == (6, 3) and found.sum(axis=1) == pytest.approx(1) and (found[:, 2] == 0).all()
    several = [
        tuple(replace(e, label=(0, 2) if e.label else (2,)) for e in part) for part in (few.train, few.test)
    ]
    found = boosted(Splits(several[0], (), several[1], few.labels, "", multi_label=True), names)
    assert found.shape == (6, 3) and (found[:, 2] == 1).all() and (found[:, 1] == 0).all()


def test_how_strongly_is_chosen_without_a_look_at_the_validation_rows() -> None:
    """Two validation rows with wrong labels would choose the strongest regularisation."""
    train, test = text_rows(120, 0), text_rows(200, 2)
    lied = tuple(replace(e, label=1 - int(str(e.label))) for e in text_rows(2, 1))
    honest, misled = (
        baselines.bag_of_words(Splits(train, part, test, ("a", "b"), "")) for part in (text_rows(2, 1), lied)
    )
    assert (honest == misled).all()
    assert evaluate.log_loss([e.label for e in test], honest) < 0.4


def test_folds_keep_groups_together_and_deal_labels_evenly() -> None:
    rows = tuple(Example("t", i, int(i % 10 == 0), group=f"g{i // 2}") for i in range(60))
    for rest, seen, held in baselines.folds(Splits(rows, (), (), ("a", "b"), "")):
        assert not {e.group for e in rest.train} & {e.group for e in rest.test}
        assert len(seen) + len(held) == 60 and sum(e.label == 1 for e in rest.test) == 2


def test_few_rows_of_many_labels_warn_nobody(recwarn: pytest.WarningsRecorder) -> None:
    rows = tuple(Example(f"word{i} more", i, i) for i in range(30))
    baselines.bag_of_words(Splits(rows, rows[:5], rows, tuple(map(str, range(30))), ""))
    assert not [each for each in recwarn if "unique classes" in str(each.message)]


def vectors(labels: list[int], seed: int = 0) -> tuple[Splits, np.ndarray]:
    """Rows of labels among four, and for each a vector around its label's own."""
    random = np.random.default_rng(seed)
    centres = 2 * random.normal(size=(4, 6))
    rows = tuple(Example(f"t {i}", i, label) for i, label in enumerate(labels))
    return Splits(rows, (), (), tuple("abcd"), ""), centres[labels] + random.normal(size=(len(labels), 6))


def test_a_probe_without_rows_of_a_label_has_the_others_mean_of_it() -> None:
    """The one row of a label is held out of one probe of three; no row has the last label."""
    splits, rows = vectors([0, 1] * 20 + [2])
    found = baselines.linear_probes(splits, rows, rows[:1])
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
    found = baselines.linear_probes(replace(splits, validation=splits.train[:200]), rows, rows[:200])
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
    found = baselines.linear_probes(replace(splits, train=train), rows, rows[:1])
    assert found.part is None and len(found.weights) == 1
    odds = np.exp(rows @ found.weights[0] + found.biases[0])
    told = odds[range(len(rows)), labels] / odds.sum(axis=1)
    assert told.min() > 0.1, "no label that has rows starts as unlikely"
