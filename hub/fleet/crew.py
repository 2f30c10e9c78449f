"""Workers on a Ray cluster: actors that hold a base, one piece of work at a time each. What dies is replaced, wherever
the cluster has room, and its work is given to whoever is free first.

    work that waits    g3 g4 g5
    workers            [ g0 ] [ g1 ] [ starts ]        each tells as it goes on; the driver hears of all in one place
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from adapters.format import Quantization
from hub.errors import HubError
from hub.fleet.connecting import connected
from recipes.runs import say

_TRIES = 3  # deaths over the same work, with nothing kept of it in between
_PATIENCE = 30.0  # seconds without a worker after which that is said


class NoWorker(HubError):
    """No worker of a cluster can do any work."""


class Died(HubError):
    """Workers have died over a piece of work, again and again."""


@dataclass(frozen=True)
class OnRay:
    """Where work is done that is too much for one machine.

    Attributes:
        address: of a Ray cluster; `auto` is the one of this machine, `local` starts one for as long as it is needed.
        base: that each worker loads.
        quantization: how it is loaded.
        workers: how many.
        cpus: of each, and so many threads; where the cluster has GPUs, each has one of them too.
    """

    address: str
    base: str = "starter"
    quantization: Quantization = "nf4"
    workers: int = 2
    cpus: int = 1


@dataclass(eq=False)
class _Work:
    """key: for whom it was given; call, given: of the worker; near: what a worker should have at hand; mark: tells what
    is kept of it. deaths: since what is kept was `kept`."""

    key: Hashable
    call: str
    given: tuple[Any, ...]
    near: Hashable = None
    mark: Callable[[], object] | None = None
    deaths: int = 0
    kept: object = None

    def died(self) -> bool:
        """Count a death. Whether it is to be tried again."""
        kept = None if self.mark is None else self.mark()
        self.deaths = self.deaths + 1 if kept == self.kept else 1
        self.kept = kept
        return self.deaths < _TRIES


@dataclass(eq=False)
class _Seat:
    """A worker. stream: of what it tells now, None while it is free; work: None while it starts; near: what it has at
    hand."""

    actor: Any
    stream: Any = None
    work: _Work | None = None
    near: set[Hashable] = field(default_factory=set)


class Crew:
    """Some workers and their work; use as `with crew(...)`.

    Args:
        worker: class of the actors; `ready` is called first, and every call gives what it tells one by one.
        given: to its constructor.
        count: how many are wanted.
        cpus: of each.
    """

    def __init__(self, worker: type, given: tuple[Any, ...], count: int, cpus: int) -> None:
        gpus = 1 if ray.cluster_resources().get("GPU") else 0
        self._actor: Any = ray.remote(num_cpus=cpus, num_gpus=gpus, scheduling_strategy="SPREAD")(worker)
        self._given, self._wanted, self._cpus = given, count, cpus
        self._waiting: list[_Work] = []
        self._seats: list[_Seat] = []
        self._stillborn = 0
        self._told_of_none = False

    def give(
        self,
        key: Hashable,
        call: str,
        *given: Any,
        near: Hashable = None,
        mark: Callable[[], object] | None = None,
    ) -> None:
        """Let a piece of work wait for a worker.

        Args:
            key: what it tells is told with.
            call: a method of the worker.
            given: to it.
            near: prefer the worker that was given work near the same.
            mark: what is kept of it; without, nothing is, and a worker that dies over it has done nothing.
        """
        self._waiting.append(_Work(key, call, given, near, mark, kept=None if mark is None else mark()))

    def told(self) -> Iterator[tuple[Any, Any]]:
        """What workers tell, by the key of the work, until all of it is done; more may be given meanwhile. An exception
        in its place ends a piece of work that cannot be done. Raises NoWorker, and what a worker cannot start for."""
        while self._waiting or any(seat.work for seat in self._seats):
            self._hire()
            self._hand_out()
            streams = {seat.stream: seat for seat in self._seats if seat.stream is not None}
            ready, _ = ray.wait([*streams], timeout=_PATIENCE)
            for stream in ready:
                yield from self._hear(streams[stream])
            if not ready:
                self._say_where_none_starts()

    def close(self) -> None:
        """Send all workers away."""
        for seat in self._seats:
            ray.kill(seat.actor)
        self._seats.clear()

    def _hire(self) -> None:
        while len(self._seats) < self._wanted:
            actor = self._actor.remote(*self._given)
            self._seats.append(_Seat(actor, actor.ready.options(num_returns="streaming").remote()))

    def _hand_out(self) -> None:
        for work in list(self._waiting):
            free = [seat for seat in self._seats if seat.stream is None]
            if not free:
                return
            at_hand = [seat for seat in self._seats if work.near is not None and work.near in seat.near]
            seat = at_hand[0] if at_hand else min(free, key=lambda each: len(each.near))
            if seat.stream is not None:
                continue
            self._waiting.remove(work)
            seat.near.update({work.near} - {None})
            call = getattr(seat.actor, work.call).options(num_returns="streaming")
            seat.work, seat.stream = work, call.remote(*work.given)

    def _hear(self, seat: _Seat) -> Iterator[tuple[Any, Any]]:
        """The next word of a worker, or its end."""
        work, problem = seat.work, None
        try:
            item = ray.get(next(seat.stream))
        except StopIteration:
            seat.stream = seat.work = None
            self._stillborn = 0
            return
        except RayTaskError as error:
            problem = error.cause if isinstance(error.cause, Exception) else error
        except RayError as error:
            self._seats.remove(seat)
            ray.kill(seat.actor)  # it may live where the cluster does not see it
            yield from self._bury(work, error)
            return
        if problem is None:
            if work is not None:
                yield work.key, item
            return
        if work is None:
            raise problem
        seat.stream = seat.work = None
        yield work.key, problem

    def _bury(self, work: _Work | None, error: RayError) -> Iterator[tuple[Any, Any]]:
        how = type(error).__name__
        if work is None:
            self._stillborn += 1
            if self._stillborn >= _TRIES:
                raise NoWorker(
                    f"{_TRIES} workers have died one after another while they loaded the base ({how})"
                )
            return
        if work.died():
            say(f"a worker has died ({how}); another one goes on with its work")
            self._waiting.insert(0, work)
        else:
            yield (
                work.key,
                Died(f"{_TRIES} workers have died over it, one after another ({how}); give them more memory"),
            )

    def _say_where_none_starts(self) -> None:
        if self._told_of_none or not all(
            seat.work is None and seat.stream is not None for seat in self._seats
        ):
            return
        self._told_of_none = True
        there, free = ray.cluster_resources().get("CPU", 0), ray.available_resources().get("CPU", 0)
        say(
            f"no worker has started yet: each needs {self._cpus} CPUs; of the cluster's {there:g}, {free:g} are free"
        )


@contextmanager
def crew(on_ray: OnRay, worker: type, *given: Any) -> Iterator[Crew]:
    """Connect, and have workers until the block is left.

    Args:
        on_ray: where, and how many.
        worker: class of the actors.
        given: to its constructor.

    Raises:
        NoCluster: where no Ray answers at the address.
    """
    with connected(on_ray.address):
        hired = Crew(worker, given, on_ray.workers, on_ray.cpus)
        try:
            yield hired
        finally:
            hired.close()
