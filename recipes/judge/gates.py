"""Gates: what an adapter must reach before a hub takes it, judged from its report alone.

Significance counts. `min_gain` passes where the gain is at least what was asked for AND the paired 95 % interval of
the gain lies above 0 as a whole: a gain inside the noise does not pass. What cannot be checked does not pass either.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from recipes.judge.report import best_baseline, served
from recipes.options.gates import GateOptions, MaxGroupGap, MinGain
from recipes.tasks.task import all_metrics


@dataclass(frozen=True)
class Verdict:
    """One gate. wanted, found: in the units of its metric; found is None where the report does not say."""

    gate: str
    passed: bool
    wanted: float
    found: float | None
    sentence: str


def judge(report: Mapping[str, Any], gates: GateOptions) -> list[Verdict]:
    """A verdict for each gate that the recipe has, on what is served; report: as in `recipes/judge/report.py`."""
    return list(_verdicts(served(report), gates))


def mark(verdicts: Sequence[Verdict]) -> dict[str, Any] | None:
    """What an adapter carries as `info["gates"]`; None without gates."""
    if not verdicts:
        return None
    return {
        "passed": all(verdict.passed for verdict in verdicts),
        "verdicts": [asdict(verdict) for verdict in verdicts],
    }


def _verdicts(report: Mapping[str, Any], gates: GateOptions) -> Iterator[Verdict]:
    after = report["after"]
    if gates.min_gain is not None:
        yield _min_gain(report, gates.min_gain)
    if gates.max_calibration_error is not None:
        name, most = "max_calibration_error", gates.max_calibration_error
        yield _at_most(name, most, after.get("calibration_error"), "the calibration error")
    if gates.max_group_gap is not None:
        yield _max_group_gap(report, gates.max_group_gap)
    if gates.policy is not None:
        yield _policy(after.get("texts_within_policy"), gates.policy)


def _min_gain(report: Mapping[str, Any], asked: MinGain) -> Verdict:
    metric = asked.metric or report["metric"]
    sign = 1 if all_metrics()[metric] == "max" else -1
    measured = {name: each[metric] for name, each in report["gains"].items() if metric in each}
    over = asked.over if asked.over in measured else None
    if asked.over == "best_baseline":
        over = best_baseline(report, metric)
    if over is None:
        wanted = "a baseline" if asked.over == "best_baseline" else asked.over
        known = ", ".join(measured) or "nothing"
        sentence = f"could not be checked: no {metric} of {wanted}; it was measured against {known}"
        return Verdict("min_gain", False, asked.by, None, sentence)
    gain = sign * measured[over]["difference"]
    low, high = sorted(sign * measured[over][end] for end in ("low", "high"))
    passed = gain >= asked.by and low > 0
    noise = "; it is inside the noise, more test rows would tell" if gain >= asked.by and not passed else ""
    sentence = (
        f"the gain in {metric} over {over} is {gain:+.3f} (95 %: {low:+.3f} to {high:+.3f}); wanted {asked.by:+.3f} "
        f"or more, and an interval above 0{noise}"
    )
    return Verdict("min_gain", passed, asked.by, gain, sentence)


def _max_group_gap(report: Mapping[str, Any], asked: MaxGroupGap) -> Verdict:
    gaps = report.get("groups", {}).get(asked.column, {}).get("gap", {})
    what = f"the gap in {asked.metric} between the groups of {asked.column}"
    return _at_most("max_group_gap", asked.gap, gaps.get(asked.metric), what)


def _policy(share: float | None, asked: float) -> Verdict:
    if share is None:
        sentence = "could not be checked: texts_within_policy was not measured; give the recipe a policy"
        return Verdict("policy", False, asked, None, sentence)
    sentence = f"{share:.1%} of the texts are within the policy; wanted {asked:.1%} or more"
    return Verdict("policy", share >= asked, asked, share, sentence)


def _at_most(gate: str, most: float, found: float | None, what: str) -> Verdict:
    if found is None or math.isnan(found):
        return Verdict(gate, False, most, None, f"could not be checked: {what} was not measured")
    return Verdict(gate, found <= most, most, found, f"{what} is {found:.3f}; wanted {most:.3f} or less")
