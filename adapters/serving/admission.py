"""Which waiting requests run next: in fair order, for as long as there is room, and nobody waits for ever.

A request needs its adapter in host memory, a slot for it and, to be written, a row and positions of the KV cache. One
that finds no slot or no room is passed by those behind it that do, but only so often: then the batch drains until it
fits.
"""

import heapq
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import islice
from threading import TIMEOUT_MAX
from time import monotonic
from typing import Any, Protocol

from adapters.base.base import Base
from adapters.errors import AdapterError, Cancelled, DeadlineExceeded, RepertoireError, RequestError
from adapters.serving.counters import Counters
from adapters.serving.fair_queue import FairQueue
from adapters.serving.request import Request, Ticket
from adapters.serving.residency import Residency
from adapters.serving.turn import Ended, Load, Turn
from adapters.slots.packed import Packed
from adapters.slots.stems import common

_LOOK_AHEAD = 256  # waiting requests that are looked at before each step
_OVERTAKES = 64  # so often a request that finds no room is passed by others
_TIMED = 64  # deadlines that are kept before answered ones are looked for


class Room(Protocol):
    """What of the running texts decides whether another one can join."""

    @property
    def max_positions(self) -> int:
        """The most positions of the cache, rows times the longest of them."""

    def fits(self, texts: Sequence[int]) -> bool:
        """Whether texts can join now that need so many positions each."""


class Admission:
    """The queue of one runtime. Every call needs the runtime's lock."""

    def __init__(
        self, base: Base, residency: Residency, room: Room, waiting: FairQueue[Ticket], counters: Counters
    ) -> None:
        self.waiting = waiting
        self.loads: list[Load] = []
        self._base = base
        self._residency = residency
        self._room = room
        self._counters = counters
        self._timed: list[tuple[float, int, Ticket]] = []
        self._timed_at_most = _TIMED
        self._cancelled: list[Ticket] = []

    def push(self, ticket: Ticket) -> None:
        """Put a request in the queue; one that can never be answered raises RequestError."""
        request = ticket.request
        if not request.ids:
            raise RequestError("the text is empty; give some text")
        known = self._base.vocabulary
        if not 0 <= min(request.ids) <= max(request.ids) < known:
            raise RequestError(f"a token id is not within the base's 0 to {known - 1}; use its own tokenizer")
        ticket.arrival = monotonic()
        self.waiting.push(ticket, request.client, request.cost, ticket.arrival)
        if request.deadline is not None:
            heapq.heappush(self._timed, (ticket.arrival + request.deadline, id(ticket), ticket))
            if len(self._timed) > self._timed_at_most:
                self._forget_answered()

    def cancel(self, ticket: Ticket) -> None:
        """Remember that a request was given up."""
        self._cancelled.append(ticket)

    def time_left(self) -> float | None:
        """Seconds until the next deadline, as far as a lock can wait; None without one."""
        return min(max(0.0, self._timed[0][0] - monotonic()), TIMEOUT_MAX) if self._timed else None

    def rest(self) -> None:
        """Nobody waits and nothing runs: no deadline is left to be kept."""
        self._timed.clear()

    def given_up(self) -> dict[Ticket, RepertoireError]:
        """Requests, waiting or running, that were cancelled or are too late, since the last call."""
        found: dict[Ticket, RepertoireError] = {}
        for ticket in self._cancelled:
            found[ticket] = Cancelled("the request was cancelled")
        self._cancelled.clear()
        now = monotonic()
        while self._timed and self._timed[0][0] <= now:
            ticket = heapq.heappop(self._timed)[2]
            found[ticket] = DeadlineExceeded(
                f"not answered within {ticket.request.deadline} s; give it more time, or send fewer requests"
            )
        return {ticket: error for ticket, error in found.items() if not ticket.done()}

    def end(self, given_up: dict[Ticket, RepertoireError], ended: Ended) -> None:
        """Take waiting requests out that were given up, or whose adapter cannot be had."""
        failures = self._residency.failures()
        if not given_up and not failures:
            return
        for ticket in list(self.waiting):
            error = given_up.get(ticket) or failures.get(ticket.request.adapter or "")
            if error is not None:
                self.waiting.drop(ticket)
                ended.append((ticket, error))
        for load in list(self.loads):
            if load.key in failures:
                self.loads.remove(load)
                ended.append((load.done, failures[load.key]))

    def admit(self, read_tokens: int, turn: Turn) -> None:
        """Let the requests and loads in whose turn it is, each with a slot acquired; at most `read_tokens` of prompts
        (first tokens that neighbours share count once), but one request at least."""
        self._admit_loads(turn)
        blocked: list[Ticket] = []
        needs: list[int] = []
        ahead = list(islice(self.waiting, _LOOK_AHEAD))
        tokens = 0
        read: dict[
            str | None, tuple[int, ...]
        ] = {}  # the last prompt of each adapter: what is shared is read once
        for ticket in ahead:
            request = ticket.request
            if tokens >= read_tokens or (blocked and blocked[0].overtaken >= _OVERTAKES):
                break
            packed = self._residency.find(request.adapter) if request.adapter else None
            if request.adapter and packed is None:
                # On its way into host memory.
                continue
            need = _positions(request, packed)
            fault = self._fault(request, packed, need) or self._hopeless(request.adapter)
            if fault is not None:
                self.waiting.drop(ticket)
                turn.ended.append((ticket, fault))
            elif self._can_run(ticket, [*needs, need]):
                for passed in blocked:
                    passed.overtaken += 1
                self.waiting.take(ticket)
                self._counters.queue.add(monotonic() - ticket.arrival)
                turn.admitted.append(ticket)
                before = read.get(request.adapter, ()) if self._base.reads_forward else ()
                tokens += max(1, len(request.ids) - common(before, request.ids))
                read[request.adapter] = request.ids
                if request.sampling is not None:
                    needs.append(need)
            else:
                blocked.append(ticket)
        taken = set(turn.admitted)
        self._want([ticket.request.adapter for ticket in ahead if ticket not in taken])

    def clear(self) -> list[Future[Any]]:
        """Take everything out that waits."""
        cleared: list[Future[Any]] = [*self.waiting, *(load.done for load in self.loads)]
        for ticket in list(self.waiting):
            self.waiting.drop(ticket)
        self.loads = []
        return cleared

    def _forget_answered(self) -> None:
        """Let tickets go that were answered before their deadline; at a cost that pushing them has paid for."""
        self._timed = [entry for entry in self._timed if not entry[2].done()]
        heapq.heapify(self._timed)
        self._timed_at_most = max(_TIMED, 2 * len(self._timed))

    def _admit_loads(self, turn: Turn) -> None:
        for load in list(self.loads):
            hopeless = self._hopeless(load.key)
            if hopeless is not None:
                self.loads.remove(load)
                turn.ended.append((load.done, hopeless))
            elif self._residency.find(load.key) is not None and self._residency.acquire(load.key) is not None:
                self.loads.remove(load)
                turn.loads.append(load)

    def _want(self, ahead: Sequence[str | None]) -> None:
        """Have the adapters fetched that are needed next, as many as there are slots."""
        keys = dict.fromkeys([load.key for load in self.loads])
        keys |= dict.fromkeys(key for key in ahead if key is not None)
        self._residency.want(frozenset(islice(keys, self._residency.slots)))

    def _can_run(self, ticket: Ticket, needs: Sequence[int]) -> bool:
        """Whether a request can run now; it has its slot then."""
        request = ticket.request
        if request.sampling is not None and not self._room.fits(needs):
            return False
        if request.adapter is None:
            return True
        ticket.slot = self._residency.acquire(request.adapter)
        return ticket.slot is not None

    def _fault(self, request: Request, packed: Packed | None, need: int) -> RepertoireError | None:
        """What of a request does not fit its adapter, the base or the cache."""
        head = packed is not None and packed.head is not None
        name = "the base" if packed is None else "this adapter"
        if request.sampling is None and request.pooling is None and not head:
            return RequestError(f"{name} has no labels to predict; ask it to write instead")
        if request.sampling is not None and (head or self._base.kind == "encoder"):
            return RequestError(f"{name} does not write text; ask it for labels instead")
        if need > self._base.max_positions:
            prefix = 0 if packed is None else packed.prefix_length
            new = need - prefix - len(request.ids)
            return RequestError(
                f"{prefix} prefix + {len(request.ids)} prompt + {new} new tokens are more than the base's "
                f"{self._base.max_positions} positions; shorten the text"
            )
        if request.sampling is not None and need > self._room.max_positions:
            return RequestError(
                f"{need} positions are more than the {self._room.max_positions} of the KV cache; "
                "shorten the text, or raise Limits.positions"
            )
        return None

    def _hopeless(self, key: str | None) -> RepertoireError | None:
        if key is None or not self._residency.shut_out(key):
            return None
        return AdapterError(self._residency.why_shut_out())


def _positions(request: Request, packed: Packed | None) -> int:
    """Prefix, prompt and new tokens of a request."""
    return request.cost + (0 if packed is None else packed.prefix_length)
