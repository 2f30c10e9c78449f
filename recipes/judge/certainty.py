"""How sure the numbers of a report are: the metrics of all that is measured on the test rows, in the same draws of
these, so that any two can be compared without drawing again."""

from collections.abc import Iterable, Mapping
from typing import Any

from recipes.examples import Splits
from recipes.judge.report import Gain, Interval
from recipes.measure import intervals
from recipes.tasks.task import Task


class Certainty:
    """Intervals of metrics, and of the gain of one model over another.

    Args:
        task: whose metrics.
        splits: whose test rows.
        models: name -> predictions of these.
    """

    def __init__(self, task: Task, splits: Splits, models: Mapping[str, Any]) -> None:
        units = int(intervals.units_of(splits.test).max()) + 1
        statistics = {
            (name, metric): statistic
            for name, predictions in models.items()
            for metric, statistic in task.statistics(splits.test, predictions, splits.labels).items()
        }
        self._points = {key: intervals.point(statistic, units) for key, statistic in statistics.items()}
        self._drawn = intervals.resample(statistics, units)

    def intervals(self, own: str) -> dict[str, Interval]:
        """Metric -> its interval."""
        return {
            metric: Interval(**intervals.interval(values))
            for (name, metric), values in self._drawn.items()
            if name == own
        }

    def gains(self, own: str, others: Iterable[str]) -> dict[str, dict[str, Gain]]:
        """Other -> metric -> what `own` has above it, of the metrics that both have."""
        return {
            other: {
                metric: self._gain(own, other, metric)
                for name, metric in self._drawn
                if name == other and (own, metric) in self._drawn
            }
            for other in others
        }

    def _gain(self, own: str, other: str, metric: str) -> Gain:
        mine, its = (own, metric), (other, metric)
        difference = self._points[mine] - self._points[its]
        return Gain(difference=difference, **intervals.interval(self._drawn[mine] - self._drawn[its]))
