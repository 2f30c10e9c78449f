"""The three tasks. A task is a module of plain functions; `task_for` finds it by name."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from recipes.examples import Example, Splits
from recipes.measure.intervals import Statistic
from recipes.options.recipe import Recipe, TaskName
from recipes.tasks import ad_copy, behavior, recommendation
from recipes.tasks.roles import Role

__all__ = ["METRICS", "Role", "Task", "task_for"]


class Task(Protocol):
    """What every task module offers.

    ROLES: role -> what its column means. METRICS: a metric's name -> whether more or less of it is better.
    DEFAULT_PREFIX_TEXT: the text that a text-initialised prefix starts from.
    """

    @property
    def ROLES(self) -> Mapping[str, Role]: ...
    @property
    def METRICS(self) -> Mapping[str, Literal["max", "min"]]: ...
    @property
    def DEFAULT_PREFIX_TEXT(self) -> str: ...

    def render(self, fields: Mapping[str, str], recipe: Recipe) -> str:
        """The text that the model reads for one row; fields: role or feature -> text, in the file's order."""

    def metrics(
        self, examples: Sequence[Example], predictions: Any, labels: Sequence[str] = ...
    ) -> dict[str, Any]:
        """How good the predictions are.

        predictions: heads, probabilities [examples, labels]; ad-copy, `ad_copy.Written`. labels: `Splits.labels`.
        """

    def statistics(
        self, examples: Sequence[Example], predictions: Any, labels: Sequence[str] = ...
    ) -> Mapping[str, Statistic]:
        """A metric -> how it is measured on rows that are drawn again; `recipe.RESAMPLED` lists them."""

    def guesses(self, splits: Splits, recipe: Recipe | None = ...) -> Mapping[str, Any]:
        """A baseline's name -> its predictions for the test split, after learning from the training split alone.

        recipe: ad-copy, for its length limit, its policy and how many products are written (`write.evaluated`).
        """

    def baselines(
        self, splits: Splits, recipe: Recipe | None = ..., found: Mapping[str, Any] | None = ...
    ) -> dict[str, dict[str, Any]]:
        """A baseline's name -> its metrics on the test split. found: its guesses, where they are made already."""


_TASKS: Mapping[TaskName, Task] = {
    "recommendation": recommendation,
    "behavior": behavior,
    "ad-copy": ad_copy,
}


# Every metric of every task, in the order in which tables show them.
METRICS: Mapping[str, Literal["max", "min"]] = {
    name: better for task in _TASKS.values() for name, better in task.METRICS.items()
}


def task_for(name: TaskName) -> Task:
    """The module of a task."""
    return _TASKS[name]
