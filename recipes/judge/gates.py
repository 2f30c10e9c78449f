"""Gates: what an adapter must reach before a hub takes it, judged from its report alone.

Significance counts. `min_gain` passes where the gain is at least what was asked for AND the paired 95 % interval of
the gain lies above 0 as a whole: a gain inside the noise does not pass. What cannot be checked does not pass either.
"""

import math
from collections.abc import Iterator, Mapping

from recipes.judge.report import Gates, GateVerdict, Measured, Report
from recipes.judge.results import best_baseline, upward
from recipes.judge.said import Named, Said
from recipes.options.gates import GateOptions, MaxGroupGap, MinGain

_GAIN = (
    "the gain in {metric} over {over} is {gain} (95 %: {low} to {high}); "
    "wanted {by} or more, and an interval above 0"
)
_NOISE = "; it is inside the noise, more test rows would tell"


def judge(report: Report, gates: GateOptions) -> Gates | None:
    """What the gates of a recipe say of what is served.

    Args:
        report: of the trained adapter.
        gates: the recipe's.

    Returns:
        A verdict for each gate that the recipe has; None where it has none.
    """
    verdicts = tuple(verdict for verdict, _ in _verdicts(report.served, report.metric, gates))
    return Gates(passed=all(each.passed for each in verdicts), verdicts=verdicts) if verdicts else None


def gates_said(report: Report, recipe: object) -> Mapping[str, Said]:
    """What the gates say, as it can be said in another language.

    Args:
        report: of the adapter.
        recipe: its recipe, as its record has it.

    Returns:
        English sentence -> the sentence; nothing for gates that cannot be read.
    """
    try:
        gates = GateOptions.model_validate(dict(recipe)["gates"])  # type: ignore[call-overload]
    except (ValueError, TypeError, KeyError):
        return {}
    return {verdict.sentence: said for verdict, said in _verdicts(report.served, report.metric, gates)}


_Judged = tuple[GateVerdict, Said]


def _verdicts(found: Measured, metric: str | None, gates: GateOptions) -> Iterator[_Judged]:
    """metric: that of the report."""
    if gates.min_gain is not None:
        yield _min_gain(found, metric, gates.min_gain)
    if gates.max_calibration_error is not None:
        name, most = "max_calibration_error", gates.max_calibration_error
        yield _at_most(name, most, found.after.get("calibration_error"), Said("the calibration error"))
    if gates.max_group_gap is not None:
        yield _max_group_gap(found, gates.max_group_gap)
    if gates.policy is not None:
        yield _policy(found.after.get("texts_within_policy"), gates.policy)


def _min_gain(found: Measured, watched: str | None, asked: MinGain) -> _Judged:
    metric = asked.metric or watched or ""
    measured = {name: each[metric] for name, each in found.gains.items() if metric in each}
    over = asked.over if asked.over in measured else None
    if asked.over == "best_baseline":
        over = best_baseline(found.gains, metric)
    if over is None:
        wanted = "a baseline" if asked.over == "best_baseline" else asked.over
        known = ", ".join(measured) or "nothing"
        why = Said(
            "no {metric} of {wanted}; it was measured against {known}",
            {"metric": metric, "wanted": wanted, "known": known},
        )
        return _unchecked("min_gain", asked.by, why)
    above = upward(metric, measured[over])
    enough = above.difference >= asked.by
    passed = enough and above.low > 0
    told = {
        "metric": metric,
        "over": over,
        "gain": f"{above.difference:+.3f}",
        "low": f"{above.low:+.3f}",
        "high": f"{above.high:+.3f}",
        "by": f"{asked.by:+.3f}",
    }
    said = Said(_GAIN if passed or not enough else _GAIN + _NOISE, told)
    return _judged("min_gain", passed, asked.by, above.difference, said)


def _max_group_gap(found: Measured, asked: MaxGroupGap) -> _Judged:
    table = (found.groups or {}).get(asked.column)
    what = Said(
        "the gap in {metric} between the groups of {column}",
        {"metric": asked.metric, "column": asked.column},
    )
    return _at_most("max_group_gap", asked.gap, None if table is None else table.gap.get(asked.metric), what)


def _policy(share: float | None, asked: float) -> _Judged:
    if share is None:
        why = Said("texts_within_policy was not measured; give the recipe a policy")
        return _unchecked("policy", asked, why)
    said = Said(
        "{share} of the texts are within the policy; wanted {asked} or more",
        {"share": f"{share:.1%}", "asked": f"{asked:.1%}"},
    )
    return _judged("policy", share >= asked, asked, share, said)


def _at_most(gate: str, most: float, found: float | None, what: Said) -> _Judged:
    if found is None or math.isnan(found):
        return _unchecked(gate, most, Said("{what} was not measured", {"what": what}))
    told: Named = {"what": what, "found": f"{found:.3f}", "most": f"{most:.3f}"}
    return _judged(gate, found <= most, most, found, Said("{what} is {found}; wanted {most} or less", told))


def _unchecked(gate: str, wanted: float, why: Said) -> _Judged:
    return _judged(gate, False, wanted, None, Said("could not be checked: {why}", {"why": why}))


def _judged(gate: str, passed: bool, wanted: float, found: float | None, said: Said) -> _Judged:
    verdict = GateVerdict(gate=gate, passed=passed, wanted=wanted, found=found, sentence=str(said))
    return verdict, said
