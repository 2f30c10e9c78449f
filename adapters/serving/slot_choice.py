"""Which slot an adapter gets: one that is free, else that of the first adapter that may leave."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from adapters.slots.packed import Packed


@dataclass
class InSlot:
    """An adapter in a slot.

    Attributes:
        slot: which one.
        packed: its tensors, or only what is known of it once they were copied.
        rows: running rows that use it.
        large: whether it has memory of its own.
        leaving: whether it goes once its last row is done.
    """

    slot: int
    packed: Packed
    large: bool = False
    rows: int = 0
    leaving: bool = False


class Chosen(NamedTuple):
    """A slot, and the adapter that leaves it; None where it is free."""

    slot: int
    leaves: str | None = None


def choose_slot(
    in_slots: Mapping[str, InSlot], count: int, pinned: Collection[str], large: int | None = None
) -> Chosen | None:
    """The slot for an adapter that is in none; None while each that it could have is in use or pinned.

    in_slots: adapters by key, in the order in which they would leave. large: for an adapter that is to have memory of
    its own, how many of these there may be; one of them leaves where there are so many.
    """
    full = large is not None and sum(held.large for held in in_slots.values()) >= large
    taken = {held.slot for held in in_slots.values()}
    if len(taken) < count and not full:
        return Chosen(min(set(range(count)) - taken))
    for key, held in in_slots.items():
        if held.rows == 0 and key not in pinned and (held.large or not full):
            return Chosen(held.slot, leaves=key)
    return None
