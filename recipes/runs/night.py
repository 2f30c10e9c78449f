"""A night in one page: what came of each job, which passed its gates, and why the others did not.

    night/acme/spring/recommendation/                      the PEFT directory
    night/acme/spring/recommendation-report/report.html    its page
    night-report/report.html                               this page; written again whenever a job is done

It holds names and numbers of several clients, and no rows of their data.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recipes.judge.page import PAGE, folder_of, template
from recipes.judge.report import best_baseline, between, gain, number, served
from recipes.runs.order import Order
from recipes.runs.run import Result

STATES = {
    "passed": "passed",
    "ungated": "without gates",
    "closed": "not passed",
    "failed": "failed",
    "waiting": "not done yet",
}


def entry(order: Order, result: Result | None) -> dict[str, Any]:
    """A job in brief, as plain JSON; result: None while there is none.

    metric: the one that `min_gain` looks at, else `train.metric`; before, baseline, after: its values, where baseline
    is the best one; interval, gain: of what is served, and over that baseline, as in a report.
    """
    brief: dict[str, Any] = {
        "name": order.name,
        "folder": str(order.out),
        "task": order.recipe.task,
        "method": order.recipe.method,
        "state": "waiting",
        "error": None,
        "gates": None,
        "published": None,
        "refused": None,
    }
    if result is None:
        return brief
    if isinstance(result, Exception):
        return brief | {"state": "failed", "error": str(result)}
    report, gates = served(result.info["report"]), result.info["gates"]
    gate = order.recipe.gates.min_gain
    metric = (gate and gate.metric) or report["metric"]
    baseline = best_baseline(report, metric)
    return brief | {
        "state": "ungated" if gates is None else "passed" if gates["passed"] else "closed",
        "metric": metric,
        "before": report["before"].get(metric),
        "baseline": report["baselines"][baseline].get(metric) if baseline else None,
        "baseline_name": baseline,
        "after": report["after"].get(metric),
        "interval": report["intervals"].get(metric),
        "gain": report["gains"][baseline][metric] if baseline else None,
        "rows": report["rows"],
        "steps": report["steps"],
        "seconds": report["seconds"],
        "gates": gates,
    }


def counts(entries: Sequence[Mapping[str, Any]]) -> str:
    """How many jobs are in which state: "7 jobs: 2 passed, 4 not passed, 1 failed"."""
    found = Counter(each["state"] for each in entries)
    told = ", ".join(f"{found[state]} {words}" for state, words in STATES.items() if found[state])
    return f"{len(entries)} {'job' if len(entries) == 1 else 'jobs'}: {told}"


def write_night(entries: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    """Write the page into a folder, in place of an earlier one. Returns it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    page, begun = folder / PAGE, folder / f".{PAGE}"
    begun.write_text(render(entries, folder), encoding="utf-8")
    begun.replace(page)
    return page


def render(entries: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """The page's HTML; what comes from data or recipes is escaped. folder: where it will lie, for its links."""
    return template("overview.html.jinja").render(
        title="A night of training",
        counts=counts(entries),
        states=STATES,
        jobs=[{**each, **_shown(each, folder)} for each in entries],
    )


def _shown(each: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The values as they are written on the page."""
    if "metric" not in each:
        return {"page": None, "cells": []}
    metric, interval = each["metric"], each["interval"]
    above, _, bounds = gain(metric, each["gain"]).partition(" (") if each["gain"] else ("–", "", "")
    cells = [
        (number(metric, each["before"]), ""),
        (number(metric, each["baseline"]), each["baseline_name"] or ""),
        (number(metric, each["after"]), between(metric, interval) if interval else ""),
        (above, bounds.removesuffix(")")),
    ]
    return {"page": os.path.relpath(folder_of(each["folder"]) / PAGE, folder.resolve()), "cells": cells}
