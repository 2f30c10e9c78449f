"""Steps alone and beside one busy loop, by how idle threads wait: `python -m benchmarks.busy_loop [--budget MINUTES]`.

    training    a step of one job, 8 rows of 40 tokens, LoRA of rank 8 on all linear layers, head on the last token
    decoding    a token of 16 rows, each with an adapter of its own

on the Llama shape of `llama28m.py` in fp32, with as many threads as there are cores. Each way of waiting has a process
of its own, since OpenMP reads its settings once; all ways take turns in each round, alone and then beside the loop.
Seconds of the wall clock, medians of a round's steps. A later run on the same machine adds rounds; `--anew` begins
again.

Threads that share an operation in equal parts wait for the slowest, and one that shares its core with a loop runs half
of the time: 2.0 times alone is what that costs. Less means that the system moved the loop out of the way.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter
from typing import Any

from benchmarks.measure import keep, machine, now, versions

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "busy-loop.json"
KEPT = ROOT / "build" / "benchmarks" / "busy-loop.json"
SETTLING = 1.5  # seconds of steps that are not counted
LONG = 0.5  # seconds of those that a median is of, at least
ROUNDS = 9
SPIN = "GOMP_SPINCOUNT"  # turns of a loop
WAYS: Mapping[str, Mapping[str, str]] = {
    "OpenMP's own": {},
    "watched": {},  # by `adapters.base.core_watch`: as OpenMP's own while cores are free, else next to none
    "1000": {SPIN: "1000"},
    "10000": {SPIN: "10000"},
}
STEPS = ("training", "decoding")


class Way:
    """One way of waiting, in a process of its own."""

    def __init__(self, name: str) -> None:
        plain = {
            key: value for key, value in os.environ.items() if not key.startswith(("GOMP_", "OMP_", "KMP_"))
        }
        command = [sys.executable, "-m", "benchmarks.busy_loop", "--side", name]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=plain | dict(WAYS[name]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def milliseconds(self, step: str) -> float:
        """Of one step, the median of several."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{step}\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End its process."""
        self._process.kill()
        self._process.wait()

    def _answer(self) -> float:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a side of the benchmark ended with {self._process.wait()}")
        return float(line)


def side(name: str) -> None:
    """Take the words of standard input, and answer each with milliseconds."""
    if name == "watched":
        from adapters.base import settle_threads

        settle_threads()
    # What a library prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    steps = {"training": training(), "decoding": decoding()}
    for step in (*steps.values(), *steps.values()):
        step()
    print(0.0, file=answers, flush=True)
    for line in sys.stdin:
        step, taken, began = steps[line.strip()], [], perf_counter()
        while perf_counter() - began < SETTLING:
            step()
        while sum(taken) < LONG or len(taken) < 5:
            began = perf_counter()
            step()
            taken.append(perf_counter() - began)
        print(1000 * median(taken), file=answers, flush=True)


def training() -> Callable[[], Any]:
    """A step of one job."""
    from adapters import load_base
    from benchmarks import llama28m
    from benchmarks.training import RECIPE, begun, clicks
    from recipes import Recipe
    from recipes.learn.fused import Fused
    from recipes.runs.run import PASS_TOKENS

    base = load_base(str(llama28m.base()), "none")
    recipe = Recipe.load(
        "recommendation",
        **RECIPE | {"train.batch_size": 8, "train.epochs": 1000, "data.max_tokens": 40},
    )
    with tempfile.TemporaryDirectory() as folder:
        slots, jobs = begun(base, recipe, [clicks(Path(folder) / "clicks.csv", 200, (160, 160), 0)])
    fused = Fused(base, slots, PASS_TOKENS["cpu"])
    return lambda: fused.turn(jobs)


def decoding() -> Callable[[], Any]:
    """A token of 16 rows."""
    import torch

    from adapters import load_base
    from adapters.slots import Slots, pack
    from benchmarks import llama28m
    from benchmarks.shared_tokens import adapter
    from benchmarks.slot_order import step

    base = load_base(str(llama28m.base()), "none")
    slots = Slots(base, 16)
    for slot in range(16):
        slots.put(slot, pack(adapter(base, torch.Generator().manual_seed(slot)), base, torch.float32))
    run = step(base, slots, list(range(16)))

    def one() -> None:
        with torch.inference_mode():
            run()

    return one


@contextmanager
def busy_loop() -> Iterator[None]:
    """A process that does nothing for ever."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def one_round(ways: Mapping[str, Way]) -> dict[str, dict[str, float]]:
    """Milliseconds by step, and by way and whether beside the loop."""
    found: dict[str, dict[str, float]] = {step: {} for step in STEPS}
    for step in STEPS:
        for name, way in ways.items():
            found[step][f"{name}, alone"] = way.milliseconds(step)
        with busy_loop():
            for name, way in ways.items():
                found[step][f"{name}, beside"] = way.milliseconds(step)
    return found


def summed(rounds: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Medians, and ratios within a round."""
    own = f"{next(iter(WAYS))}, alone"
    result: dict[str, Any] = {}
    for step in STEPS:
        rows = [each[step] for each in rounds]
        result[step] = {
            name: {
                "alone, milliseconds": round(median(row[f"{name}, alone"] for row in rows), 2),
                "beside, milliseconds": round(median(row[f"{name}, beside"] for row in rows), 2),
                "alone / OpenMP's own alone": round(
                    median(row[f"{name}, alone"] / row[own] for row in rows), 3
                ),
                "beside / OpenMP's own alone": round(
                    median(row[f"{name}, beside"] / row[own] for row in rows), 3
                ),
                "beside / alone": round(
                    median(row[f"{name}, beside"] / row[f"{name}, alone"] for row in rows), 3
                ),
            }
            for name in WAYS
        }
    return result


def main(arguments: list[str]) -> int:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=5.0, metavar="MINUTES")
    parser.add_argument("--anew", action="store_true", help="forget earlier rounds")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.side:
        side(given.side)
        return 0
    about, until = machine(), monotonic() + 60 * given.budget
    same = {"cpu": about["cpu"], "versions": versions("torch", "transformers")}
    kept = json.loads(KEPT.read_text()) if KEPT.exists() and not given.anew else {}
    rounds = kept.get("rounds", []) if {**kept, "rounds": []} == {**same, "rounds": []} else []
    with ExitStack() as started:
        ways = {name: started.enter_context(closing(Way(name))) for name in WAYS}
        while len(rounds) < ROUNDS and (monotonic() < until or not rounds):
            rounds.append(one_round(ways))
            keep(KEPT, {**same, "rounds": rounds})
    result = {
        "benchmark": "busy-loop",
        "command": "python -m benchmarks.busy_loop",
        "rounds": len(rounds),
        "by turns that idle threads spin": summed(rounds),
        "bound, beside / alone": 2.0,
        "machine": about | {"threads": about["cores"]},
        "versions": same["versions"],
        "date": now(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
