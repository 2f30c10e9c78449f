"""How the benchmarks time, and what they say of the machine that they ran on."""

import os
import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any


def interleaved(variants: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every variant, each run once a round, so that a slow minute of the machine meets all of them alike.
    The first round only warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(rounds + 1):
        for name, run in variants.items():
            began = perf_counter()
            run()
            if turn:
                seconds[name].append(perf_counter() - began)
    return seconds


def ratio(seconds: Mapping[str, list[float]], over: str, under: str) -> float:
    """Median over the rounds of one variant's time by another's in the same round."""
    return round(median(a / b for a, b in zip(seconds[over], seconds[under], strict=True)), 3)


def medians(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    """Median milliseconds of each variant."""
    return {name: round(median(times) * 1000, 3) for name, times in seconds.items()}


def machine() -> dict[str, Any]:
    """The processor, its cores, and how many threads are used."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.machine(),
        "cores": os.cpu_count(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
        "load before": round(os.getloadavg()[0], 1),
    }


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
