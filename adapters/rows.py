"""Which row uses which slot: the plan of one step, made once and shared by all layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor


@dataclass(frozen=True)
class Segment:
    """Consecutive rows `start:stop` that use one slot (None: the base alone)."""

    slot: int | None
    start: int
    stop: int


@dataclass(frozen=True)
class Rows:
    """slots[i] is the slot of row i, or None for the base itself.

    Callers put rows of one slot side by side: a few long segments then run as one product each.
    """

    slots: tuple[int | None, ...]

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Runs of equal slots, in order."""
        found, start = [], 0
        for slot, run in groupby(self.slots):
            stop = start + len(list(run))
            found.append(Segment(slot, start, stop))
            start = stop
        return tuple(found)

    def index(self, empty: int, device: torch.device) -> Tensor:
        """Slots as a tensor `[rows]`, rows of the base pointing at the slot that stays empty."""
        return torch.tensor([empty if slot is None else slot for slot in self.slots], device=device)


def join(groups: Sequence[tuple[int | None, int]]) -> Rows:
    """Rows of `(slot, count)` groups, side by side."""
    return Rows(tuple(slot for slot, count in groups for _ in range(count)))
