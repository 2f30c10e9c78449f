"""A report in words: what stands beside what, which baseline is the best, how numbers, gains and gates are told.

The terminal's tables, the page for people, the model card and the page of a night all say it with these.
"""

from collections.abc import Callable, Iterable, Mapping

from recipes.judge.report import BEFORE, Gain, Gates, GateVerdict, Interval, LabelScores, Metrics, Report
from recipes.options.train import FEWEST_TO_CHOOSE
from recipes.tasks.task import all_metrics

_ARROWS = {"max": "↑", "min": "↓"}
_UNKNOWN = "–"
COARSE = frozenset({"bleu", "chrf", "text_chrf", "perplexity"})  # one digit after the point says enough
_BEFORE, _AFTER, _BLENDED = "base alone", "with the adapter", "adapter and baseline blended"
_REACHABLE = "best reachable"


def results(report: Report) -> dict[str, Metrics]:
    """Row name -> metrics, in the order in which they are shown."""
    rows = {_BEFORE: report.before, **report.baselines, _AFTER: report.after}
    if report.blended is not None:
        rows[_BLENDED] = report.blended.after
    if report.best_reachable is not None:
        rows[_REACHABLE] = report.best_reachable
    return rows


def columns(report: Report) -> list[str]:
    """The metrics that any row of `results` has, in the order in which they are shown."""
    return shown(*results(report).values())


def shown(*rows: Metrics) -> list[str]:
    """Of all that is measured and counted, the metrics that tables show, in their order."""
    return [name for name in all_metrics() if any(name in row.numbers for row in rows)]


def own_row(report: Report) -> str:
    """The row of `results` that holds what is served."""
    return _AFTER if report.blended is None else _BLENDED


def other_of(row: str) -> str:
    """What a row of `results` is called in `gains`."""
    return BEFORE if row == _BEFORE else row


def side_by_side(report: Report) -> list[tuple[str, list[tuple[str, str]]]]:
    """(row, cells), a cell for each of `columns`: the value, and below it its interval, or what is served has above the
    row."""
    table, own = [], report.served
    who = "adapter" if report.blended is None else "blend"
    for row, values in results(report).items():
        gains = own.gains.get(other_of(row), {})
        measured = next((each for each in (report, own) if values is each.after), None)
        cells = []
        for name in columns(report):
            below = ""
            if measured is not None and name in measured.intervals:
                below = between(name, measured.intervals[name])
            elif name in gains:
                below = f"{who} {gain(name, gains[name])}"
            cells.append((number(name, values.get(name)), below))
        table.append((row, cells))
    return table


def beside(report: Report, metric: str) -> list[tuple[str, float, tuple[float, float] | None, bool]]:
    """(row, value, interval, whether it is served), for each row of `results` that has the metric; the interval where
    it was measured. Values that are not defined are NaN."""
    found = []
    for row, values in results(report).items():
        value = values.get(metric)
        if value is None:
            continue
        measured = next((each for each in (report, report.served) if values is each.after), None)
        interval = None if measured is None else measured.intervals.get(metric)
        ends = None if interval is None else (interval.low, interval.high)
        found.append((row, value, ends, row == own_row(report)))
    return found


def is_best(metric: str, row: str, rows: Mapping[str, Metrics]) -> bool:
    """Whether a row's value is better than all others that were reached."""
    own = rows[row].get(metric)
    others = [each.get(metric) for name, each in rows.items() if name not in (row, _REACHABLE)]
    measured = [sign(metric) * value for value in others if value is not None and value == value]
    return own is not None and own == own and all(sign(metric) * own > value for value in measured)


def best_baseline(gains: Mapping[str, Mapping[str, Gain]], metric: str) -> str | None:
    """The baseline over which a metric gains the least; None where no baseline has the metric.

    Args:
        gains: of what is served.
        metric: of a task.
    """
    least = {
        name: sign(metric) * each[metric].difference
        for name, each in gains.items()
        if name != BEFORE and metric in each and each[metric].difference == each[metric].difference
    }
    return min(least, key=lambda name: (least[name], name), default=None)


def sign(metric: str) -> int:
    """1 where more of a metric is better, -1 where less is."""
    return 1 if all_metrics()[metric] == "max" else -1


def upward(metric: str, above: Gain) -> Gain:
    """A gain that is above 0 where it is better."""
    if sign(metric) > 0:
        return above
    return Gain(difference=-above.difference, low=-above.high, high=-above.low)


def certainty_lines(report: Report) -> list[str]:
    """The metric of what is served with its interval, and what it has above the base and the best baseline; nothing
    for a report without intervals."""
    metric, found = report.metric, report.served
    own = None if metric is None else found.after.get(metric)
    if metric is None or own is None or metric not in all_metrics() or metric not in found.intervals:
        return []
    name, told = plain(metric), number(metric, own)
    lines = [f"{name} {own_row(report)}: {told}, 95 %: {between(metric, found.intervals[metric])}"]
    for other in filter(None, (BEFORE, best_baseline(found.gains, metric))):
        if (above := found.gains.get(other, {}).get(metric)) is not None:
            called = _BEFORE if other == BEFORE else other
            lines.append(f"{name} above {called}, on the same rows: {gain(metric, above)}")
    return lines + _blend_lines(report)


def _blend_lines(report: Report) -> list[str]:
    """What a recipe that asked for a blend got."""
    blend = report.blend
    if blend is None or blend.served is None:
        return []
    if not blend.served:
        return [
            "nothing is blended: no baseline that can travel with the adapter helps it on rows that trained neither"
        ]
    share = f"{blend.weight:.0%} of the evidence"
    above = f"{plain(blend.metric)} {gain(blend.metric, blend.gain)} above the adapter alone"
    return [f"blended with {blend.baseline}, {share}: {above}"]


def kept_line(report: Report) -> str | None:
    """Which weights were kept, by how many rows they were chosen, and what else trainings on parts of the training rows
    chose; None for a report that watched nothing."""
    if report.metric is None:
        return None
    validation = 0 if report.rows is None else report.rows.validation
    told = f"best weights by {plain(report.metric)} on {validation:,} more"
    if report.kept == "last":
        fewest = f", of which {FEWEST_TO_CHOOSE} are the fewest" if validation < FEWEST_TO_CHOOSE else ""
        told = f"the last weights, none chosen by {plain(report.metric)} on {validation:,} more rows{fewest}"
    if report.kept == "start":
        told = f"the weights before the first step, which know more of rows unseen than those after {report.steps:,}"
    if report.cross_fitted:
        told += f"; calibration and blend by {report.cross_fitted:,} training rows too, each left out of a training"
    return told


def gate_lines(gates: Gates | None) -> list[str]:
    """A line for each gate: whether it is passed, and what was wanted and found."""
    return [f"{'✓' if each.passed else '✗'} gate {each.gate}: {each.sentence}" for each in verdicts_of(gates)]


def verdicts_of(gates: Gates | None) -> tuple[GateVerdict, ...]:
    """Of each gate; none where there are no gates."""
    return () if gates is None else gates.verdicts


def weakest_first(labels: Iterable[LabelScores]) -> list[LabelScores]:
    """By their F1."""
    return sorted(labels, key=lambda each: (each.f1, each.label))


def rank_line(ranks: Mapping[str, int]) -> str:
    """What AdaLoRA left of each layer, in a line."""
    least, most, mean = min(ranks.values()), max(ranks.values()), sum(ranks.values()) / len(ranks)
    none = sum(rank == 0 for rank in ranks.values())
    left_out = f"; {none} with none are left out" if none else ""
    return (
        f"{least} to {most}, {mean:.3g} on average, shared out among {len(ranks)} layers by AdaLoRA{left_out}"
    )


def plain(metric: str) -> str:
    """A metric's name as people write it."""
    return metric.replace("_", " ")


def heading(metric: str) -> str:
    """A metric's name, and which way is better."""
    return f"{plain(metric)} {_ARROWS[all_metrics()[metric]]}"


def number(metric: str, value: float | None) -> str:
    """A metric's value as it is shown: "–" where it was not measured or is not defined."""
    if value is None or value != value:
        return _UNKNOWN
    return f"{value:.1f}" if metric in COARSE else f"{value:.3f}"


def gain(metric: str, above: Gain) -> str:
    """A difference with its interval: "+0.101 (-0.018 to +0.209)"."""
    return f"{signed(metric, above.difference)} ({between(metric, above, signed)})"


def between(metric: str, interval: Interval, shown: Callable[[str, float], str] = number) -> str:
    """An interval: "0.470 to 0.658"."""
    return f"{shown(metric, interval.low)} to {shown(metric, interval.high)}"


def signed(metric: str, value: float) -> str:
    """As `number`, with a plus before what is not below 0."""
    text = number(metric, value)
    return f"+{text}" if text != _UNKNOWN and value >= 0 else text
