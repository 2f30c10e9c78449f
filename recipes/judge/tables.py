"""A report in the terminal: the base before, the baselines, the adapter after, side by side; and the weakest labels."""

from rich.table import Table
from rich.text import Text

from adapters.unseen import visible
from recipes.judge.report import Report
from recipes.judge.results import (
    columns,
    heading,
    is_best,
    kept_line,
    number,
    own_row,
    results,
    weakest_first,
)


def results_table(report: Report) -> Table:
    """One row each for the base, every baseline, and the adapter; one column per metric, with its better direction.

    The values of what is served are green where they are the best of their column.
    """
    rows, names = results(report), columns(report)
    table = Table(
        title="Held-out results", caption=_caption(report), title_justify="left", caption_justify="left"
    )
    table.add_column("")
    for name in names:
        table.add_column(heading(name), justify="right")
    for row, metrics in rows.items():
        cells = [Text(number(name, metrics.get(name))) for name in names]
        if row == own_row(report):
            for name, cell in zip(names, cells, strict=True):
                cell.stylize("bold green" if is_best(name, row, rows) else "bold")
        table.add_row(row, *cells)
    return table


def labels_table(report: Report, most: int = 15) -> Table | None:
    """behavior: the labels as they are served, weakest F1 first, at most `most` of them; None for other tasks."""
    labels = weakest_first(report.served.after.labels or ())
    if not labels:
        return None
    rest = f"{len(labels) - most} labels are better than these" if len(labels) > most else None
    table = Table(title="Labels, weakest first", caption=rest, title_justify="left", caption_justify="left")
    for column in ("label", "precision", "recall", "f1", "rows"):
        table.add_column(column, justify="left" if column == "label" else "right")
    for each in labels[:most]:
        scores = (number("f1", score) for score in (each.precision, each.recall, each.f1))
        table.add_row(Text(visible(each.label)), *scores, str(each.rows))
    return table


def _caption(report: Report) -> str:
    rows, told = report.rows, []
    if rows is not None:
        told.append(f"trained on {rows.train:,} rows, measured on {rows.test:,} that it never saw")
    if (kept := kept_line(report)) is not None:
        told.append(kept)
    if report.seconds is not None:
        told.append(f"{report.seconds:.0f} s")
    return "; ".join(told)
