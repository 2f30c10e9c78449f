"""Gates: what passes, what does not, and what cannot be checked."""

from typing import Any

import pytest

from recipes.errors import RecipeError
from recipes.judge.gates import judge
from recipes.judge.report import GateVerdict, Report
from recipes.options.gates import GateOptions
from recipes.recipe import Recipe

REPORT: dict[str, Any] = {
    "metric": "auc",
    "after": {"auc": 0.8, "calibration_error": 0.04},
    "gains": {
        "before": {"auc": {"difference": 0.3, "low": 0.2, "high": 0.4}},
        "prior": {
            "auc": {"difference": 0.3, "low": 0.2, "high": 0.4},
            "log_loss": {"difference": -0.2, "low": -0.3, "high": -0.1},
        },
        "TF-IDF": {
            "auc": {"difference": 0.05, "low": 0.01, "high": 0.09},
            "log_loss": {"difference": -0.02, "low": -0.05, "high": 0.01},
        },
    },
    "groups": {"city": {"groups": [], "gap": {"accuracy": 0.15, "auc": float("nan")}}},
}


def verdicts(report: dict[str, Any], **gates: Any) -> tuple[GateVerdict, ...]:
    found = judge(Report.model_validate(report), GateOptions.model_validate(gates))
    assert found is not None and found.passed == all(each.passed for each in found.verdicts)
    return found.verdicts


def verdict(**gates: Any) -> GateVerdict:
    [found] = verdicts(REPORT, **gates)
    return found


def test_without_gates_nothing_is_judged() -> None:
    assert judge(Report.model_validate(REPORT), GateOptions()) is None


def test_a_gain_that_is_large_and_sure_passes() -> None:
    found = verdict(min_gain=0.05)
    assert (found.passed, found.wanted, found.found) == (True, 0.05, 0.05)
    assert found.sentence == (
        "the gain in auc over TF-IDF is +0.050 (95 %: +0.010 to +0.090); wanted +0.050 or more, and an interval above 0"
    )


def test_a_gain_that_is_sure_but_small_does_not_pass() -> None:
    assert not verdict(min_gain=0.051).passed
    assert verdict(min_gain={"over": "before", "by": 0.25}).passed
    assert verdict(min_gain={"over": "prior", "by": 0.3}).passed


def test_a_gain_inside_the_noise_does_not_pass_and_less_loss_is_a_gain() -> None:
    noisy = verdict(min_gain={"metric": "log_loss", "by": 0.01})
    assert (noisy.passed, noisy.found) == (False, 0.02)
    assert "over TF-IDF is +0.020 (95 %: -0.010 to +0.050)" in noisy.sentence
    assert noisy.sentence.endswith("it is inside the noise, more test rows would tell")
    assert verdict(min_gain={"metric": "log_loss", "over": "prior", "by": 0.2}).passed


def test_a_gate_that_asks_for_any_gain_still_asks_for_a_sure_one() -> None:
    assert verdict(min_gain=0).passed
    assert not verdict(min_gain={"metric": "log_loss"}).passed


def test_an_undefined_interval_does_not_pass() -> None:
    nan = float("nan")
    report = REPORT | {"gains": {"prior": {"auc": {"difference": 0.1, "low": nan, "high": nan}}}}
    assert not verdicts(report, min_gain=0.0)[0].passed


def test_what_was_not_measured_does_not_pass() -> None:
    found = verdict(min_gain={"over": "popularity", "by": 0.1})
    assert (found.passed, found.found) == (False, None)
    assert found.sentence.startswith(
        "could not be checked: no auc of popularity; it was measured against before"
    )
    assert not verdict(min_gain={"metric": "accuracy"}).passed
    assert "texts_within_policy was not measured" in verdict(policy=True).sentence
    group = verdict(max_group_gap={"column": "age", "gap": 0.5})
    assert (group.passed, group.found) == (False, None)
    assert not verdict(max_group_gap={"column": "city", "gap": 0.5, "metric": "auc"}).passed


def test_errors_and_gaps_have_a_most() -> None:
    assert verdict(max_calibration_error=0.04).passed
    found = verdict(max_calibration_error=0.03)
    assert (found.passed, found.found) == (False, 0.04)
    assert found.sentence == "the calibration error is 0.040; wanted 0.030 or less"
    assert verdict(max_group_gap={"column": "city", "gap": 0.15}).passed
    assert not verdict(max_group_gap={"column": "city", "gap": 0.1}).passed


def test_the_policy_wants_a_share_of_the_texts_and_true_is_all() -> None:
    report = {"metric": "nll", "after": {"texts_within_policy": 0.95}, "gains": {}}
    some, every = (verdicts(report, policy=share)[0] for share in (0.9, True))
    assert (some.passed, every.passed, every.wanted) == (True, False, 1.0)
    assert judge(Report.model_validate(report), GateOptions.model_validate({"policy": False})) is None


def test_one_failure_marks_the_adapter() -> None:
    gates = GateOptions.model_validate({"min_gain": 0.01, "max_calibration_error": 0.01})
    found = judge(Report.model_validate(REPORT), gates)
    assert found is not None and found.passed is False
    assert [each.passed for each in found.verdicts] == [True, False]


@pytest.mark.parametrize(
    ("task", "gates", "told"),
    [
        ("behavior", {"min_gan": 1}, "gates.min_gan: unknown key; did you mean `min_gain`?"),
        ("behavior", {"min_gain": {"ovr": "x"}}, "gates.min_gain.ovr: unknown key; did you mean `over`?"),
        ("behavior", {"min_gain": -1}, r"gates.min_gain.by: -1 cannot be used; write a number of at least 0"),
        ("behavior", {"min_gain": {"metric": "auc"}}, "gates.min_gain.metric: auc is none of accuracy"),
        ("behavior", {"policy": True}, "gates.policy: behavior has no texts"),
        ("ad-copy", {"max_calibration_error": 0.1}, "ad-copy has no probabilities"),
        (
            "ad-copy",
            {"min_gain": 0.1},
            "no baseline of ad-copy has an nll; write over: before, or metric: text_chrf",
        ),
    ],
)
def test_gates_that_could_never_open_are_refused_with_the_recipe(
    task: str, gates: dict[str, Any], told: str
) -> None:
    with pytest.raises(RecipeError, match=told):
        Recipe.from_dict({"task": task, "gates": gates})


def test_gates_are_part_of_the_recipe_and_come_back_from_yaml() -> None:
    recipe = Recipe.load("ad-copy", **{"gates.policy": True, "gates.min_gain": {"over": "before", "by": 0.1}})
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert recipe.gates.policy == 1.0
    recipe = Recipe.load("behavior", **{"gates.min_gain": 0.02, "report.groups": ["channel"]})
    assert recipe.gates.min_gain is not None and recipe.gates.min_gain.by == 0.02
    assert recipe.report.groups == ["channel"]
