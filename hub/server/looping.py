"""The loop of one server: requests whose answers are logged, and `name@live`, around the server's one door.

    many   see -> route @live -> Service.many -> where a canary could not answer, production -> note -> impressions

The log is opened when it is first needed, so that a hub without one is served all the same.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar, cast

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Request as HttpRequest
from starlette.background import BackgroundTasks

from adapters.errors import RepertoireError
from hub.feedback.loop import LIVE, Loop
from hub.feedback.recording import Seen
from hub.placement.choosing import Choosing, PolicyName
from hub.placement.placer import Placer
from hub.registry.explaining import Explaining
from hub.registry.requests import Ranked, Recommend, Request
from hub.server.bounds import OutOfBounds
from hub.server.service import Answered, Service, caller_of

if TYPE_CHECKING:
    from hub.feedback.log import Feedback

_Found = TypeVar("_Found")
_THREADS = 64  # that may wait for the log


@dataclass(frozen=True)
class Asking:
    """A request, by whom it is asked, whether its answer is logged, and whether each ad comes with why."""

    request: Request
    seen: Seen
    log: bool
    explain: bool = False


@dataclass(frozen=True)
class Told:
    """An answer and its impression; None where it was not asked for, or the queue was full. seen: with the arm."""

    answered: Answered
    impression: str | None
    seen: Seen


class Looping:
    """What the routes of one server share of the loop.

    Args:
        service: that answers.
        open_log: the log of its hub; what it raises is the error of the request that needed it.
    """

    def __init__(self, service: Service, open_log: "Callable[[], Feedback]") -> None:
        self.service = service
        self._open = open_log
        self._loop: Loop | None = None
        self._placers: dict[tuple[PolicyName, str], Placer] = {}
        self._lock = Lock()
        self._threads = CapacityLimiter(_THREADS)

    def loop(self) -> Loop:
        """Opened with the first call. Raises FeedbackError."""
        with self._lock:
            if self._loop is None:
                self._loop = Loop(self.service.registry, self._open())
            return self._loop

    def placer(self, policy: PolicyName, outcome: str) -> Placer:
        """That of a policy. Raises FeedbackError."""
        loop = self.loop()
        with self._lock:
            return self._placers.setdefault((policy, outcome), Placer(loop, Choosing(policy), outcome))

    def state(self) -> dict[str, Any]:
        """As of `Feedback.state`; empty while nothing needed the log."""
        return {} if self._loop is None else self._loop.log.state()

    def close(self) -> None:
        """Write what waits."""
        if self._loop is not None:
            self._loop.log.close()

    async def at_log(self, call: "Callable[..., _Found]", *given: Any) -> _Found:
        """What a call gives that may wait for the log, on threads of its own: a disk that is full holds up nobody who
        does not need it."""
        return await run_sync(partial(call, *given), limiter=self._threads)

    async def one(self, http: HttpRequest, asking: Asking, after: BackgroundTasks) -> Told:
        """The answer to a request. Raises as `Service.one`, RequestError for a `seen` that is none, and FeedbackError
        where the log is needed and does not answer."""
        (told,) = await self.many(http, [asking], after)
        if isinstance(told, RepertoireError):
            raise told
        return told

    async def many(
        self, http: HttpRequest, asked: Sequence[Asking], after: BackgroundTasks
    ) -> list[Told | RepertoireError]:
        """Answers to requests in one mixed batch, or the error in their place; after: what is done when they are
        sent. What explains them is asked in a second one, of what answered; they are logged after that. Raises as
        `Service.many`."""
        reasons = [await asyncio.to_thread(self._reasons, each) if each.explain else None for each in asked]
        found = await self._answered(
            http,
            [
                why if isinstance(why, RepertoireError) else own
                for own, why in zip(asked, reasons, strict=True)
            ],
        )
        await self._explain(http, reasons, found)
        return [
            each if isinstance(each, RepertoireError) else await self._told(*each, after) for each in found
        ]

    def _reasons(self, own: Asking) -> Explaining | RepertoireError | None:
        """What explains a request, where that can be."""
        if not isinstance(own.request, Recommend):
            return None
        try:
            self.service.bounds.check(own.request)
            found = Explaining(own.request)
        except RepertoireError as error:
            return error
        texts, most = found.size, self.service.bounds.texts
        if texts <= most:
            return found
        return OutOfBounds(
            f"to say why, {texts} texts would be asked for {len(own.request.ads)} ads; ask for the reasons of fewer "
            f"ads at a time, so that it is at most {most} texts"
        )

    async def _answered(
        self, http: HttpRequest, asked: Sequence[Asking | RepertoireError]
    ) -> list[tuple[Asking, Answered] | RepertoireError]:
        """Requests as they were routed, with their answers."""
        routed = [
            each if isinstance(each, RepertoireError) else await self._routed(http, each) for each in asked
        ]
        began = perf_counter()
        found = await self.service.many(
            http, [each if isinstance(each, RepertoireError) else each.request for each in routed]
        )
        seconds = perf_counter() - began
        await self._again(http, routed, found)
        answered: list[tuple[Asking, Answered] | RepertoireError] = []
        for own, answer in zip(routed, found, strict=True):
            if isinstance(own, RepertoireError):
                answered.append(own)
            elif isinstance(answer, RepertoireError):
                answered.append(answer)
            else:
                answered.append((replace(own, seen=replace(own.seen, seconds=seconds)), answer))
        return answered

    async def _explain(
        self,
        http: HttpRequest,
        reasons: "list[Explaining | RepertoireError | None]",
        found: "list[tuple[Asking, Answered] | RepertoireError]",
    ) -> None:
        """Let the answers that have reasons come with why, in place."""
        wanted = {
            at: (why, *each)
            for at, (why, each) in enumerate(zip(reasons, found, strict=True))
            if isinstance(why, Explaining) and not isinstance(each, RepertoireError)
        }
        while wanted:
            turn = self._turn(wanted)
            answers = await self.service.many(
                http, [why.request(own.request.reference) for why, own, _ in turn.values()]
            )
            for (at, (why, own, answered)), answer in zip(turn.items(), answers, strict=True):
                if isinstance(answer, RepertoireError):
                    found[at] = answer
                else:
                    ranked = why.explained(cast(Sequence[Ranked], answered.result), answer.result)
                    found[at] = own, replace(answered, result=ranked, read=answered.read + answer.read)
                reasons[at] = None

    def _turn(
        self, wanted: "dict[int, tuple[Explaining, Asking, Answered]]"
    ) -> "dict[int, tuple[Explaining, Asking, Answered]]":
        """The first of what is still to be explained, taken out: as many as have the texts of one request together, so
        that a batch neither fills the queue nor holds more."""
        turn: dict[int, tuple[Explaining, Asking, Answered]] = {}
        texts = 0
        for at, each in list(wanted.items()):
            texts += each[0].size
            if turn and texts > self.service.bounds.texts:
                break
            turn[at] = wanted.pop(at)
        return turn

    async def _told(self, own: Asking, answered: Answered, after: BackgroundTasks) -> Told | RepertoireError:
        try:
            return Told(answered, await self._noted(own, answered, after), own.seen)
        except RepertoireError as error:
            return error

    async def _routed(self, http: HttpRequest, own: Asking) -> Asking | RepertoireError:
        """A request for what its reference means to this user."""
        try:
            own.seen.check()
            if not (own.log or _is_live(own.request)):
                return own
            await self.service.look(caller_of(http.scope), own.request.reference)
            loop = await self.at_log(self.loop)
            request, seen = await self.at_log(loop.route, own.request, own.seen)
        except RepertoireError as error:
            return error
        return replace(own, request=request, seen=seen)

    async def _again(
        self,
        http: HttpRequest,
        routed: "list[Asking | RepertoireError]",
        found: "list[Answered | RepertoireError]",
    ) -> None:
        """Ask production where a canary could not answer, in place."""
        instead: dict[int, tuple[Asking, Asking]] = {}
        for at, (own, answer) in enumerate(zip(routed, found, strict=True)):
            if isinstance(own, Asking) and own.seen.arm is not None and isinstance(answer, RepertoireError):
                request = await self.at_log(self.loop().instead, own.request, own.seen, answer)
                if request is not None:
                    instead[at] = own, replace(own, request=request, seen=replace(own.seen, arm=None))
        if not instead:
            return
        answers = await self.service.many(http, [asked.request for _, asked in instead.values()])
        for (at, (failed, asked)), answer in zip(instead.items(), answers, strict=True):
            routed[at], found[at] = asked, answer
            if not isinstance(answer, RepertoireError):
                await self.at_log(self.loop().note_failure, failed.request, failed.seen)

    async def _noted(self, own: Asking, answered: Answered, after: BackgroundTasks) -> str | None:
        if not own.log:
            return None
        await self.shadow(own.request, own.seen, after)
        return await self.at_log(self.loop().note, answered.pending, answered.result, own.seen)

    async def shadow(self, request: Request, seen: Seen, after: BackgroundTasks) -> None:
        """Let a canary that is a shadow answer too, when the answer was sent. seen: with the arm."""
        loop = self.loop()
        beside = await self.at_log(loop.shadowed, request, seen) if seen.arm else None
        if beside is not None:
            after.add_task(loop.shadow, beside, seen)


def _is_live(request: Request) -> bool:
    return isinstance(request.reference, str) and request.reference.endswith(f"@{LIVE}")
