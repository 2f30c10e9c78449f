"""A search whose trials are spread over workers asks for, prunes and finds what a search on one machine does; here the
workers are of this process, and may die."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapters import Base
from recipes import Recipe, TrainingError, Tuned, tune
from tests.adapters import models
from tests.recipes.runs.test_training import QUICK, moods

pytest.importorskip("ray")
from hub.fleet import OnRay, searches, tune_on_ray
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


@pytest.fixture
def spread(base: Base, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Tuned]:
    """A search by such workers."""

    def search(*given: Any, count: int = 2, dies: int = 10**9, **options: Any) -> Tuned:
        monkeypatch.setattr(searches, "crew", lambda *_: nullcontext(Hired(base, count, dies)))
        monkeypatch.setattr(searches.ray, "put", lambda each: each)
        return tune_on_ray(OnRay("auto"), *given, **options)

    return search


@pytest.mark.parametrize(("count", "dies"), [(2, 10**9), (3, 7)])
def test_it_makes_the_trials_of_a_search_on_one_machine(
    count: int, dies: int, base: Base, tmp_path: Path, spread: Callable[..., Tuned]
) -> None:
    data, recipe = moods(tmp_path), Recipe.load("behavior", **RECIPE)
    one = tune(recipe, SPACE, data, base, trials=14, together=3, seed=1)
    assert {trial.state for trial in one.trials} == {"complete", "pruned"}
    found = spread(recipe, SPACE, data, trials=14, together=3, seed=1, count=count, dies=dies)
    for mine, its in zip(found.trials, one.trials, strict=True):
        assert (mine.number, mine.values, mine.state) == (its.number, its.values, its.state)
        assert (mine.steps, mine.planned, mine.error) == (its.steps, its.planned, its.error)
        assert mine.history == pytest.approx(its.history, rel=1e-4)
    assert found.best.number == one.best.number and found.recipe == one.recipe


def test_what_is_wrong_with_a_trial_is_its_own(tmp_path: Path, spread: Callable[..., Tuned]) -> None:
    data, space = moods(tmp_path, 60), {"prefix.init": ["text", "random"], "prefix.text": [None, "a mood"]}
    recipe = Recipe.load("behavior-prefix", **RECIPE | {"train.epochs": 1})
    found = spread(recipe, space, data, trials=8, together=4)
    wrong = [trial for trial in found.trials if trial.state == "failed"]
    assert wrong and all("text is only read where" in (trial.error or "") for trial in wrong)
    recipe = Recipe.load("behavior", **RECIPE | {"train.epochs": 1})
    with pytest.raises(TrainingError, match=r"none of 2 trials came through; the first: .*no_proj"):
        spread(recipe, {"lora.targets": [["no_proj"]]}, data, trials=2, together=2)
    never = Recipe.load("behavior", **RECIPE | {"lora.targets": ["no_proj"]})
    with pytest.raises(TrainingError, match=r"^(?!none of).*no_proj"):
        spread(never, {"lora.rank": [2]}, data)
    with pytest.raises(TrainingError, match="both must be at least 1"):
        spread(recipe, {"lora.rank": [2]}, data, trials=0)
