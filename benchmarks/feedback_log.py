"""How many events the feedback log takes, and whether canaries are decided rightly.

    python -m benchmarks.feedback_log

events       impressions put in the queue one by one, then their outcomes 100 at a time, each batch waited for: events
             per second of the wall clock until all are on the disk, and of CPU time; median and range of ROUNDS, SQLite
decisions    two arms with known rates, a twentieth of the users in the canary, looked at every day for 14 days by the
             comparison of `hub.feedback.canary` (outcome only): 1,000 times equal, 100 times half as good, 100 times
             half as good again
"""

import json
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np

from benchmarks.measure import machine, now, versions
from hub.feedback import Candidate, Feedback, Impression, Outcome, Place
from hub.feedback.sequences import apart

RESULT = Path(__file__).parent / "results" / "feedback-log.json"
EVENTS = 10_000
ROUNDS = 5
ALPHA = 0.02  # of the outcome, as `hub.feedback.canary` has it
SHARE, USERS, DAYS, RATE = 0.05, 20_000, 14, 0.05  # users in a day


def main() -> int:
    """Measure and write the result."""
    about = machine()
    result: dict[str, Any] = {
        "benchmark": "feedback-log",
        "command": "python -m benchmarks.feedback_log",
        "events": events(),
        "decisions": {
            "equal": decisions(1000, RATE),
            "half as good": decisions(100, RATE / 2),
            "half as good again": decisions(100, RATE * 1.5),
        },
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


def decisions(tries: int, rate: float) -> dict[str, Any]:
    """How often a canary of this rate is promoted and rolled back, beside production's, and after how many users of
    its own."""
    random = np.random.default_rng(0)
    arms = np.array([int(SHARE * USERS), USERS - int(SHARE * USERS)])
    promoted, rolled = [], []
    for _ in range(tries):
        hits = np.cumsum(random.binomial(arms, [rate, RATE], size=(DAYS, 2)), axis=0)
        for day in range(DAYS):
            seen = arms * (day + 1)
            found = apart((int(hits[day, 0]), int(seen[0])), (int(hits[day, 1]), int(seen[1])), ALPHA)
            if found:
                (promoted if found > 0 else rolled).append(int(seen[0]))
                break
    return {
        "tries": tries,
        "promoted": len(promoted),
        "rolled back": len(rolled),
        "canary users until promoted, median": median(promoted) if promoted else None,
        "canary users until rolled back, median": median(rolled) if rolled else None,
    }


def _impression(at: float, number: int) -> Impression:
    """Of ten candidates, one shown."""
    candidates = [Candidate(f"ad-{each}", {"ad": f"Trail shoes {each} for mud"}, 0.1) for each in range(10)]
    name = "acme/spring/recommendation"
    place = Place(1, "ad-0", 0.1, 0.5)
    columns = {"user": f"searched trail shoes; bought socks {number}"}
    return Impression(at, name, "recommendation", name, 1, "ab" * 32, columns, candidates, [place])


if __name__ == "__main__":
    sys.exit(main())
