"""How many small jobs should share passes in training: `python -m benchmarks.job_groups [--budget MINUTES]`.

12 click-prediction jobs on the Llama shape of `llama28m.py` in nf4, 8 rows of 8 to 128 tokens each, take a step: one
after another, in groups of 2, 4 and 6, all at once, and in the groups that a run deals them into (`recipes.runs`). CPU
time of one thread for each token, since steps differ in theirs; all ways in turn in each round. A round that is done is
kept in build/benchmarks/: a run that the budget ends goes on with the next one.
"""

import argparse
import json
import random
import tempfile
from pathlib import Path
from statistics import median
from time import monotonic, process_time

import torch
import transformers as tf

from adapters import load_base
from benchmarks import llama28m
from benchmarks.measure import all_parts, keep_freed_memory, machine, now, versions
from benchmarks.training import AGENCY, RECIPE, begun, clicks
from recipes import Recipe
from recipes.learn.fused import Fused
from recipes.runs.dealing import Size, deal
from recipes.runs.run import PASS_TOKENS

RESULT = llama28m.ROOT / "benchmarks" / "results" / "job-groups.json"
KEPT = llama28m.ROOT / "build" / "benchmarks" / "job-groups.json"
JOBS, ROUNDS = 12, 3


def main() -> int:
    """Measure, and write the result after each round."""
    keep_freed_memory()
    tf.logging.set_verbosity_error()
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=10.0, metavar="MINUTES")
    until = monotonic() + 60 * parser.parse_args().budget
    base, most, draw = load_base(str(llama28m.base()), "nf4"), PASS_TOKENS["cpu"], random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        files = [
            clicks(Path(folder) / f"{job}.csv", draw.randint(200, 400), (8, 128), job) for job in range(JOBS)
        ]
        slots, jobs = begun(
            base, Recipe.load("recommendation", **RECIPE | AGENCY | {"train.max_steps": 99}), files
        )
    fused = Fused(base, slots, most)
    dealt = deal([Size.of(job, most) for job in jobs])
    ways = {
        f"{size} at once": [list(range(at, min(at + size, JOBS))) for at in range(0, JOBS, size)]
        for size in (1, 2, 4, 6, JOBS)
    }
    fused.turn(jobs[:2])

    def round_() -> dict[str, int]:
        """Microseconds of the processor for a token, each way once."""
        found = {}
        for name, groups in {**ways, "as dealt": dealt}.items():
            began, useful = process_time(), fused.useful
            for group in groups:
                fused.turn([jobs[at] for at in group])
            found[name] = round(1e6 * (process_time() - began) / (fused.useful - useful))
        assert not any(job.failure for job in jobs)
        return found

    rounds = all_parts({f"round {at}": round_ for at in range(ROUNDS)}, KEPT, until)
    if rounds is None:
        return 0
    taken = {name: [each[name] for each in rounds.values()] for name in rounds["round 0"]}
    result = {
        "benchmark": "job-groups",
        "command": "python -m benchmarks.job_groups",
        "shape": llama28m.SHAPE | {"jobs": JOBS, "rows": 8, "tokens": [8, 128], "rank": 8, "pass": most},
        "groups as dealt": [len(group) for group in dealt],
        "cpu microseconds a token": taken,
        "one after another / this": ratios(taken),
        "machine": machine() | {"threads": 1},
        "versions": versions("torch", "transformers", "bitsandbytes"),
        "date": now(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(result["one after another / this"])
    return 0


def ratios(seconds: dict[str, list[float]]) -> dict[str, float]:
    """Medians over the rounds of how many times as long one job after another takes."""
    alone = seconds["1 at once"]
    return {
        name: round(median(a / b for a, b in zip(alone, own, strict=True)), 3)
        for name, own in seconds.items()
    }


if __name__ == "__main__":
    raise SystemExit(main())
