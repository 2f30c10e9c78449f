"""How an adapter does on parts of the test rows: a table for each column, by fairlearn's MetricFrame."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from recipes.examples import Example
from recipes.measure import baselines as learned
from recipes.measure import metrics as evaluate
from recipes.measure.intervals import Floats
from recipes.recipe import TaskName
from recipes.tasks import behavior, recommendation

FEWEST = 20  # rows of a group that counts for the gap: in smaller ones a single row moves a metric too far


def by_group(
    examples: Sequence[Example], probabilities: ArrayLike, task: TaskName, columns: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Column -> `groups`: one entry per value with its metrics and rows, the largest first; `gap`: metric -> the
    largest minus the smallest value over the groups of at least `FEWEST` rows, NaN where fewer than two have it.

    recommendation: accuracy, selection_rate (share of rows from a probability of one half) and auc, all weighted;
    behavior: accuracy. probabilities: [examples, labels].
    """
    return {column: _table(examples, np.asarray(probabilities), task, column) for column in columns}


def _table(examples: Sequence[Example], probabilities: Floats, task: TaskName, column: str) -> dict[str, Any]:
    from fairlearn.metrics import MetricFrame, count

    metrics, truth, given = _measured(examples, probabilities, task)
    weights = learned.weights_of(examples)
    frame = MetricFrame(
        metrics={**metrics, "rows": count},
        y_true=truth,
        y_pred=given,
        sensitive_features=np.array([example.fields.get(column, "") or "(empty)" for example in examples]),
        sample_params={name: {"sample_weight": weights} for name in metrics},
    )
    table = frame.by_group.sort_values("rows", ascending=False, kind="stable")
    groups: list[dict[str, Any]] = [
        {"group": str(value), **{name: float(row[name]) for name in metrics}, "rows": int(row["rows"])}
        for value, row in table.iterrows()
    ]
    large = [group for group in groups if group["rows"] >= FEWEST]
    return {"groups": groups, "gap": {name: _gap([group[name] for group in large]) for name in metrics}}


def _measured(
    examples: Sequence[Example], probabilities: Floats, task: TaskName
) -> tuple[Mapping[str, Callable[..., float]], Floats, Floats]:
    """Metrics of (truth, given, sample_weight), and the truth and what is given, [examples] each: for recommendation
    clicks and their probabilities, for behavior 1 and whether the labels are right."""
    from fairlearn.metrics import selection_rate
    from sklearn.metrics import accuracy_score

    if task == "behavior":
        right = behavior.are_right(examples, probabilities).astype(float)
        return {"accuracy": accuracy_score}, np.ones(len(examples)), right
    clicked, given, _ = recommendation.decisions(examples, probabilities)

    def halved(metric: Callable[..., float]) -> Callable[..., float]:
        return lambda truth, given, sample_weight: metric(truth, given >= 0.5, sample_weight=sample_weight)

    def auc(truth: Floats, given: Floats, sample_weight: Floats) -> float:
        return evaluate.auc(truth, given, sample_weight)

    return (
        {"accuracy": halved(accuracy_score), "selection_rate": halved(selection_rate), "auc": auc},
        clicked,
        given,
    )


def _gap(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return max(known) - min(known) if len(known) > 1 else float("nan")
