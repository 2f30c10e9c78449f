"""Which slot an adapter gets: one that is free, else that of the least recently used adapter that may leave."""

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
        leaving: whether it goes once its last row is done.
    """

    slot: int
    packed: Packed
    rows: int = 0
    leaving: bool = False


class Chosen(NamedTuple):
    """A slot, and the adapter that leaves it; None where it is free."""

    slot: int
    leaves: str | None = None


def choose_slot(in_slots: Mapping[str, InSlot], count: int, pinned: Collection[str]) -> Chosen | None:
    """The slot for an adapter that is in none; None while each of the `count` is in use or pinned.

    in_slots: adapters by key, the least recently used first.
    """
    taken = {held.slot for held in in_slots.values()}
    if len(taken) < count:
        return Chosen(min(set(range(count)) - taken))
    for key, held in in_slots.items():
        if held.rows == 0 and key not in pinned:
            return Chosen(held.slot, leaves=key)
    return None
