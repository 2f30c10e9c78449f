"""What Ray costs, a fleet of one replica beside a server: `python -m benchmarks.fleet_cost --budget MINUTES`.

`repertoire serve` and `repertoire serve --ray local --replicas 1` on the same hub, eight adapters on the starter, are
asked in turns of ROUND seconds by the same client, CONNECTIONS at a time, each of which asks again as soon as it is
answered. The request is the cheapest there is, one short text to label, so that what lies around the base shows. A
second run adds rounds to the first.

Requests a second are compared at equal p95: at that of the server with so many connections, read from the line through
the fleet's points. CPU seconds a request are those of all processes of a side; the client's are apart, but it runs on
the same cores. Whichever side is not asked idles beside the other, and Ray's idling is measured, too.
"""

import argparse
import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
import psutil

from adapters import load_base
from benchmarks.measure import keep, machine, now, versions
from benchmarks.serve import server
from hub import Hub
from tests.hub.voices import voice

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "fleet-cost.json"
WORK = ROOT / "build" / "benchmarks" / "fleet-cost"
ADAPTERS, CONNECTIONS, ROUND = 8, (8, 16, 32, 64), 8.0
WANTED = 0.8  # requests a second of the fleet by those of the server
SIDES: dict[str, list[str]] = {"server": [], "fleet": ["--ray", "local", "--replicas", "1"]}


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


def _request(host: str, adapter: int) -> bytes:
    body = json.dumps({"reference": f"acme/c{adapter}/behavior", "texts": ["where is my refund?"]}).encode()
    return (
        f"POST /v1/analyze HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


async def _asked(url: str, connections: int, seconds: float) -> list[float]:
    """Seconds of each answer. A client of HTTP that does no more than it must: its work takes from what it measures."""
    host, _, port = url.removeprefix("http://").partition(":")
    requests = [_request(f"{host}:{port}", adapter) for adapter in range(ADAPTERS)]
    turn, took = count(), []
    ends = time.perf_counter() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while time.perf_counter() < ends:
            began = time.perf_counter()
            writer.write(requests[next(turn) % ADAPTERS])
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            assert head.startswith(b"HTTP/1.1 200") and length, head
            await reader.readexactly(int(length[1]))
            took.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return took


def _measured(first: psutil.Process, url: str, connections: int) -> dict[str, float]:
    cpu, own, began = _cpu(first), time.process_time(), time.perf_counter()
    took = asyncio.run(_asked(url, connections, ROUND))
    seconds, asked = time.perf_counter() - began, len(took)
    return {
        "requests a second": asked / seconds,
        "p50 ms": 1000 * median(took),
        "p95 ms": 1000 * quantiles(took, n=20)[18],
        "CPU ms a request": 1000 * (_cpu(first) - cpu) / asked,
        "client's CPU ms a request": 1000 * (time.process_time() - own) / asked,
    }


def _idle(first: psutil.Process) -> float:
    cpu = _cpu(first)
    time.sleep(ROUND)
    return (_cpu(first) - cpu) / ROUND


def _told(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of all rounds: side -> connections -> medians; and the fleet by the server."""
    points = {
        side: {
            str(each): {
                name: round(median(one[side][str(each)][name] for one in rounds), 2)
                for name in rounds[0][side][str(each)]
            }
            for each in CONNECTIONS
        }
        for side in SIDES
    }
    equal = {}
    line = sorted((each["p95 ms"], each["requests a second"]) for each in points["fleet"].values())
    for connections, each in points["server"].items():
        if line[0][0] <= each["p95 ms"] <= line[-1][0]:
            rate = float(np.interp(each["p95 ms"], *zip(*line, strict=True)))
            equal[connections] = round(rate / each["requests a second"], 3)
    same = {
        str(each): round(
            median(
                one["fleet"][str(each)]["requests a second"] / one["server"][str(each)]["requests a second"]
                for one in rounds
            ),
            3,
        )
        for each in CONNECTIONS
    }
    return {
        **points,
        "idle, CPU seconds a second": {
            side: round(median(one["idle"][side] for one in rounds), 3) for side in SIDES
        },
        "fleet / server, requests a second, same connections": same,
        "fleet / server, requests a second, p95 of the server with so many connections": equal,
        "reached": bool(equal) and min(equal.values()) >= WANTED,
    }


def _hub() -> Path:
    """Made once."""
    base, hub = load_base("starter", "nf4"), Hub(WORK / "hub")
    for adapter in range(ADAPTERS):
        if (name := f"acme/c{adapter}/behavior") not in hub.names():
            hub.publish(voice(base, adapter), name)
    return WORK / "hub"


def main(arguments: Sequence[str]) -> int:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=10.0, metavar="MINUTES")
    until = time.monotonic() + 60 * parser.parse_args(arguments).budget
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    hub, kept = _hub(), WORK / "rounds.json"
    rounds: list[dict[str, Any]] = json.loads(kept.read_text("utf-8")) if kept.is_file() else []
    with ExitStack() as both:
        sides = {name: both.enter_context(server(hub, *more)) for name, more in SIDES.items()}
        for first, url in sides.values():
            _measured(first, url, CONNECTIONS[0])
        while True:
            began = time.monotonic()
            found: dict[str, Any] = {"load": os.getloadavg()[0]}
            order = list(sides)[:: 1 if len(rounds) % 2 else -1]
            found["idle"] = {side: _idle(sides[side][0]) for side in order}
            for connections in CONNECTIONS:
                for side in order:
                    found.setdefault(side, {})[str(connections)] = _measured(*sides[side], connections)
            rounds.append(found)
            keep(kept, rounds)
            print(json.dumps(found), flush=True)
            if 2 * time.monotonic() - began > until:
                break
    told = {
        "benchmark": "fleet_cost",
        "command": "python -m benchmarks.fleet_cost --budget MINUTES",
        "at": now(),
        "machine": machine(),
        "versions": versions("torch", "ray", "fastapi", "uvicorn"),
        "rounds": len(rounds),
        "load": [round(each["load"], 1) for each in rounds],
        **_told(rounds),
    }
    RESULT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(told, indent=1))
    return 0 if told["reached"] else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
