"""The waiting requests of many clients, in an order that is fair to all.

Start-time fair queuing (Goyal, Vin, Cheng 1996, "Start-time Fair Queuing", §2): a request's tag is the later of the
virtual time and its client's last finish tag; its finish tag is its tag plus cost / weight. Served by tag, a client
with a thousand waiting requests gets its share and no more, and one that was idle is served next but saves nothing up.

Aging moves a request forward by `aging` units of cost for each second that it waits. All waiting requests age alike, so
that their order never changes after they came in: a request stands at `tag + aging * (time of arrival)`.
"""

from bisect import insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
_MOST_KNOWN = 4096  # clients of whom nothing waits, and whose finish tags are remembered


@dataclass(frozen=True)
class _Waiting(Generic[Item]):
    order: float
    arrival: int
    tag: float
    share: float
    client: str
    item: Item

    def __lt__(self, other: "_Waiting[Item]") -> bool:
        return (self.order, self.arrival) < (other.order, other.arrival)


class FairQueue(Generic[Item]):
    """Items in fair order. Not safe for threads by itself.

    weights: shares of the clients; one that is not named has 1. aging: cost that one second of waiting makes up for.
    """

    def __init__(self, weights: Mapping[str, float] | None = None, aging: float = 0.0) -> None:
        self._weights = dict(weights or {})
        wrong = [client for client, weight in self._weights.items() if not weight > 0]
        if wrong:
            raise ValueError(f"weights must be above 0; those of {', '.join(wrong)} are not")
        self._aging = aging
        self._sorted: list[_Waiting[Item]] = []
        self._finish: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._virtual = 0.0
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._sorted)

    def __iter__(self) -> Iterator[Item]:
        """All items, the next first."""
        return (waiting.item for waiting in self._sorted)

    def count(self, client: str) -> int:
        """How many items of a client wait."""
        return self._counts.get(client, 0)

    def push(self, item: Item, client: str, cost: float, now: float) -> None:
        """Put an item where its turn is. cost: about how much work it is; now: seconds."""
        tag = max(self._virtual, self._finish.get(client, 0.0))
        share = cost / self._weights.get(client, 1.0)
        self._finish[client] = tag + share
        if len(self._finish) > 2 * (len(self._counts) + _MOST_KNOWN):
            self._forget()
        self._arrivals += 1
        waiting = _Waiting(tag + self._aging * now, self._arrivals, tag, share, client, item)
        if self._sorted and waiting < self._sorted[-1]:
            insort(self._sorted, waiting)
        else:
            self._sorted.append(waiting)
        self._counts[client] = self.count(client) + 1

    def take(self, item: Item) -> None:
        """Take an item out to be served: virtual time moves on to its tag."""
        self._virtual = max(self._virtual, self._out(item).tag)
        self._end()

    def drop(self, item: Item) -> None:
        """Take an item out that will not be served: its client does not pay for it."""
        found = self._out(item)
        if found.client in self._finish:
            self._finish[found.client] -= found.share
        self._end()

    def _end(self) -> None:
        """Where nobody waits, nobody is owed anything."""
        if not self._sorted:
            self._finish.clear()
            self._virtual = 0.0

    def _forget(self) -> None:
        """Clients who have nothing waiting: those whose tags virtual time has passed, which changes no order, and of
        the others all but those who had the most."""
        ahead = [
            (tag, client)
            for client, tag in self._finish.items()
            if tag > self._virtual and client not in self._counts
        ]
        kept = {*self._counts, *(client for _, client in sorted(ahead)[-_MOST_KNOWN:])}
        self._finish = {client: tag for client, tag in self._finish.items() if client in kept}

    def _out(self, item: Item) -> _Waiting[Item]:
        at = next(i for i, waiting in enumerate(self._sorted) if waiting.item == item)
        found = self._sorted.pop(at)
        self._counts[found.client] -= 1
        if not self._counts[found.client]:
            del self._counts[found.client]
        return found
