"""Whom a search asks for values, and what it keeps of its trials, whoever trains them.

Optuna's TPE suggests values; its median pruner ends a trial whose validations so far are worse than the median of those
that came through, once five have.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import optuna
from optuna.trial import TrialState

from adapters.errors import RepertoireError
from recipes.errors import TrainingError
from recipes.recipe import Recipe
from recipes.runs.search_space import Space, changed
from recipes.tasks.task import task_for

if TYPE_CHECKING:
    from recipes.learn.job import Job

State = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class Stand:
    """How far a trial is.

    Attributes:
        turns: micro-batches that it has trained on.
        history: the metric at each validation.
        step, planned: optimizer steps, taken and of a full run.
        best: of the history, NaN before the first.
        over: whether it trains no further.
        error: why, where something went wrong.
    """

    turns: int
    history: tuple[float, ...]
    step: int
    planned: int
    best: float
    over: bool
    error: str | None = None

    @classmethod
    def of(cls, job: "Job", error: str | None = None) -> "Stand":
        """Where a job stands."""
        history = tuple(entry[job.metric_name] for entry in job.history)
        return cls(job.drawn, history, job.step, job.steps, float(job.best_metric), job.done, error)


@dataclass(frozen=True)
class Trial:
    """One set of values, and how far it came.

    values: dotted key -> value. value: the best validation, None where the trial failed. history: the metric at each
    validation. steps: optimizer steps taken, of `planned`. error: why it failed.
    """

    number: int
    values: Mapping[str, Any]
    state: State
    value: float | None = None
    history: tuple[float, ...] = ()
    steps: int = 0
    planned: int = 0
    error: str | None = None


@dataclass(frozen=True)
class Tuned:
    """What a search found. recipe: with the values of `best`, a trial that came through; metric: on the validation
    rows; trials: all of them, in the order in which they were suggested."""

    recipe: Recipe
    metric: str
    best: Trial
    trials: tuple[Trial, ...]

    @property
    def value(self) -> float:
        """The best trial's metric on the validation rows, which chose it."""
        assert self.best.value is not None
        return self.best.value


class Search:
    """Values that are asked for, one trial after another, and what came of them.

    Args:
        recipe: what stays the same in all trials.
        space: that is searched.
        seed: of the sampler.
    """

    def __init__(self, recipe: Recipe, space: Space, seed: int) -> None:
        self._recipe, self._space = recipe, space
        better = task_for(recipe.task).METRICS[recipe.train.metric]
        self._sign = 1 if better == "max" else -1
        self._study = optuna.create_study(
            direction="maximize" if better == "max" else "minimize",
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=optuna.pruners.MedianPruner(),
        )
        self.asked = 0
        self._open: dict[int, tuple[optuna.Trial, Mapping[str, Any]]] = {}
        self._found: dict[int, Trial] = {}

    def ask(self) -> tuple[int, Recipe | None]:
        """The next trial's number, and its recipe; None where its values do not go together: it has failed then."""
        trial = self._study.ask()
        self.asked += 1
        values = {key: each.draw(key, trial) for key, each in self._space.items()}
        self._open[trial.number] = trial, values
        try:
            return trial.number, changed(self._recipe, values)
        except RepertoireError as error:
            self.failed(trial.number, str(error))
            return trial.number, None

    def failed(self, number: int, error: str) -> None:
        """A trial could not begin."""
        trial, values = self._open.pop(number)
        self._study.tell(trial, state=TrialState.FAIL)
        self._found[number] = Trial(number, values, "failed", error=error)

    def prunes(self, number: int, stand: Stand) -> bool:
        """Tell of a trial's last validation. Whether it is to leave. Trials are compared validation by validation:
        their steps may differ in size."""
        trial, _ = self._open[number]
        trial.report(stand.history[-1], len(stand.history))
        return not stand.over and trial.should_prune()

    def ended(self, number: int, stand: Stand, pruned: bool) -> None:
        """A trial has left."""
        trial, values = self._open.pop(number)
        measured, error = math.isfinite(stand.best), stand.error
        if error is None and not measured and not pruned:
            error = f"trial {number}: {self._recipe.train.metric} is {stand.best} on the validation rows"
        state: State = "failed" if error else "pruned" if pruned else "complete"
        if state == "complete":
            self._study.tell(trial, stand.best)
        else:
            self._study.tell(trial, state=TrialState.PRUNED if state == "pruned" else TrialState.FAIL)
        value = None if error or not measured else stand.best
        self._found[number] = Trial(
            number, values, state, value, stand.history, stand.step, stand.planned, error
        )

    def tuned(self) -> Tuned:
        """What was found. Raises TrainingError where every trial failed."""
        trials = tuple(trial for _, trial in sorted(self._found.items()))
        through = [trial for trial in trials if trial.state == "complete" and trial.value is not None]
        if not through:
            raise TrainingError(
                f"none of {len(trials)} trials came through; the first: {trials[0].error}. Narrow the space, such as "
                "the high end of train.learning_rate"
            )
        best = max(through, key=lambda trial: self._sign * (trial.value or 0.0))
        # Of trials of the same values the first: what they reach differs in the last bits, by what trained beside them.
        best = next(trial for trial in through if trial.values == best.values)
        return Tuned(changed(self._recipe, best.values), self._recipe.train.metric, best, trials)
