"""What routing by adapter brings a fleet, simulated: `python -m benchmarks.fleet`.

Replicas with slots and host memory (LRU, as the runtime's), Zipf traffic over adapters, by four ways of routing: ours
(`hub.fleet.ranked` itself, with what replicas said up to a second ago), round-robin, Ray's multiplexing as its router
does it, and the best with hindsight: Belady's choice over the slots of all replicas as if they were one, with no queue
to care for. No routing reaches that; what LRU loses against it is told apart (`pooled LRU`). Seconds of a load, a copy
and a request are measured first, on one replica of the starter.
"""

import argparse
import heapq
import json
import random
from bisect import bisect
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, count
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter
from typing import Any

from adapters import Limits, load_base
from benchmarks.measure import machine, now, versions
from hub import Hub, Registry
from hub.fleet import Seat, ranked

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "fleet.json"
SLOTS, HOST = 16, 256  # adapters in slots and in host memory of a replica
BUSY = 0.6  # of what all replicas together could answer
HEARD = 1.0  # seconds between two words of a replica
ONGOING = 16  # requests that a replica of Ray's multiplexing takes at a time
FLEETS = ((2, 100), (4, 1_000), (16, 10_000), (100, 100_000))
ZIPF = (0.8, 1.0, 1.2)


@dataclass
class Costs:
    """Seconds: of reading an adapter from the hub, of copying it into a slot, of answering a request."""

    load: float
    copy: float
    step: float


@dataclass
class Server:
    """One replica. slots, host: adapters, the least recently used first; ready: when those on their way are there;
    free: when its thread is; ends: of requests under way; told: slots and host memory, as the ingress last heard."""

    slots: OrderedDict[int, None] = field(default_factory=OrderedDict)
    host: OrderedDict[int, None] = field(default_factory=OrderedDict)
    ready: dict[int, float] = field(default_factory=dict)
    free: float = 0.0
    ends: list[float] = field(default_factory=list)
    told: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())

    def busy(self, at: float) -> int:
        while self.ends and self.ends[0] <= at:
            heapq.heappop(self.ends)
        return len(self.ends)

    def take(self, adapter: int, at: float, costs: Costs) -> tuple[bool, bool, float]:
        """Whether it was in a slot, whether it was read from the hub, and the seconds until its answer."""
        hit, near = adapter in self.slots, adapter in self.host
        if not near:
            self.ready[adapter] = at + costs.load
        there = max(at, self.ready.get(adapter, at))
        for held, most in ((self.host, HOST), (self.slots, SLOTS)):
            held[adapter] = None
            held.move_to_end(adapter)
            if len(held) > most:
                gone, _ = held.popitem(last=False)
                if held is self.host:
                    self.ready.pop(gone, None)
                    self.slots.pop(gone, None)
        work = costs.step + (0.0 if hit else costs.copy)
        self.free = max(self.free, at) + work  # others go on while one waits for its adapter
        end = max(self.free, there + work)
        heapq.heappush(self.ends, end)
        return hit, not near, end - at


Route = Callable[[int, Sequence[Server], float], int]


def ours() -> Route:
    """`hub.fleet.ranked`, with what was heard."""
    heard = [0.0]

    def route(adapter: int, servers: Sequence[Server], at: float) -> int:
        if at >= heard[0]:
            heard[0] = at + HEARD
            for each in servers:
                each.told = (frozenset(each.slots), frozenset(each.host))
        seats = [
            Seat(str(id), each.busy(at), _Named(each.told[0]), _Named(each.told[1]))
            for id, each in enumerate(servers)
        ]
        return int(ranked(str(adapter), seats)[0])

    return route


class _Named:
    """Adapters of a simulation by the names that `ranked` asks for."""

    def __init__(self, held: frozenset[int]) -> None:
        self._held = held

    def __contains__(self, name: object) -> bool:
        return int(str(name)) in self._held

    def __iter__(self) -> Any:
        return map(str, self._held)

    def __len__(self) -> int:
        return len(self._held)


def round_robin() -> Route:
    """One after the other."""
    turn = count()
    return lambda adapter, servers, at: next(turn) % len(servers)


def multiplexing(seed: int) -> Route:
    """As Ray Serve's: one of two of those that have the model, else of those with the fewest models, else of all; each
    time of those that take one more."""
    draw = random.Random(seed)

    def route(adapter: int, servers: Sequence[Server], at: float) -> int:
        busy = [each.busy(at) for each in servers]
        fewest = min(len(each.slots) for each in servers)
        for known in (
            [id for id, each in enumerate(servers) if adapter in each.slots and busy[id] < ONGOING],
            [id for id, each in enumerate(servers) if len(each.slots) == fewest and busy[id] < ONGOING],
            list(range(len(servers))),
        ):
            if known:
                break
        return min(draw.sample(known, min(2, len(known))), key=lambda id: busy[id])

    return route


def simulated(
    route: Route, asked: Sequence[int], times: Sequence[float], replicas: int, costs: Costs
) -> dict[str, Any]:
    """Hits, loads and latencies of the second half; the first warms up."""
    servers = [Server() for _ in range(replicas)]
    hits = loads = 0
    seconds = []
    spread: dict[int, set[int]] = defaultdict(set)
    warm = len(asked) // 2
    for at, (adapter, time) in enumerate(zip(asked, times, strict=True)):
        chosen = route(adapter, servers, time)
        hit, load, took = servers[chosen].take(adapter, time, costs)
        if at >= warm:
            hits, loads = hits + hit, loads + load
            seconds.append(took)
            spread[adapter].add(chosen)
    measured = len(asked) - warm
    return {
        "hit rate": round(hits / measured, 4),
        "loads per request": round(loads / measured, 4),
        "p50 ms": round(1000 * median(seconds), 1),
        "p95 ms": round(1000 * quantiles(seconds, n=20)[18], 1),
        "most replicas of one adapter": max(map(len, spread.values())),
    }


def belady(asked: Sequence[int], capacity: int) -> float:
    """The share of the second half that the best choice of what leaves a cache of this size answers from it."""
    following: list[float] = [float("inf")] * len(asked)
    last: dict[int, int] = {}
    for at in range(len(asked) - 1, -1, -1):
        following[at] = last.get(asked[at], float("inf"))
        last[asked[at]] = at
    held: dict[int, float] = {}
    heap: list[tuple[float, int]] = []
    hits, warm = 0, len(asked) // 2
    for at, adapter in enumerate(asked):
        if adapter in held:
            hits += at >= warm
        elif len(held) >= capacity:
            while True:
                key, gone = heapq.heappop(heap)
                if held.get(gone) == -key:
                    break
            if -key < following[at]:  # what comes is needed later than all that is there: it passes through
                heapq.heappush(heap, (key, gone))
                continue
            del held[gone]
        held[adapter] = following[at]
        heapq.heappush(heap, (-following[at], adapter))
    return hits / (len(asked) - warm)


def pooled_lru(asked: Sequence[int], capacity: int) -> float:
    """The same where the least recently used one leaves."""
    held: OrderedDict[int, None] = OrderedDict()
    hits, warm = 0, len(asked) // 2
    for at, adapter in enumerate(asked):
        hits += at >= warm and adapter in held
        held[adapter] = None
        held.move_to_end(adapter)
        if len(held) > capacity:
            held.popitem(last=False)
    return hits / (len(asked) - warm)


def zipf(adapters: int, exponent: float, requests: int, seed: int) -> list[int]:
    """Which adapter each request asks, the most asked first."""
    draw = random.Random(seed)
    sums = list(accumulate(1 / rank**exponent for rank in range(1, adapters + 1)))
    return [bisect(sums, draw.random() * sums[-1]) for _ in range(requests)]


def compared(replicas: int, adapters: int, exponent: float, requests: int, costs: Costs) -> dict[str, Any]:
    """All ways of routing on the same requests at the same times."""
    asked = zipf(adapters, exponent, requests, seed=1)
    draw = random.Random(2)
    rate = BUSY * replicas / costs.step
    times = list(accumulate(draw.expovariate(rate) for _ in asked))
    ways: dict[str, Route] = {"ours": ours(), "round-robin": round_robin(), "multiplexing": multiplexing(3)}
    found: dict[str, Any] = {
        name: simulated(way, asked, times, replicas, costs) for name, way in ways.items()
    }
    best = belady(asked, replicas * SLOTS)
    least = 1 - belady(asked, replicas * HOST)
    lru = pooled_lru(asked, replicas * SLOTS)
    told = found["ours"]
    return {
        "replicas": replicas,
        "adapters": adapters,
        "zipf": exponent,
        "requests": requests,
        **found,
        "hindsight": {"hit rate": round(best, 4), "loads per request": round(least, 4)},
        "pooled LRU": {
            "hit rate": round(lru, 4),
            "loads per request": round(1 - pooled_lru(asked, replicas * HOST), 4),
        },
        "ours / hindsight, hits": round(told["hit rate"] / best, 3),
        "ours / pooled LRU, hits": round(told["hit rate"] / lru, 3),
        "ours / hindsight, loads": round(told["loads per request"] / least, 3) if least else None,
    }


def calibrated() -> Costs:
    """Seconds on one replica of the starter, medians of 24 adapters."""
    from tests.hub.voices import voice

    with TemporaryDirectory() as folder:
        base = load_base("starter", "nf4")
        hub = Hub(Path(folder) / "hub")
        names = [f"acme/c{i}/behavior" for i in range(24)]
        for seed, name in enumerate(names, 1):
            hub.publish(voice(base, seed), name)
        registry = Registry(hub, base, limits=Limits(slots=8))
        seconds: dict[str, list[float]] = {"hub": [], "host": [], "slot": []}
        try:
            registry.analyze(names[0], "where is my refund?")
            for where in ("hub", "host"):
                for name in names[1:]:
                    for kind in (where, "slot"):
                        began = perf_counter()
                        registry.analyze(name, "where is my refund?")
                        seconds[kind].append(perf_counter() - began)
        finally:
            registry.close()
    cold, warm, hot = (median(seconds[name]) for name in ("hub", "host", "slot"))
    return Costs(max(0.0, cold - warm), max(0.0, warm - hot), hot)


def main() -> int:
    """Measure, simulate, and write the result; what an earlier run has done stays."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=20.0, metavar="MINUTES")
    parser.add_argument("--requests", type=int, default=100_000)
    given = parser.parse_args()
    until = monotonic() + 60 * given.budget
    told: dict[str, Any] = json.loads(RESULT.read_text("utf-8")) if RESULT.is_file() else {}
    if told.get("requests") != given.requests:
        costs = calibrated()
        told = {
            "at": now(),
            "machine": machine(),
            "versions": versions("torch", "ray"),
            "requests": given.requests,
            "seconds": vars(costs),
            "slots": SLOTS,
            "host": HOST,
            "busy": BUSY,
            "runs": {},
        }
    costs = Costs(**told["seconds"])
    for replicas, adapters in FLEETS:
        for exponent in ZIPF:
            name = f"{replicas} x {adapters}, {exponent}"
            if name in told["runs"] or monotonic() > until:
                continue
            told["runs"][name] = compared(replicas, adapters, exponent, given.requests, costs)
            RESULT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
            print(name, json.dumps(told["runs"][name]), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
