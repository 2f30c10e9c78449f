"""What calls cost as the history of one name grows: `python -m benchmarks.long_history --budget 10`.

One name of 100, 1,000 and 10,000 versions, and an alias with a third as many events; records and events are written as
a publication writes them, straight to their paths. Each call is made on a hub that was just opened, as a nightly job
does, in turns over the three hubs, so that what else the machine does falls on all alike. Of each call: the median of
its milliseconds, of its CPU milliseconds, the files that it reads and the folders that it lists. `times` is the cost
(CPU) at 10,000 versions in costs at 100.

The result is written after each round; a run goes on where it was stopped.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter, process_time
from typing import Any

from benchmarks.hub_scale import record
from benchmarks.measure import machine, now, versions
from hub import Hub
from hub.catalogue import Event
from hub.storage import alias_log, log, numbered
from tests.hub.counting import Counted
from tests.hub.tiny import NAME, lora

RESULT = Path(__file__).parent / "results" / "long-history.json"
SIZES = (100, 1_000, 10_000)
ROUNDS = 9
CALLS: dict[str, Callable[[Hub, int], Any]] = {
    "open": lambda hub, turn: None,
    "resolve": lambda hub, turn: hub.resolve(NAME),
    "publish": lambda hub, turn: hub.publish(lora(turn % 2), NAME),
    "publish with an id": lambda hub, turn: hub.publish(lora(turn % 2), NAME, publish_id=f"night {turn}"),
    "the newest 100 versions": lambda hub, turn: hub.versions(NAME, 100),
    "the last 100 of the history": lambda hub, turn: hub.history(NAME, limit=100),
    "rollback": lambda hub, turn: hub.rollback(NAME),
    "set an alias": lambda hub, turn: hub.set_alias(NAME, "production", turn % 7 + 1),
}


def build(path: Path, size: int) -> None:
    """A hub with one name of so many versions, and a third as many events."""
    stream = random.Random(size)
    Hub(path).publish(lora(0), NAME)
    for number in range(2, size + 1):
        (path / numbered(log(NAME), number)).write_bytes(record(NAME, number, stream))
    events = path / alias_log(NAME, "production")
    events.mkdir(parents=True)
    for number in range(1, size // 3 + 1):
        event = Event(alias="production", version=number % 7 + 1, who="ops", when=now(), why="gates passed")
        (events / f"{number:06d}.json").write_bytes(event.to_bytes())


def measure(hubs: dict[int, Path], found: dict[str, Any], turn: int) -> None:
    """One call of each kind in each hub."""
    for name, call in CALLS.items():
        for size, path in hubs.items():
            with Counted() as counted:
                wall, cpu = perf_counter(), process_time()
                call(Hub(path), turn)
                spent = [(perf_counter() - wall) * 1e3, (process_time() - cpu) * 1e3]
            of = found.setdefault(name, {}).setdefault(f"{size:,}", {"ms": [], "cpu": []})
            of["ms"].append(round(spent[0], 2))
            of["cpu"].append(round(spent[1], 2))
            of["reads"], of["listings"] = len(counted.read), len(counted.listed)


def report(found: dict[str, Any]) -> dict[str, Any]:
    """Medians, and how much dearer the longest history is."""
    calls: dict[str, Any] = {}
    for name, sizes in found.items():
        calls[name] = {
            size: {**of, "ms": round(median(of["ms"]), 1), "cpu": round(median(of["cpu"]), 1)}
            for size, of in sizes.items()
        }
        few, many = (calls[name][f"{size:,}"]["cpu"] for size in (SIZES[0], SIZES[-1]))
        calls[name]["times"] = round(many / few, 2) if few else None
    return calls


def main(arguments: list[str]) -> int:
    """Rounds until there are enough, or the minutes are over."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--budget", type=float, default=10.0, help="minutes")
    parser.add_argument("--again", action="store_true", help="forget what was measured before")
    given = parser.parse_args(arguments)
    until = monotonic() + given.budget * 60
    kept = json.loads(RESULT.read_text()) if RESULT.is_file() and not given.again else {}
    found, done = kept.get("measured", {}), kept.get("rounds", 0)
    with tempfile.TemporaryDirectory() as folder:
        hubs = {size: Path(folder, str(size)) for size in SIZES}
        for size, path in hubs.items():
            build(path, size)
        measure(hubs, {}, 1000)  # imports, and the derived lists
        for turn in range(done, ROUNDS):
            if monotonic() > until:
                break
            measure(hubs, found, turn)
            done = turn + 1
            result = {
                "benchmark": "long_history",
                "command": "python -m benchmarks.long_history",
                "rounds": done,
                "calls": report(found),
                "machine": machine(),
                "versions of": versions("pydantic"),
                "date": now(),
                "measured": found,
            }
            RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report(found), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
