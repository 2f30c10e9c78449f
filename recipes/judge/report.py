"""A training's results as tables: the base before, the baselines, the adapter after, side by side.

A report is the JSON that an adapter carries as `info["report"]`:

    {"metric": "auc", "before": {"auc": 0.51, ...}, "after": {...}, "baselines": {"constant prior": {...}, ...},
     "intervals": {"auc": {"low": 0.7, "high": 0.8}, ...}, the adapter's own, 95 %,
     "gains": {"before": {"auc": {"difference": 0.2, "low": 0.1, "high": 0.3}, ...}, "constant prior": {...}, ...},
     "blended": {"after": {"auc": 0.75, ...}, "intervals": {...}, "gains": {...}},
     "ranks": {"model.layers.0.self_attn.q_proj": 3, ...},
     "best_reachable": {"auc": 0.81}, "rows": {"train": 720, "validation": 80, "test": 200}, "seconds": 41.2}

`gains` are the adapter's metric minus the other's on the same rows, over the base alone and over every baseline.
`blended` is there where a blend is served (`recipes/judge/blend.py`): the same for its answers; `served` puts it in the
adapter's place. `ranks` is there only for AdaLoRA, `best_reachable` only where the data's maker knows it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from recipes.tasks.task import all_metrics

ARROWS = {"max": "↑", "min": "↓"}
_UNKNOWN = "–"
_COARSE = frozenset({"bleu", "chrf", "text_chrf", "perplexity"})  # one digit after the point says enough


def results_table(report: Mapping[str, Any]) -> Table:
    """One row each for the base, every baseline, and the adapter; one column per metric, with its better direction.

    The values of what is served are green where they are the best of their column.
    """
    rows = results(report)
    names = [name for name in all_metrics() if any(name in values for values in rows.values())]
    result = Table(
        title="Held-out results", caption=_caption(report), title_justify="left", caption_justify="left"
    )
    result.add_column("")
    for name in names:
        result.add_column(f"{name.replace('_', ' ')} {ARROWS[all_metrics()[name]]}", justify="right")
    for row, values in rows.items():
        cells = [Text(number(name, values.get(name))) for name in names]
        if row == own_row(report):
            for name, cell in zip(names, cells, strict=True):
                cell.stylize("bold green" if _is_best(name, row, rows) else "bold")
        result.add_row(row, *cells)
    return result


def labels_table(report: Mapping[str, Any], most: int = 15) -> Table | None:
    """behavior: the labels as they are served, weakest F1 first, at most `most` of them; None for other tasks."""
    labels = served(report)["after"].get("labels")
    if not labels:
        return None
    weakest = sorted(labels, key=lambda entry: (entry["f1"], entry["label"]))
    rest = f"{len(weakest) - most} labels are better than these" if len(weakest) > most else None
    result = Table(title="Labels, weakest first", caption=rest, title_justify="left", caption_justify="left")
    for column in ("label", "precision", "recall", "f1", "rows"):
        result.add_column(column, justify="left" if column == "label" else "right")
    for entry in weakest[:most]:
        scores = (f"{entry[column]:.3f}" for column in ("precision", "recall", "f1"))
        result.add_row(Text(entry["label"]), *scores, str(entry["rows"]))
    return result


def certainty_lines(report: Mapping[str, Any]) -> list[str]:
    """The metric of what is served with its interval, and what it has above the base and the best baseline; nothing
    for a report without intervals."""
    who, report = own_row(report), served(report)
    metric = report.get("metric")
    if metric is None or metric not in report.get("intervals", {}):
        return []
    name, own = metric.replace("_", " "), number(metric, report["after"][metric])
    lines = [f"{name} {who}: {own}, 95 %: {between(metric, report['intervals'][metric])}"]
    for other in filter(None, (BEFORE, best_baseline(report, metric))):
        called = _BEFORE if other == BEFORE else other
        lines.append(
            f"{name} above {called}, on the same rows: {gain(metric, report['gains'][other][metric])}"
        )
    return lines + _blend_lines(report)


def _blend_lines(report: Mapping[str, Any]) -> list[str]:
    """What a recipe that asked for a blend got."""
    blend = report.get("blend", {})
    if "served" not in blend:
        return []
    if not blend["served"]:
        return [
            "nothing is blended: no baseline that can travel with the adapter helps it on the validation rows"
        ]
    share, metric = f"{blend['weight']:.0%} of the evidence", blend["metric"]
    above = f"{metric.replace('_', ' ')} {gain(metric, blend['gain'])} above the adapter alone"
    return [f"blended with {blend['baseline']}, {share}: {above}"]


def served(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """The report with the numbers of what a registry answers: the blend's, where one is served."""
    return {**report, **report.get("blended", {})}


def own_row(report: Mapping[str, Any]) -> str:
    """The row of `results` that holds what is served."""
    return _BLENDED if "blended" in report else _AFTER


def verdict_lines(gates: Mapping[str, Any] | None) -> list[str]:
    """A line for each gate of `info["gates"]`: whether it is passed, and what was wanted and found."""
    return [
        f"{'✓' if verdict['passed'] else '✗'} gate {verdict['gate']}: {verdict['sentence']}"
        for verdict in (gates or {}).get("verdicts", ())
    ]


def best_baseline(report: Mapping[str, Any], metric: str) -> str | None:
    """The baseline over which the adapter's gain in a metric is the least; None where no baseline has the metric."""
    sign = 1 if all_metrics()[metric] == "max" else -1
    gains = {
        name: sign * each[metric]["difference"]
        for name, each in report["gains"].items()
        if name != BEFORE and metric in each and number(metric, each[metric]["difference"]) != _UNKNOWN
    }
    return min(gains, key=lambda name: (gains[name], name), default=None)


BEFORE = "before"  # what the base untouched is called in `gains`
_BEFORE, _AFTER, _BLENDED = "base alone", "with the adapter", "adapter and baseline blended"


def results(report: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Row name -> metrics, in the order in which they are shown."""
    rows = {_BEFORE: report["before"], **report.get("baselines", {}), _AFTER: report["after"]}
    if "blended" in report:
        rows[_BLENDED] = report["blended"]["after"]
    if report.get("best_reachable"):
        rows["best reachable"] = report["best_reachable"]
    return rows


def number(metric: str, value: Any) -> str:
    """A metric's value as it is shown: "–" where it was not measured or is not defined."""
    if not isinstance(value, int | float) or value != value:
        return _UNKNOWN
    return f"{value:.1f}" if metric in _COARSE else f"{value:.3f}"


def gain(metric: str, difference: Mapping[str, Any]) -> str:
    """A difference with its interval: "+0.101 (-0.018 to +0.209)"."""
    return f"{_signed(metric, difference['difference'])} ({between(metric, difference, _signed)})"


def between(metric: str, interval: Mapping[str, Any], shown: Callable[[str, Any], str] = number) -> str:
    """An interval: "0.470 to 0.658"."""
    return f"{shown(metric, interval['low'])} to {shown(metric, interval['high'])}"


def _signed(metric: str, value: Any) -> str:
    text = number(metric, value)
    return f"+{text}" if text != _UNKNOWN and value >= 0 else text


def _is_best(name: str, own_row: str, rows: Mapping[str, Mapping[str, Any]]) -> bool:
    own = rows[own_row].get(name)
    sign = 1 if all_metrics()[name] == "max" else -1
    others = [values.get(name) for row, values in rows.items() if row not in (own_row, "best reachable")]
    measured = [sign * value for value in others if isinstance(value, int | float) and value == value]
    return isinstance(own, int | float) and own == own and all(sign * own > value for value in measured)


def _caption(report: Mapping[str, Any]) -> str:
    rows, told = report.get("rows", {}), []
    if rows:
        told.append(f"trained on {rows['train']:,} rows, measured on {rows['test']:,} that it never saw")
    if report.get("metric"):
        told.append(
            f"best weights by {report['metric'].replace('_', ' ')} on {rows.get('validation', 0):,} more"
        )
    if report.get("seconds") is not None:
        told.append(f"{report['seconds']:.0f} s")
    return "; ".join(told)
