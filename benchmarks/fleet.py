"""What routing by adapter brings a fleet, simulated: `python -m benchmarks.fleet`.

Replicas with slots and host memory (the runtime's own `Uses` say who leaves), whose requests share turns as the
runtime's do, Zipf traffic over adapters, by four ways of routing: ours (`hub.fleet.ranked` itself, with what replicas
said up to a second ago), round-robin, Ray's multiplexing as its router does it, and two that no routing can be:

hindsight     Belady's choice over the slots of all replicas as if they were one, with no queue to care for
known rates   the same place, which keeps the adapters that are asked for most, told beforehand; of all that do not know
              the next request it is the best where each is drawn by itself (Aho, Denning and Ullman 1971), as here

CPU seconds of a load, a copy, a request and of another one in its turn are measured first, on one replica of the
starter.
"""

import argparse
import heapq
import json
import random
from bisect import bisect
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, count
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import monotonic, process_time
from typing import Any

from adapters import Limits, load_base
from adapters.serving.residency import HALF
from adapters.serving.uses import Uses
from benchmarks.measure import machine, now, versions
from hub import Analyze, Hub, Registry
from hub.fleet import Seat, ranked

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "fleet.json"
SLOTS, HOST = 16, 256  # adapters in slots and in host memory of a replica
BUSY = 0.6  # requests for each request that all replicas together could answer one by one
HEARD = 1.0  # seconds between two words of a replica
ONGOING = 16  # requests that a replica of Ray's multiplexing takes at a time
FLEETS = ((2, 100), (4, 1_000), (16, 10_000), (100, 100_000))
ZIPF = (0.8, 1.0, 1.2)


@dataclass
class Costs:
    """Seconds: of reading an adapter from the hub, of copying it into a slot, of answering a request, and of another
    one in the same turn."""

    load: float
    copy: float
    step: float
    more: float


@dataclass
class Turn:
    """Requests that are answered together; end: as long as no other one comes."""

    start: float
    end: float


@dataclass
class Server:
    """One replica. slots, host: adapters; ready: when those on their way are there; turns: under way, the last one may
    not have begun, each with its requests; told: names of what was in slots and in host memory when it last spoke."""

    slots: set[int] = field(default_factory=set)
    host: set[int] = field(default_factory=set)
    uses: Uses = field(default_factory=lambda: Uses(HALF * SLOTS))
    ready: dict[int, float] = field(default_factory=dict)
    turns: deque[tuple[Turn, list[int]]] = field(default_factory=deque)
    told: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())

    def busy(self, at: float) -> int:
        """Requests under way."""
        while len(self.turns) > 1 and self.turns[0][0].end <= at:
            self.turns.popleft()
        return sum(len(requests) for turn, requests in self.turns if turn.end > at)

    def take(self, adapter: int, at: float, costs: Costs) -> tuple[bool, bool, float, Turn]:
        """Whether it was in a slot, whether it was read from the hub, when it is there, and the turn of its answer."""
        hit, near = adapter in self.slots, adapter in self.host
        if not near:
            self.ready[adapter] = at + costs.load
        there = max(at, self.ready.get(adapter, at))
        self.uses.note(str(adapter))
        self.uses.end_turn()
        self._room(self.host, adapter, HOST)
        self._room(self.slots, adapter, SLOTS)
        last = self.turns[-1][0] if self.turns else Turn(0.0, 0.0)
        if last.start > at:
            last.end += costs.more
        else:
            start = max(at, last.end)
            last = Turn(start, start + costs.step)
            self.turns.append((last, []))
        self.turns[-1][1].append(adapter)
        last.end += 0.0 if hit else costs.copy
        return hit, not near, there, last

    def _room(self, held: set[int], adapter: int, most: int) -> None:
        if adapter not in held and len(held) >= most:
            gone = int(self.uses.rarest(map(str, held))[0])
            held.discard(gone)
            if held is self.host:
                self.ready.pop(gone, None)
                self.slots.discard(gone)
                self.uses.forget(str(gone))
        held.add(adapter)


Route = Callable[[int, Sequence[Server], float], int]


def ours() -> Route:
    """`hub.fleet.ranked`, with what was heard."""
    heard = [0.0]

    def route(adapter: int, servers: Sequence[Server], at: float) -> int:
        if at >= heard[0]:
            heard[0] = at + HEARD
            for each in servers:
                each.told = (frozenset(map(str, each.slots)), frozenset(map(str, each.host)))
        seats = [Seat(str(id), each.busy(at), *each.told) for id, each in enumerate(servers)]
        return int(ranked(str(adapter), seats)[0])

    return route


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
    answers: list[tuple[float, float, Turn]] = []
    spread: dict[int, set[int]] = defaultdict(set)
    warm = len(asked) // 2
    for at, (adapter, time) in enumerate(zip(asked, times, strict=True)):
        chosen = route(adapter, servers, time)
        hit, load, there, turn = servers[chosen].take(adapter, time, costs)
        if at >= warm:
            hits, loads = hits + hit, loads + load
            answers.append((time, there, turn))
            spread[adapter].add(chosen)
    measured = len(asked) - warm
    seconds = [max(turn.end, there + costs.step) - time for time, there, turn in answers]
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


def known_rates(asked: Sequence[int], capacity: int) -> float:
    """The same where those that are asked for most stay for good once they came; adapters are numbered by how often
    they are asked for."""
    held: set[int] = set()
    hits, warm = 0, len(asked) // 2
    for at, adapter in enumerate(asked):
        hits += at >= warm and adapter in held
        if adapter < capacity:
            held.add(adapter)
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
    bounds = {
        name: {
            "hit rate": round(bound(asked, replicas * SLOTS), 4),
            "loads per request": round(1 - bound(asked, replicas * HOST), 4),
        }
        for name, bound in (("hindsight", belady), ("known rates", known_rates))
    }
    told = found["ours"]
    ratios: dict[str, float | None] = {}
    for name, bound in bounds.items():
        least = bound["loads per request"]
        ratios[f"ours / {name}, hits"] = round(told["hit rate"] / bound["hit rate"], 3)
        ratios[f"ours / {name}, loads"] = round(told["loads per request"] / least, 3) if least else None
    return {
        "replicas": replicas,
        "adapters": adapters,
        "zipf": exponent,
        "requests": requests,
        **found,
        **bounds,
        **ratios,
    }


def calibrated() -> Costs:
    """CPU seconds on one replica of the starter, medians of 24 adapters; more: of eight at once for each after the
    first."""
    from tests.hub.voices import voice

    with TemporaryDirectory() as folder:
        base = load_base("starter", "nf4")
        hub = Hub(Path(folder) / "hub")
        names = [f"acme/c{i}/behavior" for i in range(24)]
        for seed, name in enumerate(names, 1):
            hub.publish(voice(base, seed), name)
        registry = Registry(hub, base, limits=Limits(slots=8))
        seconds: dict[str, list[float]] = {"hub": [], "host": [], "slot": [], "eight": []}
        try:
            registry.analyze(names[0], "where is my refund?")
            for where in ("hub", "host"):
                for name in names[1:]:
                    for kind in (where, "slot"):
                        began = process_time()
                        registry.analyze(name, "where is my refund?")
                        seconds[kind].append(process_time() - began)
            eight = [Analyze(name, ["where is my refund?"]) for name in names[:8]]
            registry.run(eight)
            for _ in names:
                began = process_time()
                registry.run(eight)
                seconds["eight"].append(process_time() - began)
        finally:
            registry.close()
    cold, warm, hot, eight = (median(each) for each in seconds.values())
    return Costs(max(0.0, cold - warm), max(0.0, warm - hot), hot, max(0.0, eight - hot) / 7)


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
