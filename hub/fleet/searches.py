"""A search for a recipe's values on a cluster: Optuna is asked and told here, workers train the trials.

A trial trains by itself, from validation to validation, and then waits to be told whether it goes on. What is told to
Optuna, and in which order, does not depend on which worker is faster: the clock is the turn of a search on one machine,
in which each trial takes one micro-batch.

    turn      10         20         30
    trial 0   v0         v1         v2, over      trial 0 is told of before trial 1, and trial 2 is asked for when both
    trial 1   v0         v1 pruned                 have left, whoever has trained them
    trial 2                         v0 ...
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from adapters.errors import RepertoireError
from hub.fleet.crew import Crew, OnRay, crew
from hub.fleet.trainer import Trainer
from recipes import Recipe, Settings
from recipes.data import load_splits
from recipes.runs import Search, Stand, Tuned, check_search, read_space, say

if TYPE_CHECKING:
    from recipes.data import Data, Splits


@dataclass
class _Trial:
    """A trial under way. entered: in which turn; validations: that it was asked for; stand: where it stands, once that
    was told."""

    recipe: Recipe
    entered: int
    validations: int = 1
    stand: Stand | None = None


def tune_on_ray(
    on_ray: OnRay,
    recipe: Recipe,
    space: Mapping[str, Any] | str | Path,
    data: "Data | Splits",
    *,
    validation: "Data | None" = None,
    test: "Data | None" = None,
    trials: int = 20,
    together: int = 8,
    seed: int = 0,
    progress: bool = False,
    settings: Settings | None = None,
) -> Tuned:
    """As `recipes.tune`, its trials spread over workers on a Ray cluster.

    Args:
        on_ray: which cluster, how many workers, on which base.
        recipe: what stays the same in all trials.
        space: dotted key -> range or list of values, or a YAML file of them.
        data: as in `recipes.train`; read here, once.
        validation: as in `recipes.train`.
        test: as in `recipes.train`.
        trials: how many to make.
        together: trials that are under way at the same time; a worker trains those that it has one after another.
        seed: of the sampler.
        progress: say what is done, on standard error.
        settings: how each worker uses its machine; without `state`.

    Returns:
        All trials, and the recipe with the values of the best one.

    Raises:
        RecipeError: for the space.
        DataError: every problem of the data.
        NoCluster: where no Ray answers at the address.
        NoWorker: where no worker lives long enough to load the base.
        BaseError: where a worker cannot load it.
        TrainingError: where the rows or the base cannot carry the recipe, or no trial came through.
    """
    settings = settings or Settings()
    check_search(settings, trials, together)
    search = Search(recipe, read_space(space, recipe), seed)
    splits = load_splits(recipe, data, validation, test, progress=progress)
    given = (os.getcwd(), on_ray.base, on_ray.quantization, on_ray.cpus)
    with crew(on_ray, Trainer, *given) as hired:
        shared = ray.put((recipe, splits, settings))
        hired.give(0, "look", shared)
        for _, problem in hired.told():
            if isinstance(problem, Exception):
                raise problem
        Turns(search, hired, shared, trials, together, progress).run()
    return search.tuned()


class Turns:
    """Turn after turn of a search.

    Args:
        search: asked and told.
        hired: who trains.
        shared: the recipe, the rows and the settings, for workers.
        trials: how many to make.
        together: how many are under way.
        progress: whether to say what is done.
    """

    def __init__(
        self, search: Search, hired: Crew, shared: Any, trials: int, together: int, progress: bool
    ) -> None:
        self._search, self._hired, self._shared = search, hired, shared
        self._trials, self._together, self._progress = trials, together, progress
        self._open: dict[int, _Trial] = {}
        self._turn = 0

    def run(self) -> None:
        """To the end of the last trial."""
        while self._let_in():
            self._train()
            self._take()

    def _let_in(self) -> bool:
        """Ask for trials while there is room. Whether any is under way."""
        while len(self._open) < self._together and self._search.asked < self._trials:
            number, recipe = self._search.ask()
            if recipe is not None:
                self._open[number] = _Trial(recipe, self._turn)
        return bool(self._open)

    def _train(self) -> None:
        """Let every trial come to its next validation."""
        for number, each in self._open.items():
            if each.stand is None:
                wanted = (number, each.recipe, each.validations, frozenset(self._open))
                self._hired.give(number, "trial", self._shared, *wanted, near=number)
        for number, told in self._hired.told():
            if not isinstance(told, Exception):
                self._open[number].stand = told
                continue
            self._search.failed(number, str(told) if isinstance(told, RepertoireError) else repr(told))
            del self._open[number]

    def _take(self) -> None:
        """Take in what happens in the next turn in which anything does."""
        stands = {number: each.stand for number, each in self._open.items() if each.stand is not None}
        if not stands:
            return
        at = {number: self._open[number].entered + stand.turns for number, stand in stands.items()}
        self._turn = min(at.values())
        due = sorted(number for number in at if at[number] == self._turn)
        pruned = {
            number
            for number in due
            if len(stands[number].history) == self._open[number].validations
            and stands[number].error is None
            and self._search.prunes(number, stands[number])
        }
        for number in due:
            if stands[number].over or number in pruned:
                self._search.ended(number, stands[number], number in pruned)
                del self._open[number]
                self._say(number, stands[number], number in pruned)
            else:
                self._open[number].stand = None
                self._open[number].validations += 1

    def _say(self, number: int, stand: Stand, pruned: bool) -> None:
        if self._progress:
            how = "failed" if stand.error else "pruned" if pruned else "done"
            say(f"trial {number}: {how} after step {stand.step:,} of {stand.planned:,}")
