"""The first sentence of a report: what it is about, by how much, and what to do."""

from typing import Any

import pytest

from recipes import Recipe
from recipes.judge.info import AdapterInfo
from recipes.judge.report import Report
from recipes.judge.verdicts import loses, verdict


def report(
    gains: dict[str, tuple[float, float, float]], metric: str = "accuracy", own: float = 0.8, **more: Any
) -> Report:
    """gains: baseline -> (difference, low, high)."""
    told = {
        name: {metric: {"difference": difference, "low": low, "high": high}}
        for name, (difference, low, high) in gains.items()
    }
    made = {
        "metric": metric,
        "after": {metric: own},
        "baselines": {name: {metric: own - each[0]} for name, each in gains.items()},
        "gains": {"before": {metric: {"difference": 0.9, "low": 0.8, "high": 1.0}}, **told},
        "rows": {"train": 700, "validation": 100, "test": 200},
        **more,
    }
    found = Report.read(made)
    assert found is not None
    return found


BLEND = {
    "baseline": "TF-IDF",
    "weight": 0.4,
    "metric": "accuracy",
    "value": 0.9284,
    "gain": {"difference": 0.1284, "low": 0.09, "high": 0.16},
}


def sentence(found: Report) -> str:
    told = verdict(found)
    assert told is not None
    return f"{told.kind}: {told.sentence}"


def test_better_is_told_by_the_baseline_that_comes_nearest() -> None:
    found = report({"prior": (0.3, 0.2, 0.4), "TF-IDF": (0.04, 0.01, 0.07)})
    assert sentence(found) == (
        "better: Better than every baseline by 4 points (1 to 7): accuracy 0.800 against 0.760 of TF-IDF."
    )


def test_worse_says_by_how_much_and_what_a_blend_would_reach() -> None:
    worse = {"prior": (0.3, 0.2, 0.4), "TF-IDF": (-0.14, -0.19, -0.09)}
    assert sentence(report(worse, blend=BLEND)) == (
        "worse: TF-IDF beats this adapter by 14 points (9 to 19): accuracy 0.800 against 0.940 of TF-IDF; a blend "
        "would reach 0.928: train with `blend: true` and publish that, or do not publish."
    )
    assert sentence(report(worse)).endswith("of TF-IDF; do not publish it as it is.")
    idle = BLEND | {"weight": 0.0}
    assert "blend" not in sentence(report(worse, blend=idle))


def test_what_cannot_be_told_apart_says_how_many_rows_would_decide() -> None:
    """Half of the interval is 4 points, the difference 2: four times the rows, 600 more."""
    found = report({"prior": (0.3, 0.2, 0.4), "TF-IDF": (0.02, -0.02, 0.06)})
    assert sentence(found) == (
        "even: Cannot be told apart from TF-IDF: +2 points (-2 to 6), accuracy 0.800 against 0.780 of TF-IDF; about "
        "600 more test rows would decide."
    )
    hopeless = sentence(report({"TF-IDF": (0.0005, -0.02, 0.06)}))
    assert "they are about as good" in hopeless and "rows would decide" not in hopeless
    assert "about as good" in sentence(report({"TF-IDF": (0.0, 0.0, 0.0)}))


def test_a_baseline_of_wide_interval_is_named_even_where_another_is_nearer() -> None:
    found = verdict(report({"near": (0.02, 0.01, 0.03), "noisy": (0.1, -0.05, 0.25)}))
    assert found is not None and (found.kind, found.baseline) == ("even", "noisy")


def test_the_baseline_that_is_named_as_better_is_one_whose_interval_says_so() -> None:
    found = verdict(report({"noisy": (-0.1, -0.25, 0.05), "near": (-0.03, -0.04, -0.02)}))
    assert found is not None and (found.kind, found.baseline) == ("worse", "near")
    assert found.sentence.startswith("Near beats this adapter by 3 points (2 to 4)")


@pytest.mark.parametrize(("high", "kind"), [(-0.01, "better"), (0.05, "even")])
def test_less_of_a_loss_is_better_and_is_told_in_nats(high: float, kind: str) -> None:
    found = sentence(report({"TF-IDF": (-0.1, -0.2, high)}, metric="log_loss", own=0.5))
    assert found.startswith(kind) and "0.100 nats" in found


def test_texts_are_judged_by_what_a_baseline_has() -> None:
    """No baseline of texts has a likelihood."""
    found = report({"nearest": (6.7, 4.2, 9.1)}, metric="text_chrf", own=59.7)
    found = found.model_copy(update={"metric": "nll"})
    assert sentence(found).startswith("better: Better than every baseline by 6.7 points (4.2 to 9.1)")


def test_what_is_served_is_what_is_judged() -> None:
    alone = report({"TF-IDF": (-0.14, -0.19, -0.09)}).model_dump(mode="json")
    blended = report({"TF-IDF": (0.03, 0.01, 0.05)}, own=0.97).model_dump(mode="json")
    both = Report.read(alone | {"blended": {key: blended[key] for key in ("after", "gains")}})
    assert both is not None and sentence(both).startswith("better") and "0.970" in sentence(both)


def test_nothing_is_said_where_nothing_was_measured_or_is_not_defined() -> None:
    for nothing in (Report(), report({}), report({"TF-IDF": (float("nan"), float("nan"), float("nan"))})):
        assert verdict(nothing) is None
    assert sentence(report({"TF-IDF": (0.1, float("nan"), float("nan"))})).startswith("even")


def test_a_recipe_can_let_pass_what_is_worse() -> None:
    worse = report({"TF-IDF": (-0.14, -0.19, -0.09)})
    for changes, asks in (
        ({}, True),
        ({"gates.allow_worse": True}, False),
        ({"gates.min_gain": 0.0}, False),
        ({"gates.max_calibration_error": 0.5}, True),
    ):
        recipe = Recipe.load("behavior", **changes).to_dict()
        assert (loses(AdapterInfo(recipe=recipe, report=worse)) is not None) == asks
    assert loses(AdapterInfo(report=report({"TF-IDF": (-0.02, -0.05, 0.01)}))) is None
    assert loses(AdapterInfo()) is None
