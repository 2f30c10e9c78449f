"""Which slot an adapter gets, and who leaves for it."""

from dataclasses import dataclass

from adapters.serving.slot_choice import Chosen, choose_slot


@dataclass
class _Held:
    slot: int
    rows: int = 0
    large: bool = False
    leaving: bool = False
    packed: None = None


def test_the_lowest_free_slot_comes_first() -> None:
    assert choose_slot({"a": _Held(0), "b": _Held(2)}, 3, ()) == Chosen(1)


def test_the_first_that_is_idle_and_not_pinned_leaves() -> None:
    in_slots = {"runs": _Held(0, rows=1), "pinned": _Held(1), "old": _Held(2), "new": _Held(3)}
    assert choose_slot(in_slots, 4, {"pinned"}) == Chosen(2, leaves="old")


def test_no_slot_while_all_run_or_are_pinned() -> None:
    assert choose_slot({"runs": _Held(0, rows=2), "pinned": _Held(1)}, 2, {"pinned"}) is None


def test_a_large_one_takes_the_place_of_a_large_one_where_there_are_enough() -> None:
    in_slots = {"small": _Held(0), "large": _Held(1, large=True)}
    assert choose_slot(in_slots, 4, (), large=1) == Chosen(1, leaves="large")
    assert choose_slot(in_slots, 4, {"large"}, large=1) is None
    assert choose_slot(in_slots, 4, (), large=2) == Chosen(2)
