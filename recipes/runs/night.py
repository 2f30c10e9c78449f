"""A night in one page: what came of each job, which passed its gates, and why the others did not.

    night/acme/spring/recommendation/                      the PEFT directory
    night/acme/spring/recommendation-report/report.html    its page
    night-report/report.html                               this page; written again whenever a job is done

It holds names and numbers of several clients, and no rows of their data.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from recipes.judge.info import AdapterInfo
from recipes.judge.page import PAGE, folder_of, template
from recipes.judge.report import Gain, Gates, Interval, Report, RowCounts
from recipes.judge.results import best_baseline, between, gain, number, verdicts_of
from recipes.part import Number, Part

if TYPE_CHECKING:
    from recipes.runs.order import Order
    from recipes.runs.run import Result

State = Literal["passed", "ungated", "closed", "failed", "waiting"]
STATES: dict[State, str] = {
    "passed": "passed",
    "ungated": "without gates",
    "closed": "not passed",
    "failed": "failed",
    "waiting": "not done yet",
}


class Figures(Part):
    """What a trained job reached, by the metric that `min_gain` looks at, else `train.metric`.

    before, baseline, after: the metric's values, where baseline is the best one; interval, gain: of what is served, and
    over that baseline, as in a report. None where there is none.
    """

    metric: str
    before: Number | None
    baseline: Number | None
    baseline_name: str | None
    after: Number | None
    interval: Interval | None
    gain: Gain | None
    rows: RowCounts | None
    steps: int | None
    seconds: float | None


@dataclass(frozen=True)
class Brief:
    """A job in brief.

    figures: of a job that is trained. error: why it failed. published, refused: under which reference a hub has it, or
    why it took it not; both None where nobody asked a hub.
    """

    name: str
    folder: str
    task: str
    method: str
    state: State
    figures: Figures | None = None
    error: str | None = None
    gates: Gates | None = None
    published: str | None = None
    refused: str | None = None

    @property
    def is_held_back(self) -> bool:
        """Whether a hub refused what no gate held back."""
        return self.refused is not None and self.state != "closed"

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON: the figures beside the other facts; null for what is not defined."""
        return {
            "name": self.name,
            "folder": self.folder,
            "task": self.task,
            "method": self.method,
            "state": self.state,
            "error": self.error,
            "gates": None if self.gates is None else self.gates.to_info(),
            "published": self.published,
            "refused": self.refused,
            **({} if self.figures is None else self.figures.model_dump(mode="json")),
        }


def brief(order: "Order", result: "Result | None") -> Brief:
    """A job in brief.

    Args:
        order: the job.
        result: what came of it; None while there is nothing.
    """
    job = order.name, str(order.out), order.recipe.task, order.recipe.method
    if result is None:
        return Brief(*job, state="waiting")
    if isinstance(result, Exception):
        return Brief(*job, state="failed", error=str(result))
    info = AdapterInfo.of(result.info)
    state: State = "ungated" if info.gates is None else "passed" if info.gates.passed else "closed"
    return Brief(*job, state, _figures(order, info.report or Report()), gates=info.gates)


def _figures(order: "Order", report: Report) -> Figures:
    gate, own = order.recipe.gates.min_gain, report.served
    metric = (gate and gate.metric) or report.metric or order.recipe.train.metric
    baseline = best_baseline(own.gains, metric)
    return Figures(
        metric=metric,
        before=report.before.get(metric),
        baseline=None if baseline is None else report.baselines[baseline].get(metric),
        baseline_name=baseline,
        after=own.after.get(metric),
        interval=own.intervals.get(metric),
        gain=None if baseline is None else own.gains[baseline][metric],
        rows=report.rows,
        steps=report.steps,
        seconds=report.seconds,
    )


def counts(briefs: Sequence[Brief]) -> str:
    """How many jobs are in which state: "7 jobs: 2 passed, 4 not passed, 1 failed"."""
    found = Counter(each.state for each in briefs)
    told = ", ".join(f"{found[state]} {words}" for state, words in STATES.items() if found[state])
    return f"{len(briefs)} {'job' if len(briefs) == 1 else 'jobs'}: {told}"


def write_night(briefs: Sequence[Brief], folder: Path) -> Path:
    """Write the page, in place of an earlier one.

    Args:
        briefs: all jobs.
        folder: of the page, which may be missing.

    Returns:
        The page.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page, begun = folder / PAGE, folder / f".{PAGE}"
    begun.write_text(render(briefs, folder), encoding="utf-8")
    begun.replace(page)
    return page


def render(briefs: Sequence[Brief], folder: Path) -> str:
    """The page's HTML; what comes from data or recipes is escaped. folder: where it will lie, for its links."""
    return template("night.html.jinja").render(
        title="A night of training",
        counts=counts(briefs),
        states=STATES,
        jobs=[(each, *_shown(each, folder)) for each in briefs],
        verdicts_of=verdicts_of,
    )


def _shown(each: Brief, folder: Path) -> tuple[str | None, list[tuple[str, str]]]:
    """A job's page, seen from the folder, and its values as they are written."""
    found = each.figures
    if found is None:
        return None, []
    metric, interval = found.metric, found.interval
    above, _, bounds = gain(metric, found.gain).partition(" (") if found.gain else ("–", "", "")
    cells = [
        (number(metric, found.before), ""),
        (number(metric, found.baseline), found.baseline_name or ""),
        (number(metric, found.after), between(metric, interval) if interval else ""),
        (above, bounds.removesuffix(")")),
    ]
    return os.path.relpath(folder_of(each.folder) / PAGE, folder.resolve()), cells
