"""The tables of a training: what was there before, what simple methods reach, what the adapter reaches."""

from typing import Any

from rich.console import Console
from rich.table import Table

from recipes.judge.report import Report
from recipes.judge.tables import labels_table, results_table
from tests.recipes.judge.test_results import report

COUNTED: dict[str, Any] = {"rows": {"train": 7200, "validation": 800, "test": 2000}, "seconds": 41.6}


def shown(made: Table) -> str:
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(made)
    return capture.get()


def test_rows_and_columns_stand_as_they_are_named() -> None:
    text = shown(results_table(report(**COUNTED)))
    lines = [line.strip("│┃ ").split() for line in text.splitlines()]
    cells = {" ".join(line[:2]): line for line in lines if line}
    assert cells["base alone"][-5:] == ["0.512", "│", "0.900", "│", "–"]
    assert cells["with the"][-5:] == ["0.846", "│", "0.610", "│", "–"]
    assert "auc ↑" in text and "log loss ↓" in text and "groups" not in text


def test_below_stands_what_it_was_measured_on() -> None:
    text = shown(results_table(report(**COUNTED)))
    assert "trained on 7,200 rows, measured on 2,000 that it never saw" in text
    assert "best weights by auc on 800 more; 42 s" in text and "41.6" not in text


def test_green_is_only_what_beats_every_other_row() -> None:
    row = [
        str(cell.style) + "".join(str(span.style) for span in cell.spans)
        for cell in _after(results_table(report()))
    ]
    assert ["green" in style for style in row] == [True, False, False]


def _after(made: Table) -> list[Any]:
    return [list(column.cells)[2] for column in made.columns[1:]]


def test_a_report_of_the_smallest_kind_is_a_table_too() -> None:
    smallest = Report.model_validate({"before": {"auc": 0.5}, "after": {"auc": 0.5}})
    assert "0.500" in shown(results_table(smallest))


def test_labels_are_listed_weakest_first() -> None:
    labels = [
        {"label": f"l{i}", "precision": 0.5, "recall": 0.5, "f1": i / 10, "rows": i} for i in range(9, -1, -1)
    ]
    made = labels_table(Report.model_validate({"after": {"labels": labels}}), most=3)
    assert made is not None
    assert next(iter(made.columns[0].cells)).plain == "l0"  # type: ignore[union-attr]
    assert made.row_count == 3 and "7 labels are better" in str(made.caption)
    assert labels_table(report()) is None
