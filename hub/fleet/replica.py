"""A replica: the base, a registry and the server's application, asked by the ingress and not over a port."""

import asyncio
import logging
import os
import platform
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic, time

from starlette.types import Message
from starlette.types import Scope as AsgiScope

from adapters import Limits
from hub.errors import HubError
from hub.feedback.arms import PRODUCTION
from hub.feedback.log import Feedback
from hub.feedback.loop import LIVE
from hub.fleet.setting import Setting, keys_of
from hub.fleet.shares import Asked, Shares
from hub.hub import Hub
from hub.registry.registry import Registry
from hub.server.bounds import Bounds
from hub.server.lines import log_lines
from hub.server.peers import Peer
from hub.server.service import Service

_SYNC = 1.0  # seconds
_STUCK = 60.0
_log = logging.getLogger(__name__)


class Stuck(HubError):
    """Rows wait, and for a minute none has gone on."""


class Worker:
    """One replica, whatever runs it.

    Args:
        id: by which it is told from the others.
        setting: of the fleet.
        counts: of the fleet.
    """

    def __init__(self, id: str, setting: Setting, counts: Asked) -> None:
        from hub.server.app import create_app

        bounds = Bounds(body=setting.body, seconds=setting.seconds)
        hub = Hub(setting.hub, create=False, trust=setting.trust)
        limits = Limits(slots=setting.slots, rows=setting.rows)
        self.registry = Registry(hub, setting.base, setting.quantization, limits=limits)
        self._id = id
        self._shares = Shares(id, counts, setting.replicas, bounds.working)
        self.app = create_app(
            self.registry,
            keys_of(setting),
            bounds,
            local=setting.local,
            spending=self._shares,
            peers=self._peers,
            log=partial(Feedback, hub, moment=0.0),  # any replica may be told what came of an answer
        )
        self._service: Service = self.app.state.service
        self._went_on = ((), monotonic())  # what it had done, and when that was last different
        self._syncing: asyncio.Task[None] | None = None
        log_lines()

    async def answer(self, scope: AsgiScope, body: bytes) -> AsyncIterator[Sequence[Message]]:
        """A request of the ingress: its answer as ASGI has it, whatever is there at a time."""
        self.speak()
        queue: asyncio.Queue[Message | None] = asyncio.Queue()
        asked = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if asked:
                return asked.pop()
            return await asyncio.Future()  # whoever goes away cancels this call

        work = asyncio.ensure_future(self.app(scope, receive, queue.put))
        work.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            ended = False
            while not ended:
                messages = [await queue.get()]
                while not queue.empty():
                    messages.append(queue.get_nowait())
                ended = messages[-1] is None
                if found := [each for each in messages if each is not None]:
                    yield found
            if work.exception() is not None:  # it was answered and logged
                _log.error("a request failed: %s", type(work.exception()).__name__)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    def speak(self) -> None:
        """Say to the others what this replica is, now and once a second, from the loop that answers."""
        if self._syncing is None or self._syncing.done():
            self._syncing = asyncio.ensure_future(self._sync())

    def has(self) -> dict[str, list[str]]:
        """The references that lie in slots and in host memory: by version, and by each name that is followed to it. Of
        `name@live` most users are led to production."""
        named: dict[str, list[str]] = {}
        for followed in self.registry.following():
            if followed.version is not None:
                known = named.setdefault(followed.version, [])
                known.append(followed.reference)
                name, _, alias = followed.reference.partition("@")
                if alias == PRODUCTION:
                    known.append(f"{name}@{LIVE}")
        found: dict[str, list[str]] = {"slots": [], "host": []}
        for each in self.registry.residency():
            kind = "slots" if each.tier == "slot" else "host"
            found[kind] += [each.adapter, *named.get(each.adapter, ())]
        return found

    def check(self) -> None:
        """Raises Stuck where rows wait and none goes on. A hub that cannot be read is no reason: what is in memory is
        answered, and a new replica would have nothing."""
        state = self.registry.state()
        ended = (state[name] for name in ("answered", "errors", "cancelled", "expired"))
        done = (*ended, *(state[name]["count"] for name in ("prefill", "step")))
        now = monotonic()
        if not (state["waiting"] or state["writing"]) or done != self._went_on[0]:
            self._went_on = (done, now)
        if now - self._went_on[1] > _STUCK:
            raise Stuck(f"{state['waiting']} rows wait, and for {_STUCK:g} seconds none has gone on")

    async def close(self) -> None:
        """End what still runs, and write what waits."""
        if self._syncing is not None:
            self._syncing.cancel()
        self._service.drain(0.0)
        await asyncio.to_thread(self.registry.close)
        await asyncio.to_thread(self.app.state.looping.close)

    def _peer(self) -> Peer:
        state = self.registry.state()
        return Peer(
            self._id,
            f"{platform.node()}:{os.getpid()}",
            state["slots"],
            state["waiting"],
            state["writing"],
            self.registry.residency(),
            time(),
            state["tokens"],
        )

    def _peers(self) -> Sequence[Peer]:
        found = {**self._shares.peers, self._id: self._peer()}
        return [found[id] for id in sorted(found)]

    async def _sync(self) -> None:
        with suppress(asyncio.CancelledError):
            while True:
                await self._shares.sync(self._peer())
                await asyncio.sleep(_SYNC)
