"""What a key may take in a minute, and how many of its requests are under way.

A bucket holds one minute's worth and fills evenly. Requests are paid for when they come, tokens when they are known, so
that a bucket may be overdrawn once: then its key waits until it is level again. The fair queue of the runtime shares
the machine between clients beyond that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from adapters.errors import Busy
from hub.server.caller import Caller
from hub.server.failing import TooFast
from hub.server.keys import Key

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


class Budgets:
    """Those of every key of one server. working: requests at a time of a key that says nothing of its own."""

    def __init__(self, working: int) -> None:
        self._most = working
        self._requests: dict[str, _Bucket] = {}
        self._tokens: dict[str, _Bucket] = {}
        self._working: dict[str, int] = {}

    @contextmanager
    def one(self, caller: Caller) -> Iterator[None]:
        """While a request of this caller runs. Raises TooFast, and Busy where too many of its are under way."""
        key, now = caller.key, self._working.get(caller.id, 0)
        most = self._most if key is None or key.working is None else key.working
        if now >= most:
            raise Busy(
                f"{now} requests of this key are under way, as many as it may have; wait for some of them"
            )
        if key is not None:
            self._pay(key)
        self._working[caller.id] = now + 1
        try:
            yield
        finally:
            left = self._working.pop(caller.id) - 1
            if left:
                self._working[caller.id] = left

    def spent(self, caller: Caller, tokens: int) -> None:
        """A request read and wrote so many tokens."""
        if caller.key is not None and caller.key.tokens is not None:
            _bucket(self._tokens, caller.key.id, caller.key.tokens).left -= tokens

    def _pay(self, key: Key) -> None:
        if key.tokens is not None and (seconds := _bucket(self._tokens, key.id, key.tokens).wait(1.0)):
            raise TooFast(f"this key may read and write {key.tokens} tokens a minute; wait", seconds)
        if key.requests is not None:
            bucket = _bucket(self._requests, key.id, key.requests)
            if seconds := bucket.wait(1.0):
                raise TooFast(f"this key may send {key.requests} requests a minute; wait", seconds)
            bucket.left -= 1


def _bucket(buckets: dict[str, _Bucket], id: str, most: int) -> _Bucket:
    bucket = buckets.get(id)
    if bucket is None or bucket.most != most:
        bucket = buckets[id] = _Bucket(most, float(most), monotonic())
    return bucket
