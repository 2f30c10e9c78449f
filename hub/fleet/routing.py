"""Which replica a request goes to: pure functions of what is known of the replicas.

    adapter a     replica 1: in a slot, 40 under way     replica 2: in host memory     replica 3: -
    bound  = max(easy, spare * (all under way + 1) / replicas)
    order  : in a slot and below the bound; in host memory and below it; the others below it; the rest

Where nobody has it, each adapter has an order of replicas of its own (rendezvous hashing, Thaler and Ravishankar 1998):
an ingress needs no memory to send it to the same one again, and a replica that goes moves only its own adapters. The
order is that of the name, so that `name`, `name@production` and `name@3`, which may be one version, meet there. Of its
first two the one comes first that has fewer adapters in host memory, so that replicas fill alike (two choices,
Mitzenmacher 2001). The bound (Mirrokni, Thorup and Zadimoghaddam 2016) lets no replica have much more than its share: a
hot adapter goes on to the next one of its order, which then has it, too; a cold one stays where it is.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

EASY = 8
"""Requests that a replica has beside each other at little cost, as they share its steps."""

SPARE = 1.25


@dataclass(frozen=True)
class Seat:
    """One replica. busy: requests under way; slots, host: references of the adapters that are there."""

    id: str
    busy: int = 0
    slots: Collection[str] = ()
    host: Collection[str] = ()


def ranked(adapter: str, seats: Sequence[Seat], easy: int = EASY, spare: float = SPARE) -> list[str]:
    """The ids of all replicas, the best for a request first.

    Args:
        adapter: the reference that it names; empty for a request that names none: the least busy is the best.
        seats: the replicas.
        easy: requests up to which none is overloaded.
        spare: how much of the mean a replica may have beyond that.
    """
    if not adapter:
        return [each.id for each in sorted(seats, key=lambda each: (each.busy, each.id))]
    bound = max(easy, spare * (sum(each.busy for each in seats) + 1) / max(1, len(seats)))

    def rank(seat: Seat) -> tuple[float, ...]:
        if seat.busy >= bound:
            return (3, seat.busy, weight(adapter, seat.id))
        if adapter in seat.slots:
            return (0, max(easy, seat.busy), weight(adapter, seat.id))
        return (1 if adapter in seat.host else 2, weight(adapter, seat.id))

    order = sorted(seats, key=rank)
    if (
        len(order) > 1
        and rank(order[0])[0] == rank(order[1])[0] == 2
        and len(order[1].host) < len(order[0].host)
    ):
        order[:2] = order[1], order[0]
    return [each.id for each in order]


@lru_cache(maxsize=2**18)
def weight(adapter: str, id: str) -> int:
    """How far back a replica stands in the order of an adapter; 64 random bits, the same in every process."""
    name = adapter.partition("@")[0]
    return int.from_bytes(blake2b(f"{name}\0{id}".encode("utf-8", "replace"), digest_size=8).digest())
