"""How many events the feedback log takes, what an answer costs with it, and whether canaries are decided rightly.

    python -m benchmarks.feedback_log --budget 20

events       impressions put in the queue one by one, then their outcomes 100 at a time, each batch waited for: events
             per second of the wall clock until all are on the disk, and of CPU time; median and range of ROUNDS, SQLite
answers      ADS ads of a user, a new one each time, ranked by the starter with an adapter: with the log and without in
             turn, BLOCK answers each, so that what the log does behind an answer meets one that has it too; ANSWERS of
             either in each of TURNS: median and p99 of the wall clock and of the process's CPU time, and their ratios
decisions    two arms with known rates, a twentieth of the users in the canary, looked at every day for 14 days by the
             evidence of `hub.feedback.comparing` (outcome only): 1,000 times equal, 100 times half as good, 100 times
             half as good again

A part that is done is kept in build/benchmarks/: a run that the budget ends goes on with the next one.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter, process_time
from typing import Any

import numpy as np

from benchmarks.measure import all_parts, machine, now, versions
from hub.feedback import Candidate, Feedback, Impression, Outcome, Place
from hub.feedback.sequences import edge

RESULT = Path(__file__).parent / "results" / "feedback-log.json"
KEPT = Path(__file__).parents[1] / "build" / "benchmarks" / "feedback-log.json"
EVENTS = 10_000
ROUNDS = 5
TURNS, ANSWERS, BLOCK, ADS = 9, 500, 125, 2  # a block takes far longer than the log lets impressions lie
NEEDED = 100  # evidence of either side, as `hub.feedback.comparing` needs it of a first canary at 2 %
SHARE, USERS, DAYS, RATE = 0.05, 5000, 14, 0.05  # users in a day
NAME = "acme/spring/recommendation"


def main() -> int:
    """Measure what the budget allows, and write the result when all is there."""
    asked = argparse.ArgumentParser(description="How many events the feedback log takes.")
    asked.add_argument("--budget", type=float, default=20.0, help="minutes; a part that was begun is ended")
    about, until = machine(), monotonic() + 60 * asked.parse_args().budget
    wanted: dict[str, Any] = {
        "events": events,
        "answers": answers,
        "equal": lambda: decisions(1000, RATE),
        "half as good": lambda: decisions(100, RATE / 2),
        "half as good again": lambda: decisions(100, RATE * 1.5),
    }
    found = all_parts(wanted, KEPT, until)
    if found is None:
        return 0
    result: dict[str, Any] = {
        "benchmark": "feedback-log",
        "command": "python -m benchmarks.feedback_log",
        "events": found.pop("events"),
        "answers": found.pop("answers"),
        "decisions": found,
        "machine": about,
        "versions": versions("sqlalchemy", "numpy"),
        "date": now(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0


def events() -> dict[str, Any]:
    """Half of them impressions, half outcomes."""
    wall, cpu = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            log = Feedback(Path(folder) / "hub", f"sqlite:///{folder}/log.sqlite")
            made = [_impression(log.now(), at) for at in range(EVENTS // 2)]
            began, busy = perf_counter(), process_time()
            for each in made:
                assert log.add(each) is not None
            told = [Outcome(each.id, "click", each.at) for each in made]
            for start in range(0, len(told), 100):
                assert all(taken.status == "taken" for taken in log.feedback_all(told[start : start + 100]))
            log.flush()
            wall.append(EVENTS / (perf_counter() - began))
            cpu.append(EVENTS / (process_time() - busy))
            log.close()
    return {
        "events": EVENTS,
        "per second": {"median": median(wall), "least": min(wall), "most": max(wall)},
        "per CPU second": {"median": median(cpu), "least": min(cpu), "most": max(cpu)},
    }


def answers() -> dict[str, Any]:
    """With the log and without, in turn."""
    from adapters import load_base
    from hub import Hub, Loop, Registry

    base = load_base("starter", "nf4")
    seconds: dict[tuple[bool, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        hub = Hub(Path(folder) / "hub")
        hub.publish(_ranker(base), NAME, force_reason="to be timed")
        loop = Loop(Registry(hub, base), Feedback(hub, f"sqlite:///{folder}/log.sqlite"))
        ratios: dict[str, list[float]] = {"wall": [], "CPU": []}
        ads = [f"Shoes {at} for mud" for at in range(ADS)]
        for turn in range(TURNS + 1):
            own: dict[tuple[bool, str], list[float]] = {}
            for block in range(2 * ANSWERS // BLOCK):
                logged = (block + turn) % 2 == 0
                for number in range(block * BLOCK, (block + 1) * BLOCK):
                    user, key = f"searched trail shoes {turn * 2 * ANSWERS + number}", f"u-{number}"
                    began, busy = perf_counter(), process_time()
                    loop.recommend(NAME, user, ads, user_key=key, log=logged)
                    own.setdefault((logged, "wall"), []).append(perf_counter() - began)
                    own.setdefault((logged, "CPU"), []).append(process_time() - busy)
                loop.log.flush()
            if turn:  # the first one only warms up
                for clock, found in ratios.items():
                    found.append(_p99(own[True, clock]) / _p99(own[False, clock]))
                for key, times in own.items():
                    seconds.setdefault(key, []).extend(times)
        loop.close()
    told = {
        f"{clock}, {'with' if logged else 'without'} the log": {
            "median ms": round(1000 * median(times), 3),
            "p99 ms": round(1000 * _p99(times), 3),
        }
        for (logged, clock), times in sorted(seconds.items())
    }
    return {"answers": 2 * ANSWERS * TURNS, "load": round(os.getloadavg()[0], 1), **told} | {
        f"p99 with over without, {clock}": {
            "median": round(median(found), 3),
            "least": round(min(found), 3),
            "most": round(max(found), 3),
            "of all answers": round(_p99(seconds[True, clock]) / _p99(seconds[False, clock]), 3),
        }
        for clock, found in ratios.items()
    }


def _p99(times: Sequence[float]) -> float:
    return float(np.quantile(times, 0.99))


def _ranker(base: Any) -> Any:
    """Random weights of rank 8 on the query and value projections."""
    import torch

    from adapters import Adapter, BaseId, Head, Lora

    random, tensors = torch.Generator().manual_seed(0), {}
    for path, linear in base.linears.items():
        if path.endswith(("q_proj", "v_proj")):
            stem = f"base_model.model.{path}"
            tensors[f"{stem}.lora_A.weight"] = 0.02 * torch.randn(8, linear.in_features, generator=random)
            tensors[f"{stem}.lora_B.weight"] = 0.02 * torch.randn(linear.out_features, 8, generator=random)
    tensors["base_model.model.score.weight"] = 0.02 * torch.randn(2, base.width, generator=random)
    info = {
        "recipe": {
            "task": "recommendation",
            "lora": {"rank": 8, "alpha": 16.0, "targets": ["q_proj", "v_proj"]},
        },
        "data": {"roles": ["user", "ad"]},
    }
    made_for = BaseId(base.id, base.revision, base.fingerprint)
    head = Head(("not clicked", "clicked"), "last")
    return Adapter(Lora(8, 16.0, ("q_proj", "v_proj")), head, tensors, made_for, "recommendation", info)


def decisions(tries: int, rate: float) -> dict[str, Any]:
    """How often a canary of this rate is promoted and rolled back, beside production's, and after how many users of
    its own."""
    random = np.random.default_rng(0)
    promoted, rolled = [], []
    for _ in range(tries):
        first = random.random(DAYS * USERS) < SHARE
        hits = random.random(DAYS * USERS) < np.where(first, rate, RATE)
        days = [_day(first, hits), _day(first, ~hits)]
        if min(days) < DAYS:
            own = promoted if days[0] < days[1] else rolled
            own.append(int(first[: (min(days) + 1) * USERS].sum()))
    return {
        "tries": tries,
        "promoted": len(promoted),
        "rolled back": len(rolled),
        "canary users until promoted, median": median(promoted) if promoted else None,
        "canary users until rolled back, median": median(rolled) if rolled else None,
    }


def _day(first: Any, hits: Any) -> int:
    """The first day after which there is evidence enough; DAYS for none. It never becomes less."""
    low, high = -1, DAYS
    while high - low > 1:
        middle = (low + high) // 2 if low >= 0 or high < DAYS else DAYS - 1
        seen = (middle + 1) * USERS
        low, high = (low, middle) if edge(first[:seen], hits[:seen], SHARE) >= NEEDED else (middle, high)
    return high


def _impression(at: float, number: int) -> Impression:
    """Of ten candidates, one shown."""
    candidates = [Candidate(f"ad-{each}", {"ad": f"Trail shoes {each} for mud"}, 0.1) for each in range(10)]
    place = Place(1, "ad-0", 0.1, 0.5)
    columns = {"user": f"searched trail shoes; bought socks {number}"}
    return Impression(at, NAME, "recommendation", NAME, 1, "ab" * 32, columns, candidates, [place])


if __name__ == "__main__":
    sys.exit(main())
