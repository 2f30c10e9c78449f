"""What Ray costs, a fleet of one replica beside a server: `python -m benchmarks.fleet_cost --budget MINUTES`.

`repertoire serve`, and `repertoire serve --ray local --replicas 1` with Ray's own proxy and with HAProxy, on the same
hub of eight adapters, are asked in turns by the same client, some CONNECTIONS at a time, each of which asks again as
soon as it is answered. All compute with one thread. A second run adds rounds to the first.

    starter     one short text to label: the cheapest request that there is, so that what lies around the base shows
    SmolLM2     what a real base is asked, on the folder in build/benchmarks/bases: a text of 100 tokens to label, or 20
                ads to rank for a user; no two texts and users are the same

Requests a second are compared at as many connections, and, where there are several numbers of them, at equal p95: at
that of the server with so many connections, read from the line through the fleet's points. CPU seconds a request are
those of all processes of a side; the client's are apart, but it runs on the same cores. Whichever side is not asked
idles beside the others, and Ray's idling is measured, too: `beyond idling` is a request without what the processes take
anyway in the time, which is most of it where few requests come. No side stands back behind another (`nice`).
"""

import argparse
import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
import psutil

from adapters import Head, load_base
from benchmarks.measure import keep, machine, now, versions
from benchmarks.serve import server
from hub import Hub
from tests.hub.voices import voice

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "fleet-cost.json"
WORK = ROOT / "build" / "benchmarks" / "fleet-cost"
SMOLLM2 = ROOT / "build" / "benchmarks" / "bases" / "smollm2"
ADAPTERS, DIFFERENT, IDLE = 8, 512, 8.0
WANTED = 0.8  # requests a second of the fleet by those of the server
_FLEET = ["--ray", "local", "--replicas", "1"]
SIDES: dict[str, list[str]] = {"server": [], "fleet": _FLEET, "fleet, HAProxy": [*_FLEET, "--haproxy"]}
_WORDS = "the parcel came late again and nobody at the shop could say where it had been all week long".split()


@dataclass(frozen=True)
class Kind:
    """Requests of one kind. path: asked; document: of the request with a number; connections: numbers of them, in
    turn; seconds: of a turn."""

    path: str
    document: Callable[[int], dict[str, Any]]
    connections: tuple[int, ...]
    seconds: float


def _short(number: int) -> dict[str, Any]:
    return {"reference": f"acme/c{number % ADAPTERS}/behavior", "texts": ["where is my refund?"]}


def _text(number: int) -> dict[str, Any]:
    return {"reference": f"acme/c{number % ADAPTERS}/behavior", "texts": [_words(number, 95)]}


def _ads(number: int) -> dict[str, Any]:
    ads = [f"Offer {at}: {_words(7 * at, 9)}" for at in range(20)]
    return {"reference": f"acme/c{number % ADAPTERS}/recommendation", "user": _words(number, 38), "ads": ads}


def _words(number: int, length: int) -> str:
    """A text that begins like no other one."""
    return f"order {number}: " + " ".join(_WORDS[(number + at * at) % len(_WORDS)] for at in range(length))


BASES: dict[str, tuple[str, dict[str, Kind]]] = {
    "starter": ("starter", {"a short text": Kind("/v1/analyze", _short, (8, 16, 32, 64), 8.0)}),
    "SmolLM2": (
        str(SMOLLM2),
        {
            "a text of 100 tokens": Kind("/v1/analyze", _text, (8,), 15.0),
            "20 ads for a user": Kind("/v1/recommend", _ads, (8,), 15.0),
        },
    ),
}


def _cpu(first: psutil.Process) -> float:
    """Seconds of a process and of all that it started."""
    seconds = 0.0
    for each in (first, *first.children(recursive=True)):
        try:
            times = each.cpu_times()
            seconds += times.user + times.system
        except psutil.NoSuchProcess:
            pass
    return seconds


def _request(host: str, kind: Kind, number: int) -> bytes:
    body = json.dumps(kind.document(number)).encode()
    return (
        f"POST {kind.path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


async def _asked(url: str, kind: Kind, connections: int, turn: "count[int]") -> list[float]:
    """Seconds of each answer. A client of HTTP that does no more than it must: its work takes from what it measures."""
    host, _, port = url.removeprefix("http://").partition(":")
    requests = [_request(f"{host}:{port}", kind, number) for number in range(DIFFERENT)]
    took: list[float] = []
    ends = time.perf_counter() + kind.seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while time.perf_counter() < ends:
            began = time.perf_counter()
            writer.write(requests[next(turn) % DIFFERENT])
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            assert head.startswith(b"HTTP/1.1 200") and length, head
            await reader.readexactly(int(length[1]))
            took.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return took


@dataclass(frozen=True)
class Side:
    """One that is asked. first: its first process; turn: counts its requests."""

    first: psutil.Process
    url: str
    turn: "count[int]"

    def measured(self, kind: Kind, connections: int) -> dict[str, float]:
        cpu, own, began = _cpu(self.first), time.process_time(), time.perf_counter()
        took = asyncio.run(_asked(self.url, kind, connections, self.turn))
        seconds, asked = time.perf_counter() - began, len(took)
        return {
            "requests a second": asked / seconds,
            "p50 ms": 1000 * median(took),
            "p95 ms": 1000 * quantiles(took, n=20)[18],
            "CPU ms a request": 1000 * (_cpu(self.first) - cpu) / asked,
            "client's CPU ms a request": 1000 * (time.process_time() - own) / asked,
        }

    def idle(self) -> float:
        """CPU seconds a second while nobody asks."""
        cpu = _cpu(self.first)
        time.sleep(IDLE)
        return (_cpu(self.first) - cpu) / IDLE


def _round(sides: Mapping[str, Side], kinds: Mapping[str, Kind], turn: int) -> dict[str, Any]:
    """Each side once with each kind and number of connections, first one and then the other first."""
    order = list(sides)[:: -1 if turn % 2 else 1]
    found: dict[str, Any] = {"load": os.getloadavg()[0], "idle": {side: sides[side].idle() for side in order}}
    for name, kind in kinds.items():
        for connections in kind.connections:
            for side in order:
                own = found.setdefault(name, {}).setdefault(side, {})
                own[str(connections)] = sides[side].measured(kind, connections)
    return found


def _beyond_idling(found: Mapping[str, Any], kind: str) -> dict[str, dict[str, dict[str, float]]]:
    """A kind of a round: side -> connections -> figures, with the CPU of a request beyond idling."""
    name = "CPU ms a request"
    return {
        side: {
            each: own
            | {f"{name}, beyond idling": own[name] - 1000 * found["idle"][side] / own["requests a second"]}
            for each, own in by.items()
        }
        for side, by in found[kind].items()
    }


def _told(rounds: Sequence[Mapping[str, Mapping[str, Mapping[str, float]]]]) -> dict[str, Any]:
    """Of one kind, in all rounds: side -> connections -> medians; and each fleet by the server."""
    points = {
        side: {
            each: {name: round(median(one[side][each][name] for one in rounds), 2) for name in found}
            for each, found in own.items()
        }
        for side, own in rounds[0].items()
    }
    told: dict[str, Any] = {**points}
    for side in [side for side in points if side != "server"]:
        for name in ("requests a second", "p95 ms", "CPU ms a request", "CPU ms a request, beyond idling"):
            told[f"{side} / server, {name}, same connections"] = {
                each: round(median(one[side][each][name] / one["server"][each][name] for one in rounds), 3)
                for each in points[side]
            }
        equal = _equal(points["server"], points[side])
        told[f"{side} / server, requests a second, p95 of the server with so many connections"] = equal
        same = told[f"{side} / server, requests a second, same connections"]
        compared = equal.values() if len(same) > 1 else same.values()
        told[f"{side}, reached"] = bool(compared) and min(compared) >= WANTED
    return told


def _equal(
    server: Mapping[str, Mapping[str, float]], fleet: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    line = sorted((each["p95 ms"], each["requests a second"]) for each in fleet.values())
    return {
        connections: round(
            float(np.interp(each["p95 ms"], *zip(*line, strict=True))) / each["requests a second"], 3
        )
        for connections, each in server.items()
        if line[0][0] < each["p95 ms"] <= line[-1][0]
    }


def _hub(name: str, base: str) -> Path:
    """Made once."""
    folder = WORK / f"hub-{name}"
    hub = Hub(folder)
    if len(hub.names()) < 2 * ADAPTERS:
        loaded, there = load_base(base, "nf4"), set(hub.names())
        for adapter in range(ADAPTERS):
            labels = voice(loaded, adapter)
            ranks = replace(labels, head=Head(("not clicked", "clicked"), "last"), task="recommendation")
            for task, each in (("behavior", labels), ("recommendation", ranks)):
                if f"acme/c{adapter}/{task}" not in there:
                    hub.publish(each, f"acme/c{adapter}/{task}")
    return folder


def _measure(name: str, until: float, kept: Path) -> list[dict[str, Any]]:
    """Rounds on one base, until a time of `monotonic`; those of before come first."""
    base, kinds = BASES[name]
    hub = _hub(name, base)
    all_rounds: dict[str, list[dict[str, Any]]] = (
        json.loads(kept.read_text("utf-8")) if kept.is_file() else {}
    )
    rounds = all_rounds.setdefault(name, [])
    with ExitStack() as running:
        sides = {
            side: Side(*running.enter_context(server(hub, "--base", base, *more)), count())
            for side, more in SIDES.items()
        }
        for each in sides.values():
            for kind in kinds.values():
                each.measured(kind, kind.connections[0])
        while True:
            began = time.monotonic()
            rounds.append(_round(sides, kinds, len(rounds)))
            keep(kept, all_rounds)
            print(name, json.dumps(rounds[-1]), flush=True)
            if 2 * time.monotonic() - began > until:
                return rounds


def main(arguments: Sequence[str]) -> int:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--budget", type=float, default=20.0, metavar="MINUTES")
    budget = 60 * parser.parse_args(arguments).budget
    # A replica of one processor has one thread, where a server has as many as there are; and Ray's processes stand back
    # behind all others of the machine, such as the server.
    os.environ |= {
        "OMP_NUM_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "300",  # on a busy machine it is not ready in five
        "RAY_worker_niceness": "0",
    }
    there = [name for name, (base, _) in BASES.items() if base == "starter" or Path(base).is_dir()]
    found = {
        name: _measure(name, time.monotonic() + budget / len(there), WORK / "rounds-by-base.json")
        for name in there
    }
    return _written(found)


def _written(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> int:
    """The result of rounds by base; 1 where a fleet as it starts by itself does not reach what was wanted."""
    told: dict[str, Any] = {
        "benchmark": "fleet_cost",
        "command": "python -m benchmarks.fleet_cost --budget MINUTES",
        "at": now(),
        "machine": machine(),
        "versions": versions("torch", "ray", "fastapi", "uvicorn"),
        "not run": [name for name in BASES if name not in found],
        "bases": {
            name: {
                "rounds": len(rounds),
                "load": [round(each["load"], 1) for each in rounds],
                "idle, CPU seconds a second": {
                    side: round(median(one["idle"][side] for one in rounds), 3) for side in SIDES
                },
                **{kind: _told([_beyond_idling(one, kind) for one in rounds]) for kind in BASES[name][1]},
            }
            for name, rounds in found.items()
        },
    }
    RESULT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(told, indent=1))
    reached = [told["bases"][name][kind]["fleet, reached"] for name in found for kind in BASES[name][1]]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
