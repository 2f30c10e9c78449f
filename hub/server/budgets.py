"""What a key may take in a minute, and how many of its requests are under way.

A bucket holds one minute's worth and fills evenly. Requests are paid for when they come, tokens when they are known, so
that a bucket may be overdrawn once: then its key waits until it is level again. The fair queue of the runtime shares
the machine between clients beyond that.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from adapters.errors import Busy
from hub.server.caller import Caller
from hub.server.failing import TooFast
from hub.server.keys import Key

Levels = tuple[float | None, float | None]
"""Requests and tokens that are left."""

_MINUTE = 60.0


@dataclass
class _Bucket:
    """left: of `most`; at: seconds of the clock."""

    most: int
    left: float
    at: float

    def fill(self) -> None:
        now = monotonic()
        self.left = min(float(self.most), self.left + (now - self.at) * self.most / _MINUTE)
        self.at = now

    def wait(self, needed: float) -> float:
        """Seconds until there is so much."""
        self.fill()
        return max(0.0, (needed - self.left) * _MINUTE / self.most)


class Spending(Protocol):
    """Who may send a request now: `Budgets` of one server, or what several servers agree on."""

    def one(self, caller: Caller) -> AbstractAsyncContextManager[None]:
        """While a request of this caller runs. Raises TooFast, and Busy where too many of its are under way."""

    def spent(self, caller: Caller, tokens: int) -> None:
        """A request read and wrote so many tokens."""


class Budgets:
    """Those of every key of one server. working: requests at a time of a key that says nothing of its own."""

    def __init__(self, working: int) -> None:
        self._most = working
        self._requests: dict[str, _Bucket] = {}
        self._tokens: dict[str, _Bucket] = {}
        self._working: dict[str, int] = {}
        self._heard: Mapping[str, Levels] = {}
        self._heard_at = 0.0

    @asynccontextmanager
    async def one(self, caller: Caller) -> AsyncIterator[None]:
        """While a request of this caller runs. Raises TooFast, and Busy where too many of its are under way."""
        self.begin(caller)
        try:
            yield
        finally:
            self.end(caller)

    def begin(self, caller: Caller) -> None:
        """A request comes, and runs until `end`. Raises TooFast, and Busy: then it does not run."""
        key, now = caller.key, self._working.get(caller.id, 0)
        most = self._most if key is None or key.working is None else key.working
        if now >= most:
            raise Busy(
                f"{now} requests of this key are under way, as many as it may have; wait for some of them"
            )
        if key is not None:
            self._pay(key)
        self._working[caller.id] = now + 1

    def running(self, caller: Caller, count: int) -> None:
        """So many requests of this caller run that nobody was asked for."""
        self._working[caller.id] = self._working.get(caller.id, 0) + count

    def end(self, caller: Caller) -> None:
        """A request that began has ended."""
        left = self._working.pop(caller.id) - 1
        if left:
            self._working[caller.id] = left

    def spent(self, caller: Caller, tokens: int) -> None:
        """A request read and wrote so many tokens."""
        if caller.key is not None and caller.key.tokens is not None:
            self._bucket(1, caller.key.id, caller.key.tokens).left -= tokens

    def levels(self) -> Mapping[str, Levels]:
        """Key -> the requests and tokens that it has left of this minute; None for those that are not counted."""
        for each in (*self._requests.values(), *self._tokens.values()):
            each.fill()
        left = [{id: each.left for id, each in kind.items()} for kind in (self._requests, self._tokens)]
        return {id: (left[0].get(id), left[1].get(id)) for id in left[0] | left[1]}

    def go_on(self, levels: Mapping[str, Levels]) -> None:
        """Begin where others left off: each key that nobody has paid for here begins with what it had there, and
        what came to it since."""
        self._heard, self._heard_at = levels, monotonic()

    def _pay(self, key: Key) -> None:
        if key.tokens is not None and (seconds := self._bucket(1, key.id, key.tokens).wait(1.0)):
            raise TooFast(f"this key may read and write {key.tokens} tokens a minute; wait", seconds)
        if key.requests is not None:
            bucket = self._bucket(0, key.id, key.requests)
            if seconds := bucket.wait(1.0):
                raise TooFast(f"this key may send {key.requests} requests a minute; wait", seconds)
            bucket.left -= 1

    def _bucket(self, kind: int, id: str, most: int) -> _Bucket:
        """That of a key. kind: 0 for requests, 1 for tokens."""
        buckets = (self._requests, self._tokens)[kind]
        bucket = buckets.get(id)
        if bucket is None or bucket.most != most:
            heard = self._heard.get(id, (None, None))[kind]
            left, at = (float(most), monotonic()) if heard is None else (heard, self._heard_at)
            bucket = buckets[id] = _Bucket(most, left, at)
            bucket.fill()
        return bucket
