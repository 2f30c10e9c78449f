"""Faults on purpose, by the thousand: what a hub holds afterwards. The table stands in hub/README.md.

    python -m benchmarks.faults            all of them, about an hour on two cores
    python -m benchmarks.faults power      one of them; the others keep their last result

Scenarios live in tests/hub/faults.py and tests/adapters/lies.py, where the tests run them short.
"""

import json
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.measure import machine, now, versions
from tests.adapters.lies import examine, examine_config, lie, lying_config
from tests.hub import faults

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "faults.json"


def _system_calls(root: Path) -> dict[str, Any]:
    """A publication killed (SIGKILL, by ptrace) at each system call, before it and after it"""
    return asdict(faults.killed_publications(root, range(1, 10**6)))


def _power(root: Path) -> dict[str, Any]:
    """Power cut instead of each call into the file system, five ways of what is kept of the unsynced"""
    return asdict(faults.power_cuts(root, range(5)))


def _publishers(root: Path) -> dict[str, Any]:
    """8 publishers of 200 versions each of one name, killed again and again"""
    return asdict(faults.killed_publishers(root, 8, 200, seed=0))


def _thousand(root: Path) -> dict[str, Any]:
    """4 publishers, killed 1,000 times in all, in hub after hub"""
    total, seed = faults.Counts(), 0
    while total.cases < 1000:
        (root / str(seed)).mkdir()
        found = faults.killed_publishers(root / str(seed), 4, 50, seed=seed, calls=100)
        total = faults.Counts(
            *(a + b for a, b in zip(asdict(total).values(), asdict(found).values(), strict=True))
        )
        seed += 1
    return asdict(total)


def _collectors(root: Path) -> dict[str, Any]:
    """4 publishers of 100 versions of equal bytes, who remove most of them, 2 collectors without grace and a client who
    is purged again and again; each is killed after about 600 calls into the operating system"""
    return asdict(faults.killed_collectors(root, 4, 100, seed=0))


def _lies(root: Path) -> dict[str, Any]:
    """Safetensors files and configurations that lie, made by structure; each read or refused, never another error"""
    taken = sum(
        examine(lie(random.Random(seed))) + examine_config(lying_config(random.Random(seed)))
        for seed in range(100_000)
    )
    return {"cases": 200_000, "taken, and rightly": taken}


def _fuzz(root: Path) -> dict[str, Any]:
    """The readers of weights, configurations, names and records, by coverage (atheris)"""
    done = subprocess.run([sys.executable, "-m", "benchmarks.fuzz", "200000"], capture_output=True, text=True)
    ran = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    if done.returncode or ran is None:
        raise RuntimeError(done.stderr[-4000:])
    return {"cases": int(ran.group(1)), "crashes": 0}


_ALL: dict[str, Callable[[Path], dict[str, Any]]] = {
    "system-calls": _system_calls,
    "power": _power,
    "publishers": _publishers,
    "thousand": _thousand,
    "collectors": _collectors,
    "lies": _lies,
    "fuzz": _fuzz,
}


def main(names: Sequence[str]) -> int:
    """Run what is named (all, if nothing is); 1 where a hub lost, tore or doubled something."""
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    bad = 0
    for name in names or _ALL:
        began = perf_counter()
        with tempfile.TemporaryDirectory() as root:
            counts = _ALL[name](Path(root))
        faulty = sum(counts.get(key, 0) for key in faults.Counts().faults())
        bad += faulty
        results[name] = {
            "what": _ALL[name].__doc__,
            **counts,
            "seconds": round(perf_counter() - began),
            "machine": machine(),
            "versions": versions("torch", "safetensors", "atheris"),
            "date": now(),
        }
        RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        print(f"{name}: {counts}", flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
