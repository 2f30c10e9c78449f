"""The limits of keys, held by a replica together with the others.

While the counts answer, a key has in the whole fleet what it may. While they do not (their actor died, its machine is
gone), each replica gives a key its part: of R requests and T tokens a minute, and W requests at a time, the share of
one of N replicas, rounded up. A replica asks for the counts again once a second. A new actor begins each key with what
the first replica to speak had heard, a second old, and with the requests that each says it runs: around a death a key
may have up to a share of each replica and a second of its requests too much, and never waits for the actor.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Protocol

from hub.fleet.counting import Heard, Refused
from hub.server.budgets import Budgets, Levels
from hub.server.caller import Caller
from hub.server.keys import Key
from hub.server.peers import Peer

_PATIENCE = 1.0  # seconds that a request waits for the counts
_log = logging.getLogger(__name__)


class Asked(Protocol):
    """The counts, wherever they are; each call raises whatever the way there raises."""

    def sync(
        self, peer: Peer, running: Mapping[Caller, int], levels: Mapping[str, Levels], again: bool
    ) -> Awaitable[Heard]:
        """As of `Counts`."""

    def take(self, id: str, caller: Caller) -> Awaitable[Refused | bool]:
        """As of `Counts`."""

    def leave(self, id: str, caller: Caller, tokens: int) -> Awaitable[None]:
        """As of `Counts`."""


class Shares:
    """What a replica's `Service` asks in the place of budgets of its own.

    Args:
        id: of this replica.
        counts: of the fleet.
        replicas: how many there are, until they are known.
        working: requests at a time of a key that says nothing of its own; each replica has its own.
        patience: seconds that a request waits for the counts.
    """

    def __init__(
        self, id: str, counts: Asked, replicas: int, working: int, patience: float = _PATIENCE
    ) -> None:
        self._id = id
        self._counts = counts
        self._own = Budgets(working)
        self._replicas = replicas
        self._patience = patience
        self._running: dict[Caller, int] = {}
        self._spent: dict[str, int] = {}
        self._heard: Heard | None = None
        self._leaving: set[asyncio.Future[None]] = set()  # a loop holds its tasks by weak references alone
        self.answer = False  # whether the counts do

    @property
    def peers(self) -> Mapping[str, Peer]:
        """The replicas, as last heard of."""
        return self._heard.peers if self._heard else {}

    async def sync(self, peer: Peer) -> None:
        """Say what this replica is and runs; from then on the counts are asked again."""
        levels = self._heard.levels if self._heard else {}
        try:
            async with asyncio.timeout(self._patience):
                self._heard = await self._counts.sync(peer, dict(self._running), levels, not self.answer)
        except Exception as error:  # whatever lies between here and the actor
            self._lost(error)
        else:
            self._replicas = max(1, len(self._heard.peers))
            self.answer = True

    @asynccontextmanager
    async def one(self, caller: Caller) -> AsyncIterator[None]:
        """While a request of this caller runs. Raises TooFast, and Busy where too many of its are under way."""
        if not _is_limited(caller.key):
            async with self._own.one(caller):
                yield
            return
        if not await self._take(caller):
            async with self._own.one(self._part(caller)):
                yield
            return
        self._running[caller] = self._running.get(caller, 0) + 1
        try:
            yield
        finally:
            left = self._running.pop(caller) - 1
            if left:
                self._running[caller] = left
            self._later(self._leave(caller, self._spent.pop(caller.id, 0)))

    def spent(self, caller: Caller, tokens: int) -> None:
        """A request read and wrote so many tokens."""
        if not _is_limited(caller.key):
            return
        if self.answer:
            self._spent[caller.id] = self._spent.get(caller.id, 0) + tokens
        else:
            self._own.spent(self._part(caller), tokens)

    async def _take(self, caller: Caller) -> bool:
        """Whether the counts have let a request in; False where they do not answer."""
        if not self.answer:
            return False
        taking = asyncio.ensure_future(self._counts.take(self._id, caller))
        try:
            async with asyncio.timeout(self._patience):
                told = await asyncio.shield(taking)
        except asyncio.CancelledError:  # the client has gone, and never leaves
            self._later(self._give_back(taking, caller))
            raise
        except Exception as error:
            taking.cancel()
            self._lost(error)
            return False
        if isinstance(told, Refused):
            raise told.error()
        if not told:
            self.answer = False
        return told

    async def _give_back(self, taking: Awaitable[Refused | bool], caller: Caller) -> None:
        try:
            if await taking is True:
                await self._counts.leave(self._id, caller, 0)
        except (Exception, asyncio.CancelledError) as error:
            self._lost(error)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _leave(self, caller: Caller, tokens: int) -> None:
        with suppress(Exception):  # they are lost with the actor that held them
            await self._counts.leave(self._id, caller, tokens)

    def _lost(self, error: BaseException) -> None:
        if self.answer:
            _log.warning(
                "the counts of the fleet do not answer (%s); keys have a share each", type(error).__name__
            )
        self.answer = False

    def _part(self, caller: Caller) -> Caller:
        """The caller with this replica's share of what its key may."""
        key, among = caller.key, self._replicas
        assert key is not None

        def part(most: int | None) -> int | None:
            return None if most is None else math.ceil(most / among)

        limited = replace(
            key, requests=part(key.requests), tokens=part(key.tokens), working=part(key.working)
        )
        return Caller(limited)


def _is_limited(key: Key | None) -> bool:
    return key is not None and (key.requests, key.tokens, key.working) != (None, None, None)
