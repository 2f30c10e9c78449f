"""How an adapter does on parts of the test rows: a table for each column, by fairlearn's MetricFrame."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from recipes.examples import Example
from recipes.judge.report import GroupScores, GroupTable
from recipes.measure import baselines as learned
from recipes.measure.intervals import Floats
from recipes.tasks.task import LabelTask, label_task

FEWEST = 20  # rows of a group that counts for the gap: in smaller ones a single row moves a metric too far


def by_group(
    examples: Sequence[Example], probabilities: ArrayLike, task: str, columns: Sequence[str]
) -> dict[str, GroupTable]:
    """How well each group is answered.

    Args:
        examples: test rows.
        probabilities: [examples, labels].
        task: says what is measured, all of it weighted.
        columns: whose values make the groups.

    Returns:
        Column -> its groups; the gap is NaN where fewer than two groups have at least `FEWEST` rows and the metric.
    """
    return {
        column: _table(examples, np.asarray(probabilities), label_task(task), column) for column in columns
    }


def _table(examples: Sequence[Example], probabilities: Floats, task: LabelTask, column: str) -> GroupTable:
    from fairlearn.metrics import MetricFrame, count

    metrics, truth, given = task.measured(examples, probabilities)
    weights = learned.weights_of(examples)
    frame = MetricFrame(
        metrics={**metrics, "rows": count},
        y_true=truth,
        y_pred=given,
        sensitive_features=np.array([example.fields.get(column, "") or "(empty)" for example in examples]),
        sample_params={name: {"sample_weight": weights} for name in metrics},
    )
    table = frame.by_group.sort_values("rows", ascending=False, kind="stable")
    groups = tuple(
        GroupScores.model_validate(
            {"group": str(value), "rows": int(row["rows"]), **{name: float(row[name]) for name in metrics}}
        )
        for value, row in table.iterrows()
    )
    large = [group.numbers for group in groups if group.rows >= FEWEST]
    return GroupTable(groups=groups, gap={name: _gap([each[name] for each in large]) for name in metrics})


def _gap(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return max(known) - min(known) if len(known) > 1 else float("nan")
