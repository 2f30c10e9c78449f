"""Rows to look at: what was gained, what was lost, and how many of each."""

import numpy as np

from recipes.examples import Example, Splits
from recipes.judge.cases import Case, Picked, pick
from recipes.tasks.ad_copy import Written


def picked(after: list[int], before: list[int], guess: list[int], truth: list[int]) -> Picked:
    rows = tuple(Example(f"row {i}", i, label) for i, label in enumerate(truth))
    splits = Splits((), (), rows, ("bad", "good"), "")
    return pick(splits, np.eye(2)[before], np.eye(2)[after], ("prior", np.eye(2)[guess]))


def test_rows_are_gained_and_lost_against_the_best_baseline_those_of_the_base_too_first() -> None:
    found = picked(
        after=[1, 1, 0, 0, 1, 0],
        before=[1, 0, 1, 0, 0, 1],
        guess=[0, 0, 1, 0, 1, 0],
        truth=[1, 1, 1, 1, 1, 1],
    )
    assert [case.text for case in found.gained] == ["row 1", "row 0"]
    assert [case.text for case in found.lost] == ["row 2"]
    assert found.gained[0] == Case("row 1", "good", "bad", "bad", "good")
    assert (found.gained_of, found.lost_of, found.baseline) == (2, 1, "prior")


def test_at_most_ten_rows_of_a_kind_are_shown_and_all_are_counted() -> None:
    found = picked(after=[1] * 30, before=[0] * 30, guess=[0] * 30, truth=[1] * 30)
    assert (len(found.gained), found.gained_of) == (10, 30)
    assert (found.lost, found.lost_of) == ((), 0)


def test_without_a_baseline_rows_are_gained_and_lost_against_the_base() -> None:
    splits = Splits((), (), (Example("row 0", 0, 1),), ("bad", "good"), "")
    found = pick(splits, np.eye(2)[[0]], np.eye(2)[[1]])
    assert found.gained == (Case("row 0", "good", "bad", "", "good"),) and found.baseline is None


def test_texts_stand_beside_the_first_reference() -> None:
    rows = tuple(Example("a mug", line, copy=copy) for line, copy in enumerate(("Buy it!", "Buy two!")))
    before, after = (Written([text], products=("a mug",)) for text in ("...", "Buy a mug!"))
    found = pick(Splits((), (), rows, (), ""), before, after, ("nearest", None))
    [copy] = found.copies
    assert (copy.product, copy.reference, copy.before, copy.after) == (
        "a mug",
        "Buy it!",
        "...",
        "Buy a mug!",
    )
