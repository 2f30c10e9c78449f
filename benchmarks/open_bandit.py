"""Other policies from a real log: `python -m benchmarks.open_bandit`, a few seconds.

The Open Bandit data (../shared/data, men): 10,000 impressions that Thompson sampling chose, and 10,000 that were chosen
at random in the same days. What a policy would have brought is estimated from the first log, as `repertoire
evaluate-policy` does it, and stands beside what the other log knows:

uniform    any ad alike: the other log is that policy, so that its click rate is the truth, as far as 46 clicks tell it
each ad    always that one: its impressions in the other log tell its rate, about 300 of them
best       the ad that had the best rate on the other half of the log; no truth of it is known

An estimate says nothing, and why, where the log cannot say. A truth that is known is known by an interval too, the
exact one of 95 % (Clopper and Pearson 1934): an interval may hold the rate itself, or only meet that one.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import beta

from benchmarks.measure import machine, now, versions
from hub.feedback import LogFile
from hub.placement import Evaluated, PolicyLog, evaluate, read_logs

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data" / "open_bandit_men"
RESULT = ROOT / "benchmarks" / "results" / "open-bandit.json"


def main() -> int:
    """Measure and write the result."""
    if not DATA.is_dir():
        print(f"{DATA} is not there; nothing was measured")
        return 0
    about = machine()
    sampled, uniform = (
        read_logs(LogFile(DATA / which / "men.csv", {}, ("ad", "propensity"))) for which in ("bts", "random")
    )
    result: dict[str, Any] = {
        "benchmark": "open-bandit",
        "command": "python -m benchmarks.open_bandit",
        "impressions": {"Thompson sampling": len(sampled.ad), "at random": len(uniform.ad)},
        **measured(sampled, uniform),
        "machine": about,
        "versions": versions("numpy", "scipy"),
        "date": now(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0


def measured(sampled: PolicyLog, uniform: PolicyLog) -> dict[str, Any]:
    """What is estimated from one log, beside what the other, which chose at random, knows.

    Args:
        sampled: that is estimated from.
        uniform: whose choices were random, each ad alike.
    """
    hits, shown = (
        np.bincount(uniform.ad, weights, len(uniform.ads)).tolist() for weights in (uniform.reward, None)
    )
    truths = {ad: _truth(int(hits[at]), int(shown[at])) for at, ad in enumerate(uniform.ads)}
    singles = [_beside(evaluate(sampled, f"always={ad}"), truths[ad]) for ad in sampled.ads if ad in truths]
    told = [each for each in singles if "estimates" in each]
    why = Counter(re.sub(r"\d[\d.,%]*", "..", each["abstains"]) for each in singles if "abstains" in each)
    return {
        "uniform": _beside(evaluate(sampled, "uniform"), _truth(int(uniform.reward.sum()), len(uniform.ad))),
        "best": _beside(evaluate(sampled, "best"), None),
        "each ad": {
            "policies": len(singles),
            "abstains": len(singles) - len(told),
            "why": dict(why),
            "told": told,
        },
    }


def _truth(clicks: int, shown: int) -> dict[str, float]:
    """A click rate and its exact interval."""
    return {
        "value": clicks / shown,
        "low": float(beta.ppf(0.025, clicks, shown - clicks + 1)) if clicks else 0.0,
        "high": float(beta.ppf(0.975, clicks + 1, shown - clicks)) if clicks < shown else 1.0,
    }


def _beside(found: Evaluated, truth: Mapping[str, float] | None) -> dict[str, Any]:
    told: dict[str, Any] = {"policy": found.policy, "effective impressions": round(found.effective, 1)}
    if truth is not None:
        told["truth"] = dict(truth)
    if found.abstains is not None:
        return told | {"abstains": found.abstains}
    told["estimates"] = {name: asdict(each) for name, each in found.estimates.items()}
    if truth is not None:
        told["holds the truth"] = {
            name: each.low <= truth["value"] <= each.high for name, each in found.estimates.items()
        }
        told["the intervals meet"] = {
            name: each.low <= truth["high"] and truth["low"] <= each.high
            for name, each in found.estimates.items()
        }
    return told


if __name__ == "__main__":
    sys.exit(main())
