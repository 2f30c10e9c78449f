"""A server beside its registry: `python -m benchmarks.serve --budget MINUTES`; a second run adds rounds to the first.

The same requests, written texts, labels and vectors for 50 adapters over 16 slots, are asked in turns of ROUND seconds:
in-process by 64 threads of a Registry, and by 64 connections of one client to `repertoire serve` in a process of its
own. Throughput is the ratio within a round. The client runs on the same cores as the server, and its work, little as
it is, counts against it; CPU seconds a request are those of the process that answers. Meanwhile a third process asks
`/health` ten times a second, and the server's memory is looked at every second. Before the first round and halfway
through, 2,000 streams are begun and every second one is left: what the first of them leaves behind, the second must
not add to.

What was to be reached, and whether it was, is printed at the end; the exit code is 0 where all of it was.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import mean, median, quantiles
from threading import Event, Thread
from typing import Any

import httpx
import psutil
import torch

from adapters import Adapter, Base, BaseId, Head, Lora, load_base
from adapters.base import settle_threads
from benchmarks import llama28m
from benchmarks.measure import machine, now, versions
from hub import Analyze, Embed, Hub, Registry, Write
from hub.registry.requests import Request

RESULT = llama28m.ROOT / "benchmarks" / "results" / "serve.json"
WORK = llama28m.ROOT / "build" / "benchmarks" / "serve"
ADAPTERS, SLOTS, CONNECTIONS, ROUND, STREAMS, MINUTE = 50, 16, 64, 20.0, 2000, 60.0
LONG = 1000  # tokens of a text whose stream is left
PING = """
import sys, time, json, http.client
host, seconds, took = sys.argv[1], float(sys.argv[2]), []
ends = time.perf_counter() + seconds
to = http.client.HTTPConnection(host, timeout=60)
while time.perf_counter() < ends:
    began = time.perf_counter()
    to.request("GET", "/health")
    answer = to.getresponse()
    assert answer.read() and answer.status == 200
    took.append(time.perf_counter() - began)
    time.sleep(0.1)
print(json.dumps(took))
"""


def main(arguments: Sequence[str]) -> int:
    """Measure and write the result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--budget", type=float, default=10.0, metavar="MINUTES")
    parser.add_argument("--streams", type=int, default=STREAMS, help="begun at once, twice")
    told = parser.parse_args(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    WORK.mkdir(parents=True, exist_ok=True)
    log = WORK / "rounds.jsonl"
    settle_threads()  # as the server does
    base = load_base(str(llama28m.base()), "none")
    hub = _hub(base)
    registry = Registry(hub, base, limits=_limits())
    requests = _requests()
    expected = [_plain(answer) for answer in registry.run(requests)]
    options = ("--base", str(llama28m.base()), "--quantization", "none", "--slots", str(SLOTS))
    with server(Path(hub.storage.address), *options) as (process, url):
        _warm(url, requests)
        left = asyncio.run(_streams(url, told.streams))
        began, budget = time.monotonic(), 60 * told.budget
        rounds: list[dict[str, Any]] = []
        again: int | None = None
        with _watched(process) as memory:
            while not rounds or time.monotonic() - began + 2.5 * ROUND < budget:
                rounds.append(_round(registry, url, process, requests, expected))
                if again is None and time.monotonic() - began >= budget / 2 - 2 * ROUND:
                    again = asyncio.run(_streams(url, told.streams))
        if again is None:
            again = asyncio.run(_streams(url, told.streams))
    registry.close()
    rounds[-1] |= {
        "left": left + again,
        "streams": 2 * told.streams,
        "minutes": (time.monotonic() - began) / 60,
    }
    rounds[-1] |= {"memory": _flat(memory), "peak": max(size for _, size in memory)}
    with log.open("a") as file:
        file.writelines(json.dumps(each) + "\n" for each in rounds)
    found = [json.loads(line) for line in log.read_text().splitlines()]
    result = _result(found)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    for name, reached in result["reached"].items():
        print(f"{'reached    ' if reached else 'NOT REACHED'}  {name}")
    return 0 if all(result["reached"].values()) else 1


def _result(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of the rounds of all runs. The last round of a run tells of the run."""
    runs = [each for each in rounds if "left" in each]
    ratio = round(median(each["ratio"] for each in rounds), 3)
    health = round(1000 * max(each["health_p99"] for each in rounds), 1)
    answers = {name: sum(each[name] for each in rounds) for name in ("right", "other", "errors")}
    long = [each for each in runs if each["minutes"] >= 5]
    memory = [round(each["memory"], 3) for each in runs]
    return {
        "benchmark": "serve",
        "command": "python -m benchmarks.serve --budget MINUTES",
        "rounds": len(rounds),
        "minutes": [round(each["minutes"], 1) for each in runs],
        "throughput, server / in-process": ratio,
        "requests a second": {
            way: round(median(each[way] for each in rounds), 1) for way in ("in-process", "server")
        },
        "CPU seconds a request": {
            way: round(median(each["cpu"][way] for each in rounds), 4) for way in rounds[0]["cpu"]
        },
        "health, milliseconds": {
            "median": round(1000 * median(each["health_median"] for each in rounds), 1),
            "p99, the worst round": health,
        },
        "server's memory, last minute / first": memory,
        "server's memory at most, MiB": [round(each["peak"] / 2**20) for each in runs],
        "answers": answers,
        "streams": [each["streams"] for each in runs],
        "streams left, rows still written afterwards": [each["left"] for each in runs],
        "reached": {
            "throughput at least 0.9 of the same requests in-process": ratio >= 0.9,
            "p99 of /health under 50 ms in every round": health < 50,
            "every answer right, and no error": answers["other"] == answers["errors"] == 0,
            "no row is written for a stream that was left": not any(each["left"] for each in runs),
            "memory of the last minute within 5 % of the first, in a run of 5 minutes or more": bool(long)
            and all(abs(each["memory"] - 1) <= 0.05 for each in long),
        },
        "machine": machine() | {"load": os.getloadavg()},
        "versions": versions("torch", "transformers", "fastapi", "uvicorn"),
        "date": now(),
    }


@contextmanager
def _watched(about: psutil.Process) -> Iterator[list[tuple[float, int]]]:
    """(seconds of the clock, bytes of the server's memory), added to every second."""
    sizes: list[tuple[float, int]] = []
    ended = Event()

    def look() -> None:
        while not ended.wait(1.0):
            sizes.append((time.monotonic(), about.memory_info().rss))

    thread = Thread(target=look)
    thread.start()
    try:
        yield sizes
    finally:
        ended.set()
        thread.join()


def _flat(sizes: Sequence[tuple[float, int]]) -> float:
    """Mean memory of the last minute by that of the first."""
    first = mean(size for at, size in sizes if at <= sizes[0][0] + MINUTE)
    return mean(size for at, size in sizes if at >= sizes[-1][0] - MINUTE) / first


def _limits() -> Any:
    from adapters import Limits

    return Limits(slots=SLOTS)


def _hub(base: Base) -> Hub:
    """Half of the adapters write, half label; made once."""
    hub = Hub(WORK / "hub")
    there = set(hub.names())
    for number in range(ADAPTERS // 2):
        if f"bench/a{number}/ad-copy" not in there:
            hub.publish(llama28m.adapter("lora", number), f"bench/a{number}/ad-copy")
        if f"bench/a{number}/behavior" not in there:
            hub.publish(_labelling(base, number), f"bench/a{number}/behavior")
    return hub


def _labelling(base: Base, seed: int) -> Adapter:
    random = torch.Generator().manual_seed(seed)
    tensors = {"base_model.model.score.weight": torch.randn(3, base.width, generator=random)}
    for path, linear in base.linears.items():
        if path.endswith("q_proj"):
            stem = f"base_model.model.{path}"
            tensors[f"{stem}.lora_A.weight"] = 0.02 * torch.randn(8, linear.in_features, generator=random)
            tensors[f"{stem}.lora_B.weight"] = 0.02 * torch.randn(linear.out_features, 8, generator=random)
    made_for = BaseId("bench/llama28m", None, base.fingerprint)
    return Adapter(Lora(8, 16.0, ("q_proj",)), Head(("a", "b", "c"), "last"), tensors, made_for, "behavior")


def _requests() -> list[Request]:
    found: list[Request] = []
    for number in range(ADAPTERS):
        name, text = f"bench/a{number % (ADAPTERS // 2)}", f"request {number}: " + "word " * (number % 9)
        found += [
            Write(f"{name}/ad-copy", text, temperature=0.0, max_new_tokens=8),
            Analyze(f"{name}/behavior", [text, f"another {text}"]),
            Embed(f"{name}/behavior", [text]),
        ]
    return found


def _plain(answer: Any) -> Any:
    """What is compared of an answer, however it came."""
    if isinstance(answer, Exception):
        return repr(answer)
    first = answer[0]
    if isinstance(first, str):
        return first
    return [
        round(each, 3)
        for each in (first.vector[:8] if hasattr(first, "vector") else first.probabilities.values())
    ]


def _body(request: Request) -> tuple[str, dict[str, Any]]:
    if isinstance(request, Write):
        told = {"model": request.reference, "prompt": request.product, "temperature": 0, "max_tokens": 8}
        return "/v1/completions", told
    if isinstance(request, Embed):
        return "/v1/embeddings", {"model": request.reference, "input": list(request.texts)}
    assert isinstance(request, Analyze)
    return "/v1/analyze", {"reference": request.reference, "texts": list(request.texts)}


def _answered(request: Request, document: Mapping[str, Any]) -> Any:
    if isinstance(request, Write):
        return document["choices"][0]["text"]
    if isinstance(request, Embed):
        return [round(each, 3) for each in document["data"][0]["embedding"][:8]]
    return [round(each, 3) for each in document["analyses"][0]["probabilities"].values()]


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return all(abs(a - b) <= 0.002 for a, b in zip(one, other, strict=True))
    return bool(one == other)


def _warm(url: str, requests: Sequence[Request]) -> None:
    """Ask everything once, as the registry was."""
    with httpx.Client(base_url=url, timeout=600) as http, ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(lambda request: http.post(_body(request)[0], json=_body(request)[1]), requests))


def _round(
    registry: Registry,
    url: str,
    about: psutil.Process,
    requests: Sequence[Request],
    expected: Sequence[Any],
) -> dict[str, Any]:
    cpu = _cpu(psutil.Process())
    asked, inside = _in_process(registry, requests)
    cpu = (_cpu(psutil.Process()) - cpu) / asked
    before = _cpu(about)
    host = url.removeprefix("http://")
    ping = subprocess.Popen([sys.executable, "-c", PING, host, str(ROUND)], stdout=subprocess.PIPE, text=True)
    own = _cpu(psutil.Process())
    answers, seconds = asyncio.run(_over_http(host, requests))
    own = (_cpu(psutil.Process()) - own) / len(answers)
    served_cpu = (_cpu(about) - before) / len(answers)
    took = json.loads(ping.communicate()[0])
    right = sum(
        _alike(_answered(requests[at], json.loads(body)), expected[at])
        for at, status, body in answers
        if status == 200
    )
    errors = sum(status != 200 for _, status, _ in answers)
    served = len(answers) / seconds
    return {
        "in-process": inside,
        "server": served,
        "ratio": served / inside,
        "health_median": median(took),
        "health_p99": quantiles(took, n=100)[-1],
        "right": right,
        "other": len(answers) - right - errors,
        "errors": errors,
        "cpu": {"in-process": cpu, "server": served_cpu, "client": own},
    }


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _in_process(registry: Registry, requests: Sequence[Request]) -> tuple[int, float]:
    """Requests of as many threads as there are connections, and how many a second."""
    numbers, done = count(), count()
    ends = time.perf_counter() + ROUND

    def work(_: int) -> None:
        while time.perf_counter() < ends:
            registry.run([requests[next(numbers) % len(requests)]])
            next(done)

    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(work, range(CONNECTIONS)))
    asked = next(done)
    return asked, asked / (time.perf_counter() - began)


async def _over_http(host: str, requests: Sequence[Request]) -> tuple[list[tuple[int, int, bytes]], float]:
    """(number of the request, its answer's status and body) of each, and the seconds of all.

    The client is as small as one can be, for it runs on the server's cores: httpx takes about 1 ms a request."""
    sent = [_http(host, *_body(request)) for request in requests]
    name, port = host.split(":")
    numbers, found = count(), []
    ends = time.perf_counter() + ROUND

    async def work() -> None:
        reader, writer = await asyncio.open_connection(name, int(port))
        while time.perf_counter() < ends:
            at = next(numbers) % len(requests)
            writer.write(sent[at])
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            size = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            found.append((at, int(head.split(b" ", 2)[1]), await reader.readexactly(size)))
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    return found, time.perf_counter() - began


def _http(host: str, path: str, document: Mapping[str, Any]) -> bytes:
    body = json.dumps(document).encode()
    told = {"Host": host, "Content-Type": "application/json", "Content-Length": len(body)}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _streams(url: str, streams: int) -> int:
    """Begin streams and leave every second one; rows that are written when all others have ended. Those that are left
    asked for a text that would take far longer than the others': if the server wrote on, it would show."""
    async with httpx.AsyncClient(
        base_url=url, timeout=600, limits=httpx.Limits(max_connections=None)
    ) as http:

        async def one(number: int) -> None:
            body = {
                "model": f"bench/a{number % 8}/ad-copy",
                "prompt": "mug",
                "max_tokens": LONG if number % 2 else 24,
                "stream": True,
            }
            async with http.stream("POST", "/v1/completions", json={**body, "temperature": 1.0}) as stream:
                async for _ in stream.aiter_lines():
                    if number % 2:
                        return

        await asyncio.gather(*(one(number) for number in range(streams)))
        for _ in range(50):
            writing = (await http.get("/v1/residency")).json()["writing"]
            if not writing:
                break
            await asyncio.sleep(0.1)
        return int(writing)


@contextmanager
def server(hub: Path, *options: str) -> Iterator[tuple[psutil.Process, str]]:
    """`repertoire serve`, from its start to its end: its first process, and its address."""
    command = [sys.executable, "-c", "from hub.cli import main; main()", "serve", "--hub", str(hub)]
    with subprocess.Popen(
        [*command, "--port", "0", *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+?:\d+", process.stdout.readline())
        try:
            assert found, "the server did not start"
            yield psutil.Process(process.pid), found[0]
        finally:
            process.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
