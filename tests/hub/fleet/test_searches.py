"""A search whose trials are spread over workers asks for, prunes and finds what a search on one machine does; here the
workers are of this process, and may die."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapters import Base
from recipes import Recipe, Settings, TrainingError, Tuned, tune
from recipes.data import load_splits
from recipes.runs import Search, read_space
from tests.adapters import models
from tests.recipes.runs.test_training import QUICK, moods

pytest.importorskip("ray")
from hub.fleet.searches import Turns
from hub.fleet.trainer import Trainer

RECIPE: dict[str, Any] = QUICK | {"train.epochs": 4, "train.patience": None, "train.metric": "log_loss"}
SPACE = {
    "train.learning_rate": [0.01, 1e-8],
    "lora.rank": [2, 4, 8],
    "train.batch_size": [8, 16],
}


@dataclass
class Hired:
    """Stands in for a `Crew`: workers of this process. dies: so many pieces of work after which a worker loses all that
    it has at hand."""

    base: Base
    count: int = 2
    dies: int = 10**9
    workers: list[Trainer] = field(default_factory=list)
    given: list[tuple[Any, str, tuple[Any, ...]]] = field(default_factory=list)
    done: int = 0

    def give(self, key: Any, call: str, *given: Any, near: Any = None) -> None:
        self.given.append((key, call, given))

    def told(self) -> Iterator[tuple[Any, Any]]:
        while self.given:
            key, call, given = self.given.pop()  # whatever the order in which they are done
            self.done += 1
            if self.done % self.dies == 0 or not self.workers:
                self.workers = [Trainer("/", "starter", "none", 1) for _ in range(self.count)]
                for each in self.workers:
                    each._base = self.base
            try:
                yield from ((key, item) for item in getattr(self.workers[key % self.count], call)(*given))
            except TrainingError as error:
                yield key, error


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama", tie_word_embeddings=False)


def spread(
    hired: Hired, recipe: Recipe, space: Any, data: Path, trials: int, together: int, seed: int
) -> Tuned:
    """A search by such workers."""
    search = Search(recipe, read_space(space, recipe), seed)
    shared = recipe, load_splits(recipe, data), Settings()
    hired.give(0, "look", shared)
    assert [told for _, told in hired.told()] == [None]
    Turns(search, hired, shared, trials, together, False).run()  # type: ignore[arg-type]
    return search.tuned()


@pytest.mark.parametrize(("count", "dies"), [(2, 10**9), (3, 7)])
def test_it_makes_the_trials_of_a_search_on_one_machine(
    count: int, dies: int, base: Base, tmp_path: Path
) -> None:
    data, recipe = moods(tmp_path), Recipe.load("behavior", **RECIPE)
    one = tune(recipe, SPACE, data, base, trials=14, together=3, seed=1)
    assert {trial.state for trial in one.trials} == {"complete", "pruned"}
    found = spread(Hired(base, count, dies), recipe, SPACE, data, 14, 3, 1)
    for mine, its in zip(found.trials, one.trials, strict=True):
        assert (mine.number, mine.values, mine.state) == (its.number, its.values, its.state)
        assert (mine.steps, mine.planned, mine.error) == (its.steps, its.planned, its.error)
        assert mine.history == pytest.approx(its.history, rel=1e-4)
    assert found.best.number == one.best.number and found.recipe == one.recipe


def test_what_is_wrong_with_a_trial_is_its_own(base: Base, tmp_path: Path) -> None:
    data, space = moods(tmp_path, 60), {"prefix.init": ["text", "random"], "prefix.text": [None, "a mood"]}
    recipe = Recipe.load("behavior-prefix", **RECIPE | {"train.epochs": 1})
    found = spread(Hired(base), recipe, space, data, 8, 4, 0)
    wrong = [trial for trial in found.trials if trial.state == "failed"]
    assert wrong and all("text is only read where" in (trial.error or "") for trial in wrong)
    recipe = Recipe.load("behavior", **RECIPE | {"train.epochs": 1})
    with pytest.raises(TrainingError, match=r"none of 2 trials came through; the first: .*no_proj"):
        spread(Hired(base), recipe, {"lora.targets": [["no_proj"]]}, data, 2, 2, 0)
    hired = Hired(base)
    never = Recipe.load("behavior", **RECIPE | {"lora.targets": ["no_proj"]})
    hired.give(0, "look", (never, load_splits(never, data), Settings()))
    ((_, problem),) = hired.told()
    assert isinstance(problem, TrainingError) and "no_proj" in str(problem), "before there is any trial"
