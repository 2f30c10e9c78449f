"""One server's parts, and how a request of the wire becomes one of the registry: seen, bounded, waited for, counted."""

import asyncio
import difflib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from heapq import nlargest
from operator import eq
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import Request as HttpRequest
from starlette.requests import ClientDisconnect

from adapters.errors import RepertoireError
from hub.errors import NotInHub
from hub.registry.requests import Request, Result, Texts, Write
from hub.server.bounds import Bounds, OutOfBounds
from hub.server.budgets import Budgets, Spending
from hub.server.caller import Caller
from hub.server.failing import Draining
from hub.server.noted import Noted
from hub.server.peers import Peer
from hub.storage.names import client_of, members, parse

if TYPE_CHECKING:
    from hub.registry.following import Followed
    from hub.registry.pending import Pending
    from hub.registry.registry import Registry
    from hub.registry.streaming import Stream

_Answer = TypeVar("_Answer")
_CALLER = "repertoire.caller"
_COMPARED = 500  # names, of which those that are near are told


@dataclass(frozen=True)
class Answered:
    """An answer, by which content, how many tokens its rows read, and what was waited for."""

    result: Result
    digests: tuple[str, ...]
    read: int
    pending: "Pending"

    @property
    def written(self) -> int:
        """Tokens that were written, also of texts that were refused."""
        return self.result.completion_tokens if isinstance(self.result, Texts) else 0

    @property
    def fingerprint(self) -> str:
        """By which a client tells the version that answered."""
        return fingerprint(*self.digests)


def fingerprint(*digests: str) -> str:
    """By which a client tells a version: the first 16 characters of its digest, of an ensemble with `+` between."""
    return "+".join(digest[:16] for digest in digests)


class Service:
    """What the routes of one server share: a registry, how much they take on, and whether they still do.

    Attributes:
        registry: that answers.
        bounds: of one request.
        adapter_calls: whether clients may bring adapters into slots and let them go.
        peers: the servers of its fleet, itself among them; none where there is no fleet.
        working: requests that are being answered.
    """

    def __init__(
        self,
        registry: "Registry",
        bounds: Bounds,
        adapter_calls: bool = False,
        spending: Spending | None = None,
        peers: Callable[[], Sequence[Peer]] = tuple,
    ) -> None:
        self.registry = registry
        self.bounds = bounds
        self.adapter_calls = adapter_calls
        self.peers = peers
        self.working = 0
        self._budgets = spending or Budgets(bounds.working)
        self._drain: float | None = None

    def drain(self, seconds: float) -> None:
        """Take no new requests from now on. seconds: after which a client may ask whoever follows."""
        self._drain = seconds

    @property
    def draining(self) -> bool:
        """Whether no new requests are taken."""
        return self._drain is not None

    async def one(self, http: HttpRequest, request: Request) -> Answered:
        """The answer to a request. Raises the RepertoireError in its place, and what is said of `many`."""
        (answer,) = await self.many(http, [request])
        if isinstance(answer, RepertoireError):
            raise answer
        return answer

    async def many(
        self, http: HttpRequest, requests: Sequence[Request | RepertoireError]
    ) -> list[Answered | RepertoireError]:
        """Answers to requests in one mixed batch, or the error in their place.

        Raises Draining, Busy, and ClientDisconnect where the client has gone, which gives the requests up.
        """
        async with self.work(http) as caller:
            noted = Noted.of(http.scope)
            checked = [await self._checked(caller, noted, each) for each in requests]
            sound = [each for each in checked if not isinstance(each, RepertoireError)]
            pending = iter(await asyncio.to_thread(self.registry.submit_all, sound))
            places = [each if isinstance(each, RepertoireError) else next(pending) for each in checked]
            for place in places:
                if not isinstance(place, RepertoireError):
                    _answers(noted, place.request)
            found = await unless_gone(http, _all_answered(places))
            for each in found:
                if isinstance(each, Answered):
                    self._count(caller, noted, each)
            return [
                await self.seen(caller, asked.reference, each)
                if isinstance(each, NotInHub) and not isinstance(asked, RepertoireError)
                else each
                for asked, each in zip(checked, found, strict=True)
            ]

    @asynccontextmanager
    async def streams(self, http: HttpRequest, request: Write) -> AsyncIterator[list["Stream"]]:
        """The texts of a request in pieces; what was not read to its end is given up. Raises as `one`."""
        async with self.work(http) as caller:
            noted = Noted.of(http.scope)
            checked = await self._checked(caller, noted, request)
            if isinstance(checked, RepertoireError):
                raise checked
            assert isinstance(checked, Write)
            try:
                streams = await asyncio.to_thread(self.registry.streams, checked)
            except NotInHub as error:
                raise await self.seen(caller, checked.reference, error) from None
            _answers(noted, checked)
            try:
                yield streams
            finally:
                for stream in streams:
                    stream.close()
                noted.digest = streams[0].digest
                noted.read += streams[0].prompt_tokens
                noted.written += sum(stream.told.tokens for stream in streams if stream.told)
                self._budgets.spent(caller, noted.read + noted.written)

    async def look(self, caller: Caller, reference: str | Sequence[str]) -> tuple[str, ...]:
        """The references of one request, each of which the caller may know of, there or not.

        Raises BadName, and NotInHub for one of which it may not, in the words of one that is not there: near names are
        read from the hub, which may be far, by another thread.
        """
        found = members(reference)
        for each in found:
            if not caller.sees(parse(each).name):
                raise await asyncio.to_thread(self.unknown, caller, each)
        return found

    async def look_one(self, caller: Caller, reference: str) -> str:
        """`look` where an ensemble is nothing."""
        found = await self.look(caller, reference)
        if len(found) > 1:
            raise await asyncio.to_thread(self.unknown, caller, reference)
        return found[0]

    async def seen(self, caller: Caller, reference: str | Sequence[str], error: NotInHub) -> NotInHub:
        """A registry's error of a missing adapter, for this caller: near names are those that it sees."""
        for each in members(reference):
            try:
                await asyncio.to_thread(self.registry.hub.versions, parse(each).name)
            except NotInHub:
                return await asyncio.to_thread(self.unknown, caller, each)
        return error

    def unknown(self, caller: Caller, reference: str) -> NotInHub:
        """That there is no such adapter, with near names among those that the caller sees."""
        name = reference.partition("@")[0]
        names = caller.visible(each.name for each in self.registry.hub.search())
        alike = nlargest(_COMPARED, names, key=lambda each: sum(map(eq, each.split("/"), name.split("/"))))
        near = difflib.get_close_matches(name, alike, n=5, cutoff=0.5)
        advice = f"; near: {', '.join(near)}" if near else "; GET /v1/models lists those that there are"
        return NotInHub(f"there is no adapter {reference[:200]!r}{advice}")

    def following(self, caller: Caller) -> list["Followed"]:
        """What is followed of the adapters that the caller sees; as of `Registry.following`."""
        return [
            replace(each, behind=each.behind and self.hide(each.behind))
            for each in self.registry.following()
            if caller.sees(each.reference)
        ]

    def hide(self, text: str) -> str:
        """A text without where the hub lies."""
        return text.replace(self.registry.hub.storage.address, "the hub")

    @asynccontextmanager
    async def work(self, http: HttpRequest) -> AsyncIterator[Caller]:
        """Who asks, while they are answered. Raises Draining and Busy."""
        if self._drain is not None:
            raise Draining(self._drain)
        caller = caller_of(http.scope)
        async with self._budgets.one(caller):
            self.working += 1
            try:
                yield caller
            finally:
                self.working -= 1

    async def _checked(
        self, caller: Caller, noted: Noted, request: Request | RepertoireError
    ) -> Request | RepertoireError:
        if isinstance(request, RepertoireError):
            return request
        noted.call = noted.call or request.CALL
        try:
            references = await self.look(caller, request.reference)
            if not caller.all_clients:  # its key bounds the clients that it can name
                noted.client = noted.client or client_of(references[0])
            noted.reference = noted.reference or "+".join(references)
            self.bounds.check(request)
        except RepertoireError as error:
            return error
        given = request.deadline
        if (
            isinstance(given, int | float)
            and not isinstance(given, bool)
            and 0 < given <= self.bounds.seconds
        ):
            return request
        if given is not None:
            return OutOfBounds(
                f"deadline is {given}; give seconds, above 0 and at most {self.bounds.seconds}"
            )
        return replace(request, deadline=self.bounds.seconds)

    def _count(self, caller: Caller, noted: Noted, answered: Answered) -> None:
        noted.digest = noted.digest or "+".join(answered.digests)
        noted.read += answered.read
        noted.written += answered.written
        self._budgets.spent(caller, answered.read + answered.written)


def set_caller(scope: Any, caller: Caller) -> None:
    """Note who asks."""
    scope[_CALLER] = caller


def known_caller(scope: Any) -> Caller | None:
    """Who asks, where somebody has found out."""
    return scope.get(_CALLER)  # type: ignore[no-any-return]


def caller_of(scope: Any) -> Caller:
    """Who asks; `Gate` has let them in."""
    caller: Caller = scope[_CALLER]
    return caller


def _answers(noted: Noted, request: Request) -> None:
    """A registry has taken a request, so that its adapter is there."""
    noted.client = noted.client or client_of(members(request.reference)[0])


async def unless_gone(http: HttpRequest, awaited: Awaitable[_Answer]) -> _Answer:
    """What is awaited, given up as soon as the client goes away: ClientDisconnect then."""
    try:
        async with asyncio.timeout(None) as there:
            watching = asyncio.create_task(_watch(http, there))
            try:
                return await awaited
            finally:
                watching.cancel()
    except TimeoutError:
        if there.expired():
            raise ClientDisconnect from None
        raise


async def _watch(http: HttpRequest, there: asyncio.Timeout) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass
    there.reschedule(0.0)


async def _all_answered(
    places: "Sequence[Pending | RepertoireError]",
) -> list[Answered | RepertoireError]:
    """One is waited for without a task of its own, which most requests are."""
    if len(places) == 1:
        return [await _answered(places[0])]
    return await asyncio.gather(*map(_answered, places))


async def _answered(place: "Pending | RepertoireError") -> Answered | RepertoireError:
    if isinstance(place, RepertoireError):
        return place
    try:
        result = await place
    except RepertoireError as error:
        return error
    read = result.prompt_tokens if isinstance(result, Texts) else place.read
    return Answered(result, place.digests, read, place)
