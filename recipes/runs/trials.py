"""Trials that train each by itself, for a search whose trials are spread over workers."""

from collections.abc import Callable, Collection

from adapters.errors import RepertoireError
from recipes.recipe import Recipe
from recipes.runs.run import Result, Run, Settings
from recipes.runs.search import Stand
from recipes.runs.trial_jobs import TrialJobs


class Trials:
    """Trials that train here, each by itself, from validation to validation. One that is not known begins at its first
    step: everything random follows from its recipe, so that it comes where it was elsewhere.

    Args:
        jobs: of the search.
        settings: how a run uses its machine.
    """

    def __init__(self, jobs: TrialJobs, settings: Settings) -> None:
        self._jobs, self._settings = jobs, settings
        self._open: dict[int, _Alone] = {}

    def stand(self, number: int, recipe: Recipe, validations: int, alive: Collection[int]) -> Stand:
        """Train a trial until it was validated so many times, or is over.

        Args:
            number: of the trial.
            recipe: with its values.
            validations: so many.
            alive: trials that may still be asked for; the others are dropped.

        Raises:
            RepertoireError: its values do not go together.
        """
        for gone in self._open.keys() - {*alive, number}:
            self._open.pop(gone).close()
        if number not in self._open:
            self._open[number] = _Alone(self._jobs, recipe, f"trial {number}", self._settings)
        return self._open[number].after(validations)


class _Alone:
    """A trial in a run of its own."""

    def __init__(self, jobs: TrialJobs, recipe: Recipe, name: str, settings: Settings) -> None:
        self._error: str | None = None
        nothing: Callable[..., None] = lambda *_: None  # noqa: E731
        self._run = Run([], jobs.base, settings, self._ended, False, at_once=1, finish=nothing)
        try:
            _, self._job = jobs.enter(self._run, recipe, name)
        except BaseException:
            self._run.close()
            raise

    def after(self, validations: int) -> Stand:
        while not self._job.done and len(self._job.history) < validations:
            self._run.turn()
        return Stand.of(self._job, self._error)

    def close(self) -> None:
        self._run.close()

    def _ended(self, _: int, result: Result) -> None:
        self._error = str(result) if isinstance(result, RepertoireError) else None
