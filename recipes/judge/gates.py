"""Gates: what an adapter must reach before a hub takes it, judged from its report alone.

Significance counts. `min_gain` passes where the gain is at least what was asked for AND the paired 95 % interval of
the gain lies above 0 as a whole: a gain inside the noise does not pass. What cannot be checked does not pass either.
"""

import math
from collections.abc import Iterator

from recipes.judge.report import Gates, GateVerdict, Measured, Report
from recipes.judge.results import best_baseline, upward
from recipes.options.gates import GateOptions, MaxGroupGap, MinGain


def judge(report: Report, gates: GateOptions) -> Gates | None:
    """What the gates of a recipe say of what is served.

    Args:
        report: of the trained adapter.
        gates: the recipe's.

    Returns:
        A verdict for each gate that the recipe has; None where it has none.
    """
    verdicts = tuple(_verdicts(report.served, report.metric, gates))
    return Gates(passed=all(each.passed for each in verdicts), verdicts=verdicts) if verdicts else None


def _verdicts(found: Measured, metric: str | None, gates: GateOptions) -> Iterator[GateVerdict]:
    """metric: that of the report."""
    if gates.min_gain is not None:
        yield _min_gain(found, metric, gates.min_gain)
    if gates.max_calibration_error is not None:
        name, most = "max_calibration_error", gates.max_calibration_error
        yield _at_most(name, most, found.after.get("calibration_error"), "the calibration error")
    if gates.max_group_gap is not None:
        yield _max_group_gap(found, gates.max_group_gap)
    if gates.policy is not None:
        yield _policy(found.after.get("texts_within_policy"), gates.policy)


def _min_gain(found: Measured, watched: str | None, asked: MinGain) -> GateVerdict:
    metric = asked.metric or watched or ""
    measured = {name: each[metric] for name, each in found.gains.items() if metric in each}
    over = asked.over if asked.over in measured else None
    if asked.over == "best_baseline":
        over = best_baseline(found.gains, metric)
    if over is None:
        wanted = "a baseline" if asked.over == "best_baseline" else asked.over
        known = ", ".join(measured) or "nothing"
        return _unchecked("min_gain", asked.by, f"no {metric} of {wanted}; it was measured against {known}")
    above = upward(metric, measured[over])
    enough = above.difference >= asked.by
    passed = enough and above.low > 0
    noise = "; it is inside the noise, more test rows would tell" if enough and not passed else ""
    sentence = (
        f"the gain in {metric} over {over} is {above.difference:+.3f} (95 %: {above.low:+.3f} to {above.high:+.3f}); "
        f"wanted {asked.by:+.3f} or more, and an interval above 0{noise}"
    )
    return GateVerdict(
        gate="min_gain", passed=passed, wanted=asked.by, found=above.difference, sentence=sentence
    )


def _max_group_gap(found: Measured, asked: MaxGroupGap) -> GateVerdict:
    table = (found.groups or {}).get(asked.column)
    what = f"the gap in {asked.metric} between the groups of {asked.column}"
    return _at_most("max_group_gap", asked.gap, None if table is None else table.gap.get(asked.metric), what)


def _policy(share: float | None, asked: float) -> GateVerdict:
    if share is None:
        return _unchecked("policy", asked, "texts_within_policy was not measured; give the recipe a policy")
    sentence = f"{share:.1%} of the texts are within the policy; wanted {asked:.1%} or more"
    return GateVerdict(gate="policy", passed=share >= asked, wanted=asked, found=share, sentence=sentence)


def _at_most(gate: str, most: float, found: float | None, what: str) -> GateVerdict:
    if found is None or math.isnan(found):
        return _unchecked(gate, most, f"{what} was not measured")
    sentence = f"{what} is {found:.3f}; wanted {most:.3f} or less"
    return GateVerdict(gate=gate, passed=found <= most, wanted=most, found=found, sentence=sentence)


def _unchecked(gate: str, wanted: float, why: str) -> GateVerdict:
    return GateVerdict(gate=gate, passed=False, wanted=wanted, sentence=f"could not be checked: {why}")
