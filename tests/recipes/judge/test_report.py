"""The tables of a training: what was there before, what simple methods reach, what the adapter reaches."""

from typing import Any

from rich.console import Console
from rich.table import Table

from recipes.judge.report import best_baseline, certainty_lines, labels_table, number, results, results_table

REPORT: dict[str, Any] = {
    "metric": "auc",
    "before": {"auc": 0.5123, "log_loss": 0.9, "calibration_error": float("nan")},
    "after": {"auc": 0.8456, "log_loss": 0.61, "groups": 12},
    "baselines": {"constant prior": {"auc": 0.5, "log_loss": 0.6}},
    "best_reachable": {"auc": 0.9},
    "rows": {"train": 7200, "validation": 800, "test": 2000},
    "seconds": 41.6,
}


def shown(made: Table) -> str:
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(made)
    return capture.get()


def test_rows_stand_from_before_over_baselines_to_after_and_the_best_reachable() -> None:
    assert list(results(REPORT)) == ["base alone", "constant prior", "with the adapter", "best reachable"]
    lines = [line.strip("│┃ ").split() for line in shown(results_table(REPORT)).splitlines()]
    cells = {" ".join(line[:2]): line for line in lines if line}
    assert cells["base alone"][-5:] == ["0.512", "│", "0.900", "│", "–"]
    assert cells["with the"][-5:] == ["0.846", "│", "0.610", "│", "–"]
    assert "41.6" not in shown(results_table(REPORT))


def test_only_metrics_are_columns_and_each_says_which_way_is_better() -> None:
    text = shown(results_table(REPORT))
    assert "auc ↑" in text and "log loss ↓" in text
    assert "groups" not in text
    assert "trained on 7,200 rows, measured on 2,000 that it never saw" in text
    assert "best weights by auc on 800 more; 42 s" in text


def test_green_is_only_what_beats_every_other_row() -> None:
    row = [
        str(cell.style) + "".join(str(span.style) for span in cell.spans)
        for cell in _after(results_table(REPORT))
    ]
    assert ["green" in style for style in row] == [True, False, False]


def _after(made: Table) -> list[Any]:
    return [list(column.cells)[2] for column in made.columns[1:]]


def test_a_report_of_the_smallest_kind_is_a_table_too() -> None:
    assert "0.500" in shown(results_table({"before": {"auc": 0.5}, "after": {"auc": 0.5}}))


def test_labels_are_listed_weakest_first() -> None:
    labels = [
        {"label": f"l{i}", "precision": 0.5, "recall": 0.5, "f1": i / 10, "rows": i} for i in range(9, -1, -1)
    ]
    made = labels_table({"after": {"labels": labels}}, most=3)
    assert made is not None
    assert next(iter(made.columns[0].cells)).plain == "l0"  # type: ignore[union-attr]
    assert made.row_count == 3 and "7 labels are better" in str(made.caption)
    assert labels_table(REPORT) is None


def test_numbers_are_as_fine_as_their_metric() -> None:
    assert number("bleu", 21.449) == "21.4"
    assert number("auc", 0.72603) == "0.726"
    assert number("auc", None) == number("auc", float("nan")) == "–"


GAINS: dict[str, Any] = {
    "before": {"auc": {"difference": 0.3333, "low": 0.2111, "high": 0.4222}},
    "weak": {"auc": {"difference": 0.3, "low": 0.2, "high": 0.4}},
    "strong": {"auc": {"difference": -0.0456, "low": -0.1, "high": None}},
    "silent": {},
}


def test_the_watched_metric_is_told_with_its_interval_and_what_it_gains() -> None:
    report = REPORT | {"intervals": {"auc": {"low": 0.81, "high": 0.88}}, "gains": GAINS}
    assert certainty_lines(report) == [
        "auc with the adapter: 0.846, 95 %: 0.810 to 0.880",
        "auc above base alone, on the same rows: +0.333 (+0.211 to +0.422)",
        "auc above strong, on the same rows: -0.046 (-0.100 to –)",
    ]
    assert certainty_lines(REPORT) == [], "reports of before there were intervals"


def test_the_best_baseline_is_the_one_with_the_least_gain_whichever_way_is_better() -> None:
    assert best_baseline({"gains": GAINS}, "auc") == "strong"
    losses = {
        "before": {"log_loss": {"difference": 9.0}},
        "weak": {"log_loss": {"difference": -0.4}},
        "strong": {"log_loss": {"difference": -0.1}},
        "undefined": {"log_loss": {"difference": float("nan")}},
        "in a record": {"log_loss": {"difference": None}},
    }
    assert best_baseline({"gains": losses}, "log_loss") == "strong"
    assert best_baseline({"gains": {"before": GAINS["before"]}}, "auc") is None
