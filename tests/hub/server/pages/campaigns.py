"""A hub as a team would have it: versions with reports that differ, gates passed and failed, a moved alias, and one
adapter whose every text is hostile."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapters import Adapter
from hub import Feedback, Hub, Outcome
from hub.feedback import Canary, Candidate, Impression, Place
from tests.hub import tiny

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}\"'&"
HOSTILE_NAME = "acme/winter/recommendation"
_GATE = {"gate": "min_gain", "wanted": 0.01}


def build(market: Hub, folder: Path) -> Hub:
    """The adapters of a market, in several versions."""
    hub = Hub(folder)
    aucs = (0.66, 0.71, 0.69, 0.78)
    for place, auc in enumerate(aucs):
        adapter = _with_report(market.read("acme/spring/recommendation"), "auc", auc)
        passed = place != 2
        verdict = {
            **_GATE,
            "passed": passed,
            "found": auc - 0.65,
            "sentence": f"the gain in auc is {auc - 0.65:+.3f}",
        }
        adapter = replace(adapter, info={**adapter.info, "gates": {"passed": passed, "verdicts": [verdict]}})
        hub.publish(
            adapter,
            "acme/spring/recommendation",
            message=f"Clicks up to week {place + 9}",
            tags=["spring", "web"],
            publisher="ana",
            force_reason=None if passed else "a holiday week; asked by the client",
        )
    hub.set_alias("acme/spring/recommendation", "production", 2, why="first good one", who="ana")
    hub.set_alias("acme/spring/recommendation", "production", 4, why="better on the holdout", who="ben")
    hub.set_alias("acme/spring/recommendation", "holdout", 1, why="to compare", who="ben")
    for name in (
        "acme/spring/behavior",
        "acme/spring/ad-copy",
        "globex/launch/ad-copy",
        "globex/launch/behavior",
    ):
        hub.publish(market.read(name), name, message="First of the season", publisher="ana")
    hub.set_alias("acme/spring/ad-copy", "production", 1, why="first", who="ana")
    hostile = tiny.lora(labels=(HOSTILE, "b"), data={"notes": [HOSTILE]})
    hub.publish(hostile, HOSTILE_NAME, message=HOSTILE, tags=[HOSTILE], publisher=HOSTILE)
    return hub


def _with_report(adapter: Adapter, metric: str, value: float) -> Adapter:
    """The same weights, with a report of other numbers."""
    others = {"constant prior": 0.5, "logistic regression on words": 0.65, "nearest neighbours": 0.61}
    beside = {**others, "before": 0.53}
    report: dict[str, Any] = {
        "format": 1,
        "metric": metric,
        "before": {metric: 0.53, "log_loss": 0.71, "accuracy": 0.5},
        "after": {metric: value, "log_loss": 1.2 - value, "accuracy": value - 0.04},
        "baselines": {
            name: {metric: auc, "log_loss": 1.22 - auc, "accuracy": auc - 0.02}
            for name, auc in others.items()
        },
        "intervals": {
            metric: {"low": value - 0.04, "high": value + 0.04},
            "accuracy": {"low": value - 0.09, "high": value + 0.01},
        },
        "gains": {
            name: {metric: {"difference": value - auc, "low": value - auc - 0.03, "high": value - auc + 0.03}}
            for name, auc in beside.items()
        },
        "rows": {"train": 7200, "validation": 800, "test": 2000},
        "steps": 120,
        "best_step": 100,
        "kept": "best",
        "history": [
            {
                "step": step,
                "loss": 0.7 - step / 400,
                metric: 0.55 + (value - 0.55) * step / 120 - step % 40 / 900,
            }
            for step in range(20, 121, 20)
        ],
        "calibration": {
            "temperature": 1.2,
            "shift": 0.0,
            "log_loss": {"raw": 0.5, "calibrated": 0.48},
            "calibration_error": {"raw": 0.06, "calibrated": 0.021},
            "curve": [
                {
                    "predicted": p / 10,
                    "observed": min(1.0, p / 10 + (p % 3 - 1) * 0.03),
                    "share": 0.2,
                    "rows": 400.0,
                }
                for p in (1, 3, 5, 7, 9)
            ],
        },
    }
    return replace(adapter, info={**adapter.info, "report": report})


def showed(log: Feedback, running: Canary) -> None:
    """Five days of users of a canary's name, who click less in the last two, and some of a minute ago."""
    now, draw = log.now(), random.Random(0)
    made, came = [], []
    for user in range(2000):
        at = now - (2000 - user) / 400 * 86_400 - 7200
        key = f"user {user}"
        arm = "canary" if running.has(key) else "production"
        number = running.version if arm == "canary" else running.against
        p = draw.uniform(0.2, 0.6)
        place, candidate = Place(1, "ad", p, 1.0), Candidate("ad", {"ad": "tea"}, p)
        each = Impression(
            at, running.name, "recommendation", f"{running.name}@{arm}", number, "ab", {"user": "likes tea"},
            [candidate], [place], arm=arm, user=key,
        )  # fmt: skip
        made.append(each)
        if draw.random() < p * (0.3 if user > 1200 else 1.0):
            came.append(Outcome(each.id, "click", at + 60))
    made.append(replace(made[-1], at=now - 60, id="young"))
    log.add_all(made)
    log.feedback_all(came)
