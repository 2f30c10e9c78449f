"""What becomes of a fleet's requests when parts of it are killed: `python -m benchmarks.fleet_faults --budget MINUTES`.

The lines of docs/how-to/fleet.md, all on this machine: two nodes of one processor each, and `repertoire serve --ray
ADDRESS --replicas 2` for six adapters on the starter. Clients ask without a pause while a process is killed by SIGKILL,
until the fleet is whole again, TIMES for each kind of process; a machine and the head are killed once, with all that
runs there, and their lines started again. The head comes last: the command is started again, too, and answers, names,
aliases and keys are compared with those of before.

    right       the answer that one registry gives, to three digits
    told        an answer that is none, by its status and code
    cut         the connection ended, or was refused, before there was one: the client knows, and asks again
    lost        nothing came for SILENCE seconds

The result holds the faults that were run; the same command goes on with the others, on another fleet. With --haproxy
all is done to a fleet that was started so, whose HAProxy and the process that looks after it are killed, too.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from adapters import load_base
from benchmarks.fleet_lines import ADAPTERS, SILENCE, Fleet, until
from benchmarks.measure import in_parts, machine, now, versions

ROOT = Path(__file__).parents[1]
CLIENTS, TIMES = 4, 2
KILLED = {
    "a replica": "Replica",
    "an ingress": "Front",
    "the counts": "Counting",
    "Ray's proxy": "ProxyActor",
}
BY_HAPROXY = KILLED | {"Ray's proxy": "HAProxy", "what looks after HAProxy": "HAProxyManager"}


class Asked:
    """What became of the requests of all clients while something was done: kinds -> how many; at: when the first and
    the last answer of each version came; slowest: seconds."""

    def __init__(self, fleet: Fleet, references: Sequence[str] = ADAPTERS, clients: int = CLIENTS) -> None:
        self.kinds: Counter[str] = Counter()
        self.at: dict[str, list[float]] = {}
        self.slowest = 0.0
        self._fleet, self._references = fleet, references
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(at,)) for at in range(clients)]

    def __enter__(self) -> "Asked":
        for each in self._threads:
            each.start()
        self.more(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for each in self._threads:
            each.join()

    def more(self, wanted: int) -> None:
        """Wait for so many more right answers."""
        so_far = self.kinds["right"]
        until(lambda: self.kinds["right"] >= so_far + wanted)

    def told(self) -> dict[str, Any]:
        """Of all requests."""
        plain = {name: self.kinds[name] for name in ("right", "wrong", "cut", "lost")}
        errors = {name: found for name, found in sorted(self.kinds.items()) if name not in plain}
        return {
            "asked": self.kinds.total(),
            **plain,
            "told": errors,
            "slowest answer, seconds": round(self.slowest, 1),
        }

    def _ask(self, at: int) -> None:
        with self._fleet.http() as http:
            while not self._ended.is_set():
                at, began = at + 1, time.monotonic()
                kind = self._one(http, self._references[at % len(self._references)])
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.kinds[kind] += 1
                if kind == "cut":
                    time.sleep(0.5)

    def _one(self, http: httpx.Client, reference: str) -> str:
        try:
            answer = http.post("/v1/analyze", json={"reference": reference, "texts": ["good"]})
        except httpx.TimeoutException:
            return "lost"
        except httpx.TransportError:
            return "cut"
        try:
            told = answer.json()
            if answer.status_code != 200:
                return f"{answer.status_code} {told['error']['code']}"
            version, (analysis,) = told["system_fingerprint"], told["analyses"]
        except (ValueError, TypeError, KeyError):
            return f"{answer.status_code} of Ray"
        now = time.monotonic()
        self.at.setdefault(version, [now, now])[1] = now
        name, _, alias = reference.partition("@")
        expected = self._fleet.right[name].get(version, {})
        newest = version == [*self._fleet.right[name]][-1]
        same = all(
            abs(expected.get(label, 2.0) - share) < 1e-3 for label, share in analysis["probabilities"].items()
        )
        return "right" if same and (alias or newest) else "wrong"


def killed(fleet: Fleet, name: str) -> dict[str, Any]:
    """One process of a kind, again and again."""
    seconds = []
    with Asked(fleet) as asked:
        for _ in range(TIMES):
            began = time.monotonic()
            victim = max(fleet.parts()[name])
            os.kill(victim, signal.SIGKILL)
            until(partial(_is_replaced, fleet, name, victim))
            seconds.append(round(time.monotonic() - began, 1))
            asked.more(20)
    return {"kills": TIMES, **asked.told(), "seconds until whole": seconds}


def _is_replaced(fleet: Fleet, name: str, victim: int) -> bool:
    return victim not in fleet.parts()[name] and fleet.is_whole()


def unplugged(fleet: Fleet) -> dict[str, Any]:
    """The second machine with all that runs there; its line is started again after some answers without it."""
    with Asked(fleet) as asked:
        began = time.monotonic()
        fleet.kill("second")
        asked.more(40)
        without = round(time.monotonic() - began, 1)
        fleet.start()
        seconds = round(time.monotonic() - began, 1)
        asked.more(20)
    told = {"kills": 1, **asked.told(), "seconds until whole": [seconds]}
    return told | {"seconds until 40 answers without it": without}


def beheaded(fleet: Fleet) -> dict[str, Any]:
    """The first machine with all that runs there; what does not end by itself is ended, and all lines started again."""
    before = fleet.state()
    with Asked(fleet) as asked:
        began = time.monotonic()
        fleet.kill("head")
        ended: dict[str, float | None] = {"second": None, "command": None}
        while None in ended.values() and time.monotonic() - began < SILENCE:
            for name, seconds in ended.items():
                if seconds is None and fleet.running[name].poll() is not None:
                    ended[name] = round(time.monotonic() - began, 1)
            time.sleep(0.1)
        answers = max(last for _, last in asked.at.values()) - began
        fleet.kill("second", "command")
        again = time.monotonic()
        fleet.start()
        seconds = round(time.monotonic() - again, 1)
        asked.more(20)
    return {
        "kills": 1,
        **asked.told(),
        "seconds until whole": [seconds],
        "seconds with answers after the head's death": round(max(0.0, answers), 1),
        "seconds until the other node and the command ended by themselves": ended,
        "names, aliases, keys and answers as before": before == fleet.state(),
    }


def moved(fleet: Fleet) -> dict[str, Any]:
    """An alias, there and back, while both replicas answer for it."""
    name, seconds = ADAPTERS[0], []
    with Asked(fleet, [f"{name}@production"], clients=24) as asked:
        until(lambda: fleet.have(f"{name}@1") == 2)
        for at in range(2 * TIMES):
            asked.at.clear()
            fleet.hub.set_alias(name, "production", 2 - at % 2)
            began = time.monotonic()
            asked.more(400)
            (*_, old), (new, *_) = (
                asked.at.get(each, [began]) for each in [*fleet.right[name]][:: -1 if at % 2 else 1]
            )
            seconds.append([round(each - began, 2) for each in (new, old)])
    return asked.told() | {"seconds from the move to the first new and the last old answer": seconds}


def main(arguments: Sequence[str]) -> int:
    """Run what is left, and write the result of all that was run; 1 where a request was lost or answered wrongly."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--budget", type=float, default=20.0, metavar="MINUTES")
    parser.add_argument("--haproxy", action="store_true")
    options = parser.parse_args(arguments)
    ends = time.monotonic() + 60 * options.budget
    name = "fleet-faults-haproxy.json" if options.haproxy else "fleet-faults.json"
    result_file, kept = ROOT / "benchmarks" / "results" / name, ROOT / "build" / "benchmarks" / name
    about = machine()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the nodes end, too
    with TemporaryDirectory(prefix="rf", ignore_cleanup_errors=True) as folder:
        fleet = Fleet(Path(folder), load_base("starter", "nf4"), options.haproxy)
        faults: dict[str, Callable[[Fleet], dict[str, Any]]] = {
            **{
                what: partial(killed, name=name)
                for what, name in (BY_HAPROXY if options.haproxy else KILLED).items()
            },
            "an alias moves": moved,
            "a machine": unplugged,
            "the head": beheaded,
        }

        def measured(fault: Callable[[Fleet], dict[str, Any]]) -> dict[str, Any]:
            fleet.start()
            return fault(fleet) | {"load": os.getloadavg()[0]}

        try:
            wanted = {what: partial(measured, fault) for what, fault in faults.items()}
            found = in_parts(wanted, kept, ends)
        finally:
            fleet.end()
    left = [what for what in wanted if what not in found]
    if not left:
        kept.unlink()
    result = {
        "benchmark": "fleet_faults",
        "command": f"python -m benchmarks.fleet_faults --budget MINUTES{' --haproxy' if options.haproxy else ''}",
        "shape": {
            "nodes": 2,
            "replicas": 2,
            "adapters": len(ADAPTERS),
            "clients": CLIENTS,
            "base": "starter, nf4",
        },
        "lost or wrong": sum(each["lost"] + each["wrong"] for each in found.values()),
        "not run": left,
        "faults": found,
        "machine": about,
        "versions": versions("torch", "ray", "fastapi"),
        "date": now(),
    }
    result_file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return int(bool(result["lost or wrong"]))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
