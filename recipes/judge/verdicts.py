"""The verdict: the first sentence of every report. Better than every baseline, worse than one, or not to be told apart,
by how much, and what to do.

                     0                    the gain over each baseline, with its 95 % interval
    |----x----|      :                    one lies below 0 as a whole: worse
                     :   |----x----|      all lie above: better
            |--------:-x------|           else: not to be told apart
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from recipes.judge.info import AdapterInfo
from recipes.judge.report import BEFORE, Gain, Report
from recipes.judge.results import COARSE, number, plain, sign, upward
from recipes.judge.said import Named, Said
from recipes.tasks.task import all_metrics

_FAR = 20  # times the test rows: more than that are not within reach


@dataclass(frozen=True)
class Verdict:
    """What a report comes to.

    kind: of what is served, beside the baselines. baseline: the one that it is compared with. metric: in which.
    said: for people.
    """

    kind: Literal["better", "worse", "even"]
    baseline: str
    metric: str
    said: Said

    @property
    def sentence(self) -> str:
        """In English."""
        return str(self.said)


def verdict(report: Report) -> Verdict | None:
    """The verdict of a report; None where no baseline was measured beside what is served."""
    metric = _metric(report)
    if metric is None:
        return None
    gains = {name: upward(metric, each) for name, each in _measured(report, metric).items()}
    least_first = sorted(gains, key=lambda name: (gains[name].difference, name))
    if better := [name for name in least_first if gains[name].high < 0]:
        return Verdict("worse", better[0], metric, _worse(report, metric, better[0], gains[better[0]]))
    if close := [name for name in least_first if not gains[name].low > 0]:
        return Verdict("even", close[0], metric, _even(report, metric, close[0], gains[close[0]]))
    nearest = least_first[0]
    return Verdict("better", nearest, metric, _better(report, metric, nearest, gains[nearest]))


def loses(info: AdapterInfo) -> Verdict | None:
    """The verdict of what is not to be published unasked: it is worse than a baseline, and the recipe's gates do not
    speak of that. None for all else.

    Args:
        info: of the adapter. A gate `min_gain` is judged by itself, and `allow_worse` lets it pass.
    """
    recipe = info.recipe or {}
    gates = recipe.get("gates") if isinstance(recipe, Mapping) else None
    said = gates if isinstance(gates, Mapping) else {}
    if info.report is None or said.get("min_gain") is not None or said.get("allow_worse") is True:
        return None
    found = verdict(info.report)
    return found if found is not None and found.kind == "worse" else None


def _metric(report: Report) -> str | None:
    """The watched metric, or where no baseline has that, such as for texts, the first that one has."""
    known = all_metrics()
    asked = [report.metric] if report.metric in known else []
    return next((metric for metric in (*asked, *known) if metric and _measured(report, metric)), None)


def _measured(report: Report, metric: str) -> Mapping[str, Gain]:
    """Baseline -> what is served has above it."""
    return {
        name: each[metric]
        for name, each in report.served.gains.items()
        if name != BEFORE and metric in each and math.isfinite(each[metric].difference)
    }


def _better(report: Report, metric: str, other: str, gain: Gain) -> Said:
    told: Named = {"by": _by(metric, gain), "values": _values(report, metric, other)}
    return Said("Better than every baseline by {by}: {values}.", told)


def _worse(report: Report, metric: str, other: str, gain: Gain) -> Said:
    over = Gain(difference=-gain.difference, low=-gain.high, high=-gain.low)
    reach = _reach(report, metric)
    advice = (
        Said(
            "a blend would reach {reach}: train with `blend: true` and publish that, or do not publish",
            {"reach": reach},
        )
        if reach
        else Said("do not publish it as it is")
    )
    told: Named = {
        "other": other[:1].upper() + other[1:],
        "by": _by(metric, over),
        "values": _values(report, metric, other),
        "advice": advice,
    }
    if report.blended is None:
        return Said("{other} beats this adapter by {by}: {values}; {advice}.", told)
    return Said("{other} beats this blend by {by}: {values}; {advice}.", told)


def _even(report: Report, metric: str, other: str, gain: Gain) -> Said:
    more, reach = _rows_to_decide(report, gain), _reach(report, metric)
    told: Named = {
        "other": other,
        "by": _by(metric, gain, signed=True),
        "values": _values(report, metric, other),
        "more": Said("{more}; a blend would reach {reach}", {"more": more, "reach": reach})
        if reach
        else more,
    }
    return Said("Cannot be told apart from {other}: {by}, {values}; {more}.", told)


def _reach(report: Report, metric: str) -> str | None:
    """What a blend would reach, where one that is not served would be better; None where not."""
    blend = report.blend
    if blend is None or blend.served is not None or blend.metric != metric or not blend.weight:
        return None
    return number(metric, blend.value) if sign(metric) * blend.gain.difference > 0 else None


def _rows_to_decide(report: Report, gain: Gain) -> Said:
    """How many more test rows would part the interval from 0, as its width falls with the root of the rows."""
    rows, half = report.rows.test if report.rows else 0, (gain.high - gain.low) / 2
    more = rows * ((half / gain.difference) ** 2 - 1) if gain.difference and half == half else math.inf
    if not rows or not more <= _FAR * rows:
        return Said("they are about as good, and no test within reach would decide")
    step = 10 ** max(0, math.floor(math.log10(max(more, 1))) - 1)
    rows_more = f"{max(1, math.ceil(more / step)) * step:,}"
    return Said("about {rows} more test rows would decide", {"rows": rows_more})


def _values(report: Report, metric: str, other: str) -> Said:
    own, theirs = report.served.after.get(metric), None
    if other in report.baselines:
        theirs = report.baselines[other].get(metric)
    told: Named = {
        "metric": plain(metric),
        "own": number(metric, own),
        "theirs": number(metric, theirs),
        "other": other,
    }
    return Said("{metric} {own} against {theirs} of {other}", told)


def _by(metric: str, gain: Gain, signed: bool = False) -> Said:
    """A gain and its interval."""
    low, high = (_plain_number(metric, each) for each in (gain.low, gain.high))
    return Said(
        "{amount} ({low} to {high})",
        {"amount": _amount(metric, gain.difference, signed), "low": low, "high": high},
    )


def _amount(metric: str, value: float, signed: bool) -> Said:
    text = _plain_number(metric, value)
    told = {"number": f"+{text}" if signed and value >= 0 else text}
    if sign(metric) < 0:
        return Said("{number} nats", told)
    return Said("{number} point" if text in ("1", "-1") else "{number} points", told)


def _plain_number(metric: str, value: float) -> str:
    """In points of a hundred, or for a loss in nats, with no more digits than are read."""
    if value != value:
        return "?"
    if sign(metric) < 0:
        return f"{value:.3f}"
    points = value if metric in COARSE else 100 * value
    text = (f"{points:.1f}" if abs(points) < 9.95 else f"{points:.0f}").removesuffix(".0")
    return "0" if text == "-0" else text
