"""Search for a recipe's values: each trial is a job, and the jobs train in the same fused turns as any others.

    slot 0   trial 0 ------------> | trial 3 ----> pruned | trial 5 ----------
    slot 1   trial 1 ------------> | trial 4 ------------------> | trial 6 ---
    slot 2   trial 2 ----> pruned  | ...

Optuna's TPE suggests values; its median pruner ends a trial whose validations so far are worse than the median of those
that came through, once five have. The slot is then taken by the next trial. Trials are compared on the validation rows
alone: a search never measures a test row, and it keeps no weights. Train with the recipe that it found to learn how
good that recipe is; the value here is the best of many on the rows that chose it, and so too good.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import optuna
from optuna.trial import TrialState
from rich.table import Table

from adapters import Base
from adapters.errors import RepertoireError
from recipes.data.augment import augment
from recipes.data.load import load_splits
from recipes.errors import TrainingError
from recipes.examples import Splits
from recipes.learn.encode import EncodedRow, encode, token_limit
from recipes.learn.frame import PromptFrame
from recipes.learn.job import Job
from recipes.recipe import Recipe
from recipes.runs.order import Order, measured, untrained
from recipes.runs.run import Result, Run, Settings
from recipes.runs.search_space import Space, changed, read_space
from recipes.runs.shown import Shown
from recipes.tasks.task import task_for

if TYPE_CHECKING:
    from recipes.data.tables import Data

State = Literal["complete", "pruned", "failed"]


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


def tune(
    recipe: Recipe,
    space: Mapping[str, Any] | str | Path,
    data: "Data | Splits",
    base: Base,
    *,
    validation: "Data | None" = None,
    test: "Data | None" = None,
    trials: int = 20,
    together: int = 8,
    seed: int = 0,
    progress: bool = False,
    settings: Settings | None = None,
) -> Tuned:
    """Search a space (see `search_space.py`) for the values with the best `train.metric` on the validation rows.

    The same seed and the same `together` give the same trials, as far as the base's numbers repeat. Test rows are set
    apart and never measured.

    Args:
        recipe: what stays the same in all trials.
        space: dotted key -> range or list of values, or a YAML file of them.
        data: as in `train`; read and split once.
        base: the loaded base.
        validation: as in `train`.
        test: as in `train`.
        trials: how many to make.
        together: trials that train at the same time; each takes the memory of a job.
        seed: of the sampler.
        progress: show bars on a terminal, lines in a log.
        settings: how the run uses its machine; without `state`.

    Returns:
        All trials, and the recipe with the values of the best one.

    Raises:
        RecipeError: for the space.
        DataError: every problem of the data.
        BaseError: where the base cannot carry the recipe.
        TrainingError: where no trial came through.
    """
    settings = settings or Settings()
    if settings.state is not None:
        raise TrainingError("a search keeps no snapshots; leave Settings.state out")
    if trials < 1 or together < 1:
        raise TrainingError(f"trials is {trials} and together is {together}; both must be at least 1")
    searched = read_space(space, recipe)
    splits = load_splits(recipe, data, validation, test, progress=progress)
    # Rows of which nothing could be learned are told before a trial.
    measured(splits, recipe, base)
    untrained(recipe, splits, base)  # a base that cannot carry the recipe is no matter of a trial
    search = _Search(recipe, searched, replace(splits, test=()), base, seed)
    run = Run(
        [],
        base,
        settings,
        search.ended,
        progress,
        at_once=min(together, trials),
        on_validation=search.validated,
        finish=lambda *_: None,  # neither measured nor written
    )
    try:
        with Shown(run, progress) as shown:
            while True:
                while run.free and search.asked < trials:
                    search.enter(run, splits)
                if not run.turn():
                    break
                shown.update()
    finally:
        run.close()
    return search.tuned()


def trials_table(tuned: Tuned) -> Table:
    """One row per trial: its values, its best validation, how far it came. The best trial is green."""
    arrow = {"max": "↑", "min": "↓"}[task_for(tuned.recipe.task).METRICS[tuned.metric]]
    result = Table(title="Trials", title_justify="left")
    for name in ("trial", *tuned.best.values, f"{tuned.metric.replace('_', ' ')} {arrow}", "steps"):
        result.add_column(name, justify="right")
    result.add_column("")
    for trial in tuned.trials:
        values = [
            f"{value:.4g}" if isinstance(value, float) else str(value) for value in trial.values.values()
        ]
        told = "–" if trial.value is None else f"{trial.value:.4f}"
        steps = f"{trial.steps} of {trial.planned}" if trial.planned else "–"
        style = "bold green" if trial is tuned.best else None
        result.add_row(str(trial.number), *values, told, steps, trial.state, style=style)
    return result


@dataclass
class _Open:
    """A trial that waits or runs."""

    trial: optuna.Trial
    values: Mapping[str, Any]
    job: Job
    pruned: bool = False


class _Search:
    """Trials on shared rows: asked of Optuna when a slot is free, told to it when they leave."""

    def __init__(self, recipe: Recipe, space: Space, splits: Splits, base: Base, seed: int) -> None:
        self.recipe, self.space, self.splits, self.base = recipe, space, splits, base
        better = task_for(recipe.task).METRICS[recipe.train.metric]
        self.sign = 1 if better == "max" else -1
        self.study = optuna.create_study(
            direction="maximize" if better == "max" else "minimize",
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=optuna.pruners.MedianPruner(),
        )
        self.asked = 0
        self._rows: dict[int, tuple[list[EncodedRow], list[EncodedRow]]] = {}  # by the most tokens of a row
        self._open: dict[int, _Open] = {}  # by the index in the run
        self._found: dict[int, Trial] = {}

    def enter(self, run: Run, splits: Splits) -> None:
        """Ask for the next trial and let it into the run; values that do not go together are a trial that failed."""
        trial = self.study.ask()
        self.asked += 1
        values = {key: each.draw(key, trial) for key, each in self.space.items()}
        try:
            job = self._job(changed(self.recipe, values), f"trial {trial.number}")
            index = run.add(Order(job.recipe, splits, name=job.name), job)
        except RepertoireError as error:
            self.study.tell(trial, state=TrialState.FAIL)
            self._found[trial.number] = Trial(trial.number, values, "failed", error=str(error))
            return
        self._open[index] = _Open(trial, values, job)

    def validated(self, index: int, job: Job) -> bool:
        """Whether a trial is to leave. Trials are compared validation by validation: their steps may differ in size."""
        own = self._open[index]
        own.trial.report(job.history[-1][job.metric_name], len(job.history))
        own.pruned = not job.done and own.trial.should_prune()
        return own.pruned

    def ended(self, index: int, result: Result) -> None:
        """Tell Optuna what came of a trial."""
        own = self._open.pop(index)
        job, error = own.job, str(result) if isinstance(result, RepertoireError) else None
        measured = math.isfinite(job.best_metric)
        if error is None and not measured and not own.pruned:
            error = f"{job.name}: {job.metric_name} is {job.best_metric} on the validation rows"
        state: State = "failed" if error else "pruned" if own.pruned else "complete"
        if state == "complete":
            self.study.tell(own.trial, job.best_metric)
        else:
            self.study.tell(own.trial, state=TrialState.PRUNED if state == "pruned" else TrialState.FAIL)
        self._found[own.trial.number] = Trial(
            own.trial.number,
            own.values,
            state,
            None if error or not measured else job.best_metric,
            tuple(entry[job.metric_name] for entry in job.history),
            job.step,
            job.steps,
            error,
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
        best = max(through, key=lambda trial: self.sign * (trial.value or 0.0))
        return Tuned(changed(self.recipe, best.values), self.recipe.train.metric, best, trials)

    def _job(self, recipe: Recipe, name: str) -> Job:
        """A trial's job; its encoded rows are shared by all trials of the same token limit."""
        adapter = untrained(recipe, self.splits, self.base)
        limit = token_limit(self.base, recipe)
        if limit not in self._rows:
            rows, frame = augment(self.splits.train, recipe), PromptFrame.from_info(adapter.info)
            parts = (rows, self.splits.validation)
            train, validation = (encode(self.base, recipe, part, frame) for part in parts)
            self._rows[limit] = train, validation
        return Job(recipe, self.splits, adapter, *self._rows[limit], name)
