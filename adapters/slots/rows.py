"""Which row uses which slot: the plan of one step, made once and shared by all layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from adapters.kernels.plan import Segment


@dataclass(frozen=True)
class RowSlots:
    """Which slot each row of a batch uses.

    Callers put rows of one slot side by side: a few long segments then run as one product each.

    Attributes:
        slots: the slot of each row, None for the base itself.
    """

    slots: tuple[int | None, ...]

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """Runs of equal slots, in order."""
        found, start = [], 0
        for slot, run in groupby(self.slots):
            stop = start + len(list(run))
            found.append(Segment(slot, start, stop))
            start = stop
        return tuple(found)


def join(groups: Sequence[tuple[int | None, int]]) -> RowSlots:
    """Rows side by side, group by group.

    Args:
        groups: a slot, or None for the base, and how many rows use it.
    """
    return RowSlots(tuple(slot for slot, count in groups for _ in range(count)))
