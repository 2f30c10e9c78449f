"""How the benchmarks time, and what they say of the machine that they ran on."""

import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter, process_time
from typing import Any


def interleaved(
    variants: Mapping[str, Callable[[], Any]], rounds: int, clock: Callable[[], float] = perf_counter
) -> dict[str, list[float]]:
    """Seconds of every variant, each run once a round, so that a slow minute of the machine meets all of them alike.
    The first round only warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(rounds + 1):
        for name, run in variants.items():
            began = clock()
            run()
            if turn:
                seconds[name].append(clock() - began)
    return seconds


def in_parts(wanted: Mapping[str, Callable[[], Any]], kept: Path, until: float) -> dict[str, Any]:
    """What each part gives. A part that is done is kept in a file, so that a run that ended goes on with the next one.

    Args:
        wanted: name -> what measures it, once.
        kept: the file; plain JSON.
        until: of `monotonic`; no part is begun after it.
    """
    done: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    for name, measured in wanted.items():
        if name not in done and monotonic() < until:
            done[name] = measured()
            print(name, json.dumps(done[name]), flush=True)
            keep(kept, done)
    return {name: done[name] for name in wanted if name in done}


def all_parts(wanted: Mapping[str, Callable[[], Any]], kept: Path, until: float) -> dict[str, Any] | None:
    """As `in_parts`, when all are done, and the file is dropped; until then None, and what is left is printed."""
    found = in_parts(wanted, kept, until)
    if found.keys() != wanted.keys():
        print(f"not run: {', '.join(name for name in wanted if name not in found)}; the same command goes on")
        return None
    kept.unlink()
    return found


def keep(file: Path, found: Any) -> None:
    """Write JSON that a later run goes on with; a run that is killed leaves the file of before, or this one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(found), encoding="utf-8")
    part.replace(file)


def keep_freed_memory() -> None:
    """Start this program again with an allocator that keeps what was freed. Left alone, glibc hands large blocks back
    to the system and takes them again at every layer, by luck of the heap; the page faults are up to a fifth of a
    forward and drown what is measured. It changes nothing between the variants: they share the process."""
    wanted = {
        "MALLOC_MMAP_THRESHOLD_": str(2**25),
        "MALLOC_TRIM_THRESHOLD_": str(2**31),
        "MALLOC_TOP_PAD_": str(2**26),
    }
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, sys.orig_argv, os.environ | wanted)


def ratio(seconds: Mapping[str, list[float]], over: str, under: str) -> float:
    """Median over the rounds of one variant's time by another's in the same round."""
    return round(median(a / b for a, b in zip(seconds[over], seconds[under], strict=True)), 3)


def medians(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    """Median milliseconds of each variant."""
    return {name: round(median(times) * 1000, 3) for name, times in seconds.items()}


def machine() -> dict[str, Any]:
    """The processor, its cores, and how many threads are used."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.machine(),
        "cores": os.cpu_count(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
        "load before": round(os.getloadavg()[0], 1),
    }


def flags() -> list[str]:
    """The processor's instructions that products of matrices are made with."""
    names = ("flags", "features")
    line = next((line for line in _cpuinfo() if line.lower().startswith(names)), "")
    return sorted(
        flag for flag in line.split() if flag.startswith(("avx", "amx", "fma", "f16c", "asimd", "sve"))
    )


def _cpuinfo() -> list[str]:
    told = Path("/proc/cpuinfo")
    return told.read_text(encoding="utf-8").splitlines() if told.is_file() else []


def rates(numbers: int) -> dict[str, float]:
    """What one core of this machine reads and multiplies in a CPU second, each the best of five."""
    import torch

    torch.set_num_threads(1)
    much, square = torch.ones(numbers), torch.ones(1024, 1024)
    taken = interleaved({"read": much.sum, "multiplied": lambda: square @ square}, 5, process_time)
    return {"bytes": 4 * numbers / min(taken["read"]), "operations": 2 * 1024**3 / min(taken["multiplied"])}


def versions(*libraries: str) -> dict[str, str]:
    """Installed versions."""
    found = {"python": platform.python_version()}
    for library in libraries:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return found


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
