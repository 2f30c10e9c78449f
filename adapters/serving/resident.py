"""Where one adapter is, as it is told to whoever asks: also to processes that hold no base, and so load no torch."""

from dataclasses import dataclass
from typing import Literal

Tier = Literal["slot", "host", "loading"]


@dataclass(frozen=True)
class Resident:
    """One adapter's whereabouts.

    Attributes:
        adapter: its key, or where a registry reports, its reference.
        tier: where it is.
        slot: None outside the slots.
        rows: running rows that use it.
        pinned: whether it stays in its slot.
        size: bytes in host memory, 0 where it is not there.
    """

    adapter: str
    tier: Tier
    slot: int | None
    rows: int
    pinned: bool
    size: int
