"""A report in words: rows and their order, the best baseline, gains with their intervals, gates."""

import math
from typing import Any

import pytest

from recipes.judge.report import Gain, Gates, Interval, Metrics, Report
from recipes.judge.results import (
    best_baseline,
    between,
    certainty_lines,
    columns,
    gain,
    gate_lines,
    heading,
    number,
    own_row,
    rank_line,
    results,
)

NAN = math.nan
REPORT: dict[str, Any] = {
    "metric": "auc",
    "before": {"auc": 0.5123, "log_loss": 0.9, "calibration_error": NAN},
    "after": {"auc": 0.8456, "log_loss": 0.61, "groups": 12},
    "baselines": {"constant prior": {"auc": 0.5, "log_loss": 0.6}},
    "best_reachable": {"auc": 0.9},
}
GAINS: dict[str, Any] = {
    "before": {"auc": {"difference": 0.3333, "low": 0.2111, "high": 0.4222}},
    "weak": {"auc": {"difference": 0.3, "low": 0.2, "high": 0.4}},
    "strong": {"auc": {"difference": -0.0456, "low": -0.1, "high": None}},
    "silent": {},
}


def report(**changes: Any) -> Report:
    return Report.model_validate(REPORT | changes)


def test_rows_stand_from_before_over_baselines_to_after_and_the_best_reachable() -> None:
    assert list(results(report())) == ["base alone", "constant prior", "with the adapter", "best reachable"]
    assert own_row(report()) == "with the adapter"
    blended = report(blended={"after": {"auc": 0.86}})
    assert list(results(blended))[-2:] == ["adapter and baseline blended", "best reachable"]
    assert own_row(blended) == "adapter and baseline blended"


def test_only_metrics_are_columns_and_each_says_which_way_is_better() -> None:
    assert columns(report()) == ["auc", "log_loss", "calibration_error"]
    assert (heading("auc"), heading("log_loss")) == ("auc ↑", "log loss ↓")


def test_numbers_are_as_fine_as_their_metric() -> None:
    assert number("bleu", 21.449) == "21.4"
    assert number("auc", 0.72603) == "0.726"
    assert number("auc", None) == number("auc", NAN) == "–"
    assert gain("auc", Gain(difference=0.101, low=-0.018, high=NAN)) == "+0.101 (-0.018 to –)"
    assert between("auc", Interval(low=0.47, high=0.658)) == "0.470 to 0.658"


def test_the_watched_metric_is_told_with_its_interval_and_what_it_gains() -> None:
    sure = report(intervals={"auc": {"low": 0.81, "high": 0.88}}, gains=GAINS)
    assert certainty_lines(sure) == [
        "auc with the adapter: 0.846, 95 %: 0.810 to 0.880",
        "auc above base alone, on the same rows: +0.333 (+0.211 to +0.422)",
        "auc above strong, on the same rows: -0.046 (-0.100 to –)",
    ]
    assert certainty_lines(report()) == [], "reports of before there were intervals"


@pytest.mark.parametrize("metric", [None, "auc", "unheard of"])
def test_a_report_of_strangers_is_told_as_far_as_it_goes(metric: str | None) -> None:
    assert certainty_lines(report(metric=metric, intervals={"unheard of": {"low": 0, "high": 1}})) == []
    assert certainty_lines(Report(metric=metric)) == []


def test_the_best_baseline_is_the_one_with_the_least_gain_whichever_way_is_better() -> None:
    gains = report(gains=GAINS).gains
    assert best_baseline(gains, "auc") == "strong"
    assert best_baseline({"before": gains["before"]}, "auc") is None
    differences = {"before": 9.0, "weak": -0.4, "strong": -0.1, "undefined": NAN}
    losses = {
        name: {"log_loss": Gain(difference=value, low=NAN, high=NAN)} for name, value in differences.items()
    }
    assert best_baseline(losses, "log_loss") == "strong"


def test_a_line_says_which_gates_are_passed() -> None:
    verdicts = [
        {"gate": "min_gain", "passed": True, "sentence": "enough"},
        {"gate": "policy", "passed": False, "sentence": "too few"},
    ]
    lines = gate_lines(Gates.model_validate({"passed": False, "verdicts": verdicts}))
    assert lines == ["✓ gate min_gain: enough", "✗ gate policy: too few"]
    assert gate_lines(None) == []


def test_ranks_are_told_in_a_line() -> None:
    line = "0 to 3, 1.33 on average, shared out among 3 layers by AdaLoRA; 1 with none are left out"
    assert rank_line({"a": 0, "b": 3, "c": 1}) == line


def test_metrics_of_nothing_are_no_columns() -> None:
    assert columns(Report(after=Metrics())) == []
