"""Who leaves first: whoever was used least often lately."""

import random

import pytest

from adapters.serving.uses import Uses


def used(uses: Uses, *keys: str) -> None:
    """A turn for each."""
    for key in keys:
        uses.note(key)
        uses.end_turn()


def test_of_equally_many_uses_the_older_one_leaves_first() -> None:
    uses = Uses(8.0)
    used(uses, "a", "b", "c")
    assert uses.rarest(["c", "b", "a"]) == ["a", "b", "c"]


def test_one_of_many_uses_stays_while_others_come_once_each_and_not_for_ever() -> None:
    uses = Uses(8.0)
    used(uses, "often", "often", "often", "b", "c", "d")
    assert uses.rarest(["often", "b", "c", "d"]) == ["b", "c", "d", "often"]
    used(uses, *(f"new-{i}" for i in range(16)))
    assert uses.rarest(["often", "new-15"]) == ["often", "new-15"]


def test_counts_are_what_their_formula_says() -> None:
    draw, uses, half = random.Random(0), Uses(5.0), 5.0
    at: dict[str, list[int]] = {}
    for turn in range(1, 400):
        key = draw.choice("aaabbcdef")
        used(uses, key)
        at.setdefault(key, []).append(turn)
        counts = {each: sum(2 ** ((use - turn) / half) for use in own) for each, own in at.items()}
        assert uses.rarest(at) == sorted(at, key=lambda each: counts[each])


def test_rows_of_one_turn_are_one_use() -> None:
    uses = Uses(8.0)
    for _ in range(50):
        uses.note("large")
    uses.end_turn()
    used(uses, "small", "small")
    assert uses.rarest(["small", "large"]) == ["large", "small"]


@pytest.mark.parametrize("uses", [1, 100_000])
def test_what_went_back_to_the_hub_begins_again(uses: int) -> None:
    found = Uses(2.0)
    used(found, *["a"] * uses)
    found.forget("a")
    used(found, "b", "b", "a")
    assert found.rarest(["a", "b", "never"]) == ["never", "a", "b"]
