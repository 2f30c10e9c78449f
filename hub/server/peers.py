"""The servers of a fleet, as one of them knows the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import time

from adapters.serving import Resident


@dataclass(frozen=True)
class Peer:
    """One server that answers for the same hub on the same base.

    Attributes:
        id: by which it is told from the others.
        node: the machine that it runs on.
        slots: that it has.
        waiting: rows in its queue.
        writing: texts that it writes.
        residents: its adapters nearer than the hub.
        seen: when it said so, in seconds since 1970.
        tokens: that it wrote since it began.
    """

    id: str
    node: str
    slots: int
    waiting: int
    writing: int
    residents: Sequence[Resident]
    seen: float
    tokens: int = 0

    @property
    def age(self) -> float:
        """Seconds since it was heard of."""
        return max(0.0, time() - self.seen)
