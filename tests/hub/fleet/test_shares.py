"""The limits of keys in a fleet, without Ray: together while the counts answer, in shares while they do not."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from adapters.errors import Busy
from hub.fleet import counting
from hub.fleet.counting import Counts, Heard, Refused
from hub.fleet.shares import Shares
from hub.server import Key, Scope, budgets
from hub.server.caller import Caller
from hub.server.failing import TooFast
from hub.server.peers import Peer
from tests.clock import Clock


class Actor:
    """The counts of a fleet, which may die; the next one knows nothing."""

    def __init__(self) -> None:
        self.counts: Counts | None = Counts(2048)

    def _there(self) -> Counts:
        if self.counts is None:
            raise ConnectionError
        return self.counts

    async def sync(self, *given: Any) -> Heard:
        return self._there().sync(*given)

    async def take(self, *given: Any) -> Refused | bool:
        return self._there().take(*given)

    async def leave(self, *given: Any) -> None:
        self._there().leave(*given)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(budgets, "monotonic", found)
    monkeypatch.setattr(counting, "monotonic", found)
    return found


def peer(id: str) -> Peer:
    return Peer(id, "here", 16, 0, 0, (), 0.0)


def replicas(actor: Actor, count: int) -> list[Shares]:
    return [Shares(f"r{i}", actor, count, 2048) for i in range(count)]


async def met(shares: list[Shares]) -> None:
    for each in (*shares, *shares):
        await each.sync(peer(each._id))


def key(**limits: int) -> Caller:
    return Caller(Key("k", "acme", Scope.infer, (), "2026-01-01", **limits))


async def sent(shares: list[Shares], caller: Caller, tries: int, tokens: int = 0) -> int:
    """How many of some requests, dealt in turn, are let in."""
    found = 0
    for at in range(tries):
        share = shares[at % len(shares)]
        try:
            async with share.one(caller):
                share.spent(caller, tokens)
                found += 1
        except TooFast:
            pass
        await asyncio.sleep(0)
    return found


def test_a_rate_holds_for_the_fleet(clock: Clock) -> None:
    async def fleet() -> None:
        shares = replicas(Actor(), 3)
        await met(shares)
        assert await sent(shares, key(requests=10), 40) == 10
        clock.now += 30
        await met(shares)
        assert await sent(shares, key(requests=10), 40) == 5
        assert await sent(shares, Caller(), 40) == 40

    asyncio.run(fleet())


def test_tokens_hold_for_the_fleet(clock: Clock) -> None:
    async def fleet() -> None:
        shares = replicas(Actor(), 3)
        await met(shares)
        assert await sent(shares, key(tokens=100), 40, tokens=30) == 4  # overdrawn once
        assert await sent(shares, key(tokens=100), 40) == 0

    asyncio.run(fleet())


def test_requests_at_a_time_hold_for_the_fleet_and_end_with_a_replica_that_died(clock: Clock) -> None:
    async def fleet() -> None:
        actor = Actor()
        shares = replicas(actor, 3)
        await met(shares)
        caller = key(working=4)
        async with AsyncExitStack() as running:
            for share in (shares[0], shares[0], shares[1], shares[1]):
                await running.enter_async_context(share.one(caller))
            with pytest.raises(Busy):
                await running.enter_async_context(shares[2].one(caller))
            clock.now += counting.SILENT + 1  # of them all only these two are heard of
            await shares[1].sync(peer("r1"))
            await shares[2].sync(peer("r2"))
            for _ in range(2):
                await running.enter_async_context(shares[2].one(caller))
            with pytest.raises(Busy):
                await running.enter_async_context(shares[2].one(caller))

    asyncio.run(fleet())


def test_without_the_counts_each_replica_gives_its_share(clock: Clock) -> None:
    async def fleet() -> None:
        actor = Actor()
        shares = replicas(actor, 3)
        await met(shares)
        actor.counts = None
        assert await sent(shares, key(requests=9), 60) == 9
        assert await sent(shares, key(requests=9), 60) == 0

    asyncio.run(fleet())


def test_new_counts_go_on_where_the_old_ones_were(clock: Clock) -> None:
    """What was used up is not given again, and what runs still runs."""

    async def fleet() -> None:
        actor = Actor()
        shares = replicas(actor, 3)
        await met(shares)
        caller = key(requests=10, working=2)
        async with shares[0].one(caller):
            assert await sent(shares, caller, 40) == 9
            await met(shares)
            actor.counts = Counts(2048)
            assert not any([await shares[1]._take(caller), shares[1].answer])
            await met(shares)
            assert await sent(shares, caller, 40) == 0
            clock.now += 6
            await met(shares)
            async with shares[1].one(caller):
                clock.now += 6
                await met(shares)
                with pytest.raises(Busy, match="2 requests"):
                    async with shares[2].one(caller):
                        pass

    asyncio.run(fleet())


@pytest.mark.parametrize(("pause", "most"), [(24, 0), (36, 10), (3600, 10)])
def test_a_key_that_pauses_when_the_counts_die_gets_what_comes_meanwhile(
    clock: Clock, pause: int, most: int
) -> None:
    """50 tokens too many are level, and one more is there, after 31 seconds."""

    async def fleet() -> None:
        actor = Actor()
        shares = replicas(actor, 3)
        await met(shares)
        caller = key(requests=10, tokens=100)
        assert await sent(shares, caller, 1, tokens=150) == 1
        await met(shares)
        actor.counts = Counts(2048)
        await met(shares)
        clock.now += pause
        await met(shares)
        assert await sent(shares, caller, 40) == most

    asyncio.run(fleet())


def test_an_answer_that_got_lost_holds_nothing_for_ever(clock: Clock) -> None:
    """The counts let a request in, and its replica never heard of it."""

    async def fleet() -> None:
        actor = Actor()
        (share,) = shares = replicas(actor, 1)
        await met(shares)
        caller = key(working=1)
        assert actor.counts is not None
        assert actor.counts.take("r0", caller) is True
        with pytest.raises(Busy):
            async with share.one(caller):
                pass
        share._lost(TimeoutError())
        await share.sync(peer("r0"))
        async with share.one(caller):
            pass

    asyncio.run(fleet())


@pytest.mark.parametrize("lost", [False, True])
def test_a_client_that_goes_while_the_counts_are_asked_holds_nothing_for_ever(
    clock: Clock, lost: bool
) -> None:
    class Slow(Actor):
        """Its answers wait until they may go, or get lost then."""

        def __init__(self) -> None:
            super().__init__()
            self.asked, self.may = asyncio.Event(), asyncio.Event()

        async def take(self, *given: Any) -> Refused | bool:
            found = await super().take(*given)
            self.asked.set()
            await self.may.wait()
            if lost:
                raise ConnectionError
            return found

    async def request(share: Shares) -> None:
        async with share.one(key(working=1)):
            pass

    async def fleet() -> None:
        actor = Slow()
        (share,) = shares = replicas(actor, 1)
        await met(shares)
        asked = asyncio.ensure_future(request(share))
        await actor.asked.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        actor.may.set()
        while share._leaving:
            await asyncio.sleep(0)
        await met(shares)
        assert actor.counts is not None
        assert actor.counts.take("r0", key(working=1)) is True

    asyncio.run(fleet())


def test_a_replica_that_asks_after_a_silence_holds_nothing_for_ever(clock: Clock) -> None:
    """Its loop was busy, and its request comes before its word."""

    async def fleet() -> None:
        (share,) = shares = replicas(Actor(), 1)
        await met(shares)
        clock.now += counting.SILENT + 1
        caller = key(working=1)
        for _ in range(2):
            async with share.one(caller):
                await share.sync(peer("r0"))
            await asyncio.sleep(0)

    asyncio.run(fleet())


def test_the_peers_are_those_that_were_heard_of(clock: Clock) -> None:
    async def fleet() -> None:
        shares = replicas(Actor(), 2)
        await met(shares)
        assert set(shares[0].peers) == {"r0", "r1"}
        clock.now += counting.SILENT + 1
        await shares[0].sync(peer("r0"))
        assert set(shares[0].peers) == {"r0"}

    asyncio.run(fleet())
