"""What it costs to follow aliases, and how soon a move is answered: `python -m benchmarks.following`.

asking     microseconds to learn what a reference means: in memory where it is followed, else from the hub
idle       the share of one core that watching takes while nothing moves, beside the same process without a watch
moving     seconds from `set_alias` to the new version's answering, its weights read from the disk each time, while a
           thread asks without a pause; and how long those requests took, while it moved and while it did not
"""

import json
import sys
import tempfile
from statistics import median, quantiles
from threading import Event, Thread
from time import perf_counter, process_time, sleep
from typing import Any

import transformers as tf

from adapters import Base, load_base
from adapters.serving.runtime import Runtime
from benchmarks import llama28m
from benchmarks.measure import keep_freed_memory, machine, now, versions
from hub import Hub, Registry, Version, Write
from hub.registry.following import Following
from hub.registry.held import Held

RESULT = llama28m.ROOT / "benchmarks" / "results" / "following.json"
NAMES = 100
IDLE = 20.0  # seconds
MOVES = 20
QUIET = 0.3  # seconds between two moves


def main() -> int:
    """Measure and write the result."""
    keep_freed_memory()
    tf.logging.set_verbosity_error()
    about = machine()
    hub = Hub(tempfile.mkdtemp())
    names = [f"bench/a{number}/ad-copy" for number in range(NAMES)]
    for name in names:
        hub.publish(llama28m.adapter("lora", 0), name)
        hub.set_alias(name, "production", 1)
    hub.publish(llama28m.adapter("lora", 1), names[0])
    base = load_base(str(llama28m.base()), "none")
    runtime = Runtime(base, hub.fetch)
    result: dict[str, Any] = {
        "benchmark": "following",
        "command": "python -m benchmarks.following",
        "references": NAMES,
        "asking": asking(hub, runtime, names[0]),
        "idle": idle(hub, runtime, names),
        "moving": moving(hub, base, names[0]),
        "machine": about,
        "versions": versions("torch", "transformers"),
        "date": now(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0


def watched(hub: Hub, runtime: Runtime) -> Following:
    """A watch in which nothing moves."""

    def refuse(version: Version) -> None:
        raise AssertionError(f"{version.reference} is new")

    return Following(hub, refuse, Held(runtime))


def asking(hub: Hub, runtime: Runtime, name: str, times: int = 2000) -> dict[str, float]:
    """Microseconds, medians."""
    following = watched(hub, runtime)
    found = {}
    for way, ask in (("followed", following.version), ("asked of the hub", hub.resolve)):
        for reference in (name, f"{name}@production"):
            ask(reference)
            seconds = []
            for _ in range(times):
                began = perf_counter()
                ask(reference)
                seconds.append(perf_counter() - began)
            found[f"{'alias' if '@' in reference else 'name'}, {way}"] = round(median(seconds) * 1e6, 1)
    following.close()
    return found


def idle(hub: Hub, runtime: Runtime, names: list[str]) -> dict[str, float]:
    """Percent of a core."""
    found = {"no watch": used()}
    for count in (1, NAMES):
        following = watched(hub, runtime)
        for name in names[:count]:
            following.version(f"{name}@production")
        found[f"{count} followed"] = used()
        following.close()
    return found


def used() -> float:
    """What this process takes of a core while it sleeps, in percent."""
    began = process_time()
    sleep(IDLE)
    return round(100 * (process_time() - began) / IDLE, 3)


def moving(hub: Hub, base: Base, name: str) -> dict[str, Any]:
    """Seconds."""
    registry = Registry(hub, base)
    reference, done, moves = f"{name}@production", Event(), []
    asked: list[tuple[float, float]] = []

    def ask() -> None:
        while not done.is_set():
            began = perf_counter()
            registry.run([Write(reference, "mug 7", max_new_tokens=4)])
            asked.append((began, perf_counter()))

    registry.write(reference, "mug 7", max_new_tokens=4)
    thread = Thread(target=ask)
    thread.start()
    spans = []
    for turn in range(MOVES):
        new = 2 - turn % 2
        sleep(QUIET)
        registry._voice.cache_clear()
        registry.unload(f"{name}@{new}")
        began = perf_counter()
        hub.set_alias(name, "production", new)
        set_ = perf_counter()
        while registry.following()[0].version != f"{name}@{new}":
            sleep(0.001)
        spans.append((began, perf_counter()))
        moves.append(perf_counter() - set_)
    done.set()
    thread.join()
    registry.close()
    during = [end - start for start, end in asked if any(start < b and end > a for a, b in spans)]
    between = [end - start for start, end in asked if not any(start < b and end > a for a, b in spans)]
    return {
        "seconds until the new version answers": {
            "median": round(median(moves), 3),
            "longest": round(max(moves), 3),
        },
        "a request, seconds": {
            when: {"median": round(median(times), 4), "p95": round(quantiles(times, n=20)[-1], 4)}
            for when, times in (("while it moves", during), ("otherwise", between))
        },
    }


if __name__ == "__main__":
    sys.exit(main())
