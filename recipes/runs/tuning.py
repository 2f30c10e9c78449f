"""Search for a recipe's values: each trial is a job, and the jobs train in the same fused turns as any others.

    slot 0   trial 0 ------------> | trial 3 ----> pruned | trial 5 ----------
    slot 1   trial 1 ------------> | trial 4 ------------------> | trial 6 ---
    slot 2   trial 2 ----> pruned  | ...

A trial that ends gives its slot to the next one. Trials are compared on the validation rows alone: a search never
measures a test row, and it keeps no weights. Train with the recipe that it found to learn how good that recipe is; the
value here is the best of many on the rows that chose it, and so too good.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from adapters import Base
from adapters.errors import RepertoireError
from recipes.data.load import load_splits
from recipes.errors import TrainingError
from recipes.learn.job import Job
from recipes.recipe import Recipe
from recipes.runs.run import Result, Run, Settings
from recipes.runs.search import Search, Stand, Tuned
from recipes.runs.search_space import read_space
from recipes.runs.shown import Shown
from recipes.runs.trial_jobs import TrialJobs
from recipes.tasks.task import task_for

if TYPE_CHECKING:
    from recipes.data.tables import Data
    from recipes.examples import Splits


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
    check_search(settings, trials, together)
    search = Search(recipe, read_space(space, recipe), seed)
    splits = load_splits(recipe, data, validation, test, progress=progress)
    # Rows of which nothing could be learned, and a base that cannot carry the recipe, are told before a trial.
    fused = _Fused(search, TrialJobs(recipe, splits, base))
    run = Run(
        [],
        base,
        settings,
        fused.ended,
        progress,
        at_once=min(together, trials),
        on_validation=fused.validated,
        finish=lambda *_: None,  # neither measured nor written
    )
    try:
        with Shown(run, progress) as shown:
            while True:
                while run.free and search.asked < trials:
                    fused.enter(run)
                if not run.turn():
                    break
                shown.update()
    finally:
        run.close()
    return search.tuned()


def check_search(settings: Settings, trials: int, together: int) -> None:
    """Raises TrainingError where a search cannot be made so."""
    if settings.state is not None:
        raise TrainingError("a search keeps no snapshots; leave Settings.state out")
    if trials < 1 or together < 1:
        raise TrainingError(f"trials is {trials} and together is {together}; both must be at least 1")


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


class _Fused:
    """The trials of a search as jobs of one run: asked for when a slot is free, told of when they leave."""

    def __init__(self, search: Search, jobs: TrialJobs) -> None:
        self._search, self._jobs = search, jobs
        self._open: dict[int, tuple[int, Job]] = {}  # by the index in the run: the trial's number
        self._pruned: set[int] = set()

    def enter(self, run: Run) -> None:
        """Ask for the next trial and let it into the run; values that do not go together are a trial that failed."""
        number, recipe = self._search.ask()
        if recipe is None:
            return
        try:
            index, job = self._jobs.enter(run, recipe, f"trial {number}")
        except RepertoireError as error:
            self._search.failed(number, str(error))
        else:
            self._open[index] = number, job

    def validated(self, index: int, job: Job) -> bool:
        """Whether a trial is to leave."""
        number, _ = self._open[index]
        if self._search.prunes(number, Stand.of(job)):
            self._pruned.add(number)
        return number in self._pruned

    def ended(self, index: int, result: Result) -> None:
        """Tell what came of a trial."""
        number, job = self._open.pop(index)
        error = str(result) if isinstance(result, RepertoireError) else None
        self._search.ended(number, Stand.of(job, error), number in self._pruned)
