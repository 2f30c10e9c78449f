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
