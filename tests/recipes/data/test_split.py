"""Splits: nothing on two sides, exact shares, the same for the same seed whatever the order of the rows."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.data.split import Dealt, deal, fewer_negatives, first_of_each_label
from recipes.examples import Example

SHARES = {"test": 0.2, "validation": 0.1}


def row(
    number: int, key: str | None = None, time: float | None = None, label: int | tuple[int, ...] = 0
) -> Dealt:
    return Dealt((Example(f"text {number}", number, label),), key or f"text {number}", time)


def numbers(rows: list[Dealt]) -> list[int]:
    return [dealt.examples[0].line for dealt in rows]


def test_shares_are_exact_where_every_row_has_its_own_key() -> None:
    parts = deal([row(i) for i in range(200)], SHARES, seed=0)
    assert {name: len(rows) for name, rows in parts.items()} == {"test": 40, "validation": 20, "train": 140}
    assert sorted(number for rows in parts.values() for number in numbers(rows)) == list(range(200))


def test_the_order_of_the_rows_does_not_matter_and_the_seed_does() -> None:
    rows = [row(i) for i in range(100)]
    mixed = random.Random(1).sample(rows, 100)
    first, again = deal(rows, SHARES, seed=3), deal(mixed, SHARES, seed=3)
    assert {name: set(numbers(part)) for name, part in first.items()} == {
        name: set(numbers(part)) for name, part in again.items()
    }
    other = deal(rows, SHARES, seed=4)
    assert set(numbers(first["test"])) != set(numbers(other["test"]))


def test_rows_of_one_key_stay_together_and_shares_are_met_to_within_one_key() -> None:
    rows = [row(i, key=f"user {i % 50}") for i in range(500)]
    parts = deal(rows, SHARES, seed=0)
    owners = [{dealt.key for dealt in part} for part in parts.values()]
    assert sum(len(users) for users in owners) == 50
    assert {name: len(part) for name, part in parts.items()} == {"test": 100, "validation": 50, "train": 350}


def test_a_large_key_goes_where_its_middle_falls() -> None:
    rows = [row(i, key="giant" if i < 90 else None) for i in range(100)]
    parts = deal(rows, SHARES, seed=0)
    assert {dealt.key for dealt in parts["train"]} >= {"giant"}
    assert "giant" not in {dealt.key for name in ("test", "validation") for dealt in parts[name]}


def test_with_time_the_future_tests_and_one_instant_is_never_torn() -> None:
    rows = random.Random(0).sample([row(i, time=float(i // 4)) for i in range(100)], 100)
    parts = deal(rows, SHARES, seed=0)
    times = {name: [dealt.time for dealt in part] for name, part in parts.items()}
    assert max(times["train"]) < min(times["validation"])  # type: ignore[type-var]
    assert max(times["validation"]) < min(times["test"])  # type: ignore[type-var]
    assert len(times["test"]) == 20


def test_a_split_with_a_file_of_its_own_is_not_dealt() -> None:
    parts = deal([row(i) for i in range(100)], {"validation": 0.1}, seed=0)
    assert {name: len(part) for name, part in parts.items()} == {"validation": 10, "train": 90}


def test_few_validation_rows_have_each_label_in_its_share_and_rare_ones_train() -> None:
    rows = [row(i, label=0 if i < 60 else 1 if i < 96 else i) for i in range(100)]
    for seed in range(20):
        parts = deal(rows, SHARES, seed)
        left = Counter(dealt.examples[0].label for name in ("validation", "train") for dealt in parts[name])
        held = Counter(dealt.examples[0].label for dealt in parts["validation"])
        assert len(parts["validation"]) == 10
        assert set(held) == {0, 1}, "a label of one row trains"
        assert all(abs(held[label] - left[label] / 8) <= 1 for label in (0, 1))


def test_the_labels_of_a_split_change_no_test_row() -> None:
    plain, told = [row(i) for i in range(100)], [row(i, label=i % 3) for i in range(100)]
    assert numbers(deal(plain, SHARES, seed=0)["test"]) == numbers(deal(told, SHARES, seed=0)["test"])


def test_a_key_of_several_labels_is_dealt_alike_in_any_order() -> None:
    rows = [row(i, key=f"user {i % 20}", label=i % 3) for i in range(100)]
    mixed = random.Random(1).sample(rows, 100)
    for part, own in deal(rows, SHARES, seed=0).items():
        assert set(numbers(own)) == set(numbers(deal(mixed, SHARES, seed=0)[part]))


def test_many_validation_rows_are_dealt_by_their_hashes_alone() -> None:
    plain, told = [row(i) for i in range(2000)], [row(i, label=i % 3) for i in range(2000)]
    assert numbers(deal(plain, SHARES, seed=0)["validation"]) == numbers(
        deal(told, SHARES, seed=0)["validation"]
    )


def test_pinned_keys_train_whatever_their_hash() -> None:
    rows = [row(i) for i in range(100)]
    pinned = {f"text {i}" for i in range(30)}
    parts = deal(rows, SHARES, seed=0, pinned=pinned)
    assert set(numbers(parts["train"])) >= set(range(30))
    assert len(parts["test"]) == 20


def test_the_first_rows_of_each_label_are_kept_in_file_order() -> None:
    rows = [row(i, label=i % 3) for i in range(30)]
    assert numbers(first_of_each_label(rows, 2)) == [0, 1, 2, 3, 4, 5]
    several = [row(0, label=(0, 1)), row(1, label=(0,)), row(2, label=(1, 2)), row(3, label=(0, 1))]
    kept = first_of_each_label(several, 1)
    assert numbers(kept) == [0, 2]
    assert Counter(label for dealt in kept for label in dealt.examples[0].label) == {0: 1, 1: 2, 2: 1}  # type: ignore[union-attr]


@settings(max_examples=60)
@given(
    keys=st.lists(st.integers(0, 40), min_size=1, max_size=300),
    seed=st.integers(0, 5),
    test=st.floats(0.05, 0.4),
    validation=st.floats(0.05, 0.4),
)
def test_no_key_ever_stands_on_two_sides_and_shares_are_met_to_within_one_key(
    keys: list[int], seed: int, test: float, validation: float
) -> None:
    rows = [row(i, key=f"user {key}") for i, key in enumerate(keys)]
    parts = deal(rows, {"test": test, "validation": validation}, seed)
    assert sorted(number for part in parts.values() for number in numbers(part)) == list(range(len(keys)))
    owners = [{dealt.key for dealt in part} for part in parts.values()]
    assert sum(map(len, owners)) == len(set(keys))
    largest = max(Counter(keys).values())
    assert abs(len(parts["test"]) - test * len(rows)) <= largest
    assert abs(len(parts["validation"]) - validation * len(rows)) <= largest


def test_a_share_of_the_negatives_is_kept_whatever_the_order_and_every_click() -> None:
    rows = [row(i, label=int(i % 10 == 0)) for i in range(1000)]
    kept, share = fewer_negatives(rows, 0.25, seed=0)
    assert (len(kept), share) == (100 + 225, 0.25)
    assert numbers(kept) == sorted(numbers(kept)), "in file order"
    mixed, _ = fewer_negatives(random.Random(1).sample(rows, 1000), 0.25, seed=0)
    assert set(numbers(mixed)) == set(numbers(kept))
    other, _ = fewer_negatives(rows, 0.25, seed=1)
    assert set(numbers(other)) != set(numbers(kept))


def test_of_a_text_that_comes_again_and_again_its_own_share_is_kept() -> None:
    rows = [Dealt((Example("the same", i, 0),), "k") for i in range(2000)]
    rows += [Dealt((Example("another", i, 0),), "k") for i in range(2000)]
    kept, _ = fewer_negatives(rows, 0.1, seed=0)
    found = Counter(dealt.examples[0].text for dealt in kept)
    assert found["the same"] + found["another"] == 400
    assert 160 <= found["the same"] <= 240


def test_the_share_that_was_kept_is_that_of_the_weights() -> None:
    rows = [Dealt((Example(f"t {i}", i, 0, weight=9.0 if i else 1.0),), f"t {i}") for i in range(2)]
    kept, share = fewer_negatives(rows, 0.5, seed=0)
    assert share == pytest.approx(kept[0].examples[0].weight / 10)
