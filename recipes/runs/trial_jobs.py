"""The jobs of a search's trials, on rows that all of them share."""

from dataclasses import replace
from typing import TYPE_CHECKING

from adapters import Base
from recipes.data.augment import augment
from recipes.data.named_labels import with_names
from recipes.examples import Splits
from recipes.learn import eva
from recipes.learn.encode import EncodedRow, encode, token_limit
from recipes.learn.frame import PromptFrame
from recipes.learn.job import Job
from recipes.recipe import Recipe
from recipes.runs.order import Order, measured, untrained

if TYPE_CHECKING:
    from recipes.runs.run import Run


class TrialJobs:
    """Jobs whose encoded rows are shared by all trials of the same token limit; test rows are left out.

    Args:
        recipe: what stays the same in all trials.
        splits: of the client's data.
        base: to train on.

    Raises:
        DataError: where nothing could be learned of the rows.
        BaseError: where the base cannot carry the recipe.
    """

    def __init__(self, recipe: Recipe, splits: Splits, base: Base) -> None:
        measured(splits, recipe, base)
        untrained(recipe, splits, base)
        self.splits, self.base = replace(splits, test=()), base
        self._rows: dict[int, tuple[list[EncodedRow], list[EncodedRow]]] = {}

    def job(self, recipe: Recipe, name: str) -> Job:
        """Of one trial. Raises RepertoireError where its values do not go together."""
        adapter = untrained(recipe, self.splits, self.base)
        limit = token_limit(self.base, recipe)
        if limit not in self._rows:
            rows = with_names(augment(self.splits.train, recipe), self.splits, recipe)
            frame = PromptFrame.from_info(adapter.info)
            parts = (rows, self.splits.validation)
            train, validation = (encode(self.base, recipe, part, frame) for part in parts)
            self._rows[limit] = train, validation
        eva.start(adapter, recipe, self.base, self._rows[limit][0])
        return Job(recipe, self.splits, adapter, *self._rows[limit], name)

    def enter(self, run: "Run", recipe: Recipe, name: str) -> tuple[int, Job]:
        """Let a trial into a run; its index there. Raises as `job`, and then nothing waits."""
        job = self.job(recipe, name)
        return run.add(Order(recipe, self.splits, name=name), job), job
