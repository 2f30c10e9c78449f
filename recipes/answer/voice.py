"""How an adapter answers: columns to tokens, and logits to probabilities. The same for a test row and for a request.

{"user": ..., "ad": ...}  -- read -->  fields, text, token ids  -- the base and its slots -->  logits
logits  -- calibrated by the temperature, bias and shift that travel along -->  the adapter's own probabilities
        -- mixed with the baseline that travels along, where one does -->  probabilities
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from adapters import Adapter, Base, Head, Prefix
from adapters.errors import BadAdapter, RequestError
from recipes.answer.blend import Blend
from recipes.data.columns import is_derived
from recipes.data.facts import DataFacts
from recipes.data.pii import is_masked, masked
from recipes.data.rendering import render_row
from recipes.errors import RecipeError
from recipes.examples import Example
from recipes.learn.encode import (
    count_prompt,
    count_text,
    cut_step,
    encode_prompt,
    encode_texts,
    token_limit,
)
from recipes.learn.frame import PromptFrame
from recipes.measure.calibration import Calibration, Floats
from recipes.measure.sayings import Sayings
from recipes.recipe import Recipe
from recipes.tasks import text_of
from recipes.tasks.task import task_for, task_names, usual_task

UNKNOWN_ROLES = ("user", "ad")  # of an adapter that does not say what its rows had
_READ = ("user", "ad", "text", "product")


@dataclass(frozen=True)
class Reading:
    """One row as it was read. fields: role or feature -> text; text: what the model reads."""

    fields: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class Voice:
    """What is known of an adapter beside its weights.

    task: None for an adapter that names none, such as one of another tool; its recipe is then that of the usual task.
    roles: the columns that its training rows had. frame: what stood around its prompts; None where it does not say.
    sayings: how its training rows' copy names values.
    """

    task: str | None
    head: Head | None
    recipe: Recipe
    roles: tuple[str, ...]
    calibration: Calibration
    blend: Blend | None
    frame: PromptFrame | None = None
    sayings: Sayings = field(default_factory=Sayings)

    @classmethod
    def of(cls, adapter: Adapter) -> Self:
        """The voice of an adapter. Raises BadAdapter for a recipe, a calibration, a blend, a frame or sayings that
        cannot be used."""
        head, recipe = adapter.head, _recipe(adapter)
        data = DataFacts.read(adapter.info.get("data")) or DataFacts()
        roles = UNKNOWN_ROLES if data.roles is None else data.roles
        if head is None and adapter.info.get("blend") is not None:
            raise BadAdapter("the adapter has a blend but no labels; train it again")
        blend = Blend.from_info(adapter.info, len(head.labels), head.multi_label) if head else None
        calibration = Calibration.from_info(adapter.info, len(head.labels) if head else 0)
        if head is not None:
            return cls(adapter.task, head, recipe, roles, calibration, blend)
        frame, sayings = PromptFrame.from_info(adapter.info), Sayings.from_info(adapter.info)
        return cls(adapter.task, head, recipe, roles, calibration, blend, frame, sayings)

    @property
    def click(self) -> str:
        """Of a recommendation, the label that says that a user clicks."""
        assert self.head is not None, "an adapter that writes has no labels"
        click = task_for(self.recipe.task).labels(self.head.labels)[-1]
        return click if click in self.head.labels else self.head.labels[-1]

    def read(self, rows: Sequence[Mapping[str, Any]]) -> list[Reading]:
        """Rows as training read its own.

        Args:
            rows: role or feature -> cell, of any type that a file may hold.

        Raises:
            RequestError: where a column is missing that stands in every training text, or a text is no Unicode.
        """
        columns = self.recipe.data.columns  # whose names say what is private, as in training

        def private(name: str, text: str) -> str:
            if not is_masked(self.recipe.data.pii, self.recipe.task, name):
                return text
            return masked(columns.get(name, name), text)

        features = self.recipe.data.features
        named = features if self.head is not None and isinstance(features, list) else []
        found = []
        for row in rows:
            missing = [name for name in named if name not in row and not is_derived(self.recipe, name)]
            if missing:
                raise RequestError(
                    f"this adapter reads the columns {', '.join(missing)} too; give them as features"
                )
            found.append(Reading(*render_row(row, self.recipe, private)))
        return found

    def kept(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What may be stored of a row: the columns that the model reads, as texts and numbers, with what is private in
        them masked, unless the recipe allows it; a recipe that refuses such rows masks them here.

        Args:
            row: role or feature -> cell.

        Raises:
            RequestError: a cell is no text.
        """
        data = self.recipe.data
        found: dict[str, Any] = {}
        for name, cell in row.items():
            if data.features != "all" and name not in {*_READ, *self.roles, *data.features}:
                continue
            if isinstance(cell, int | float) and abs(cell) <= sys.float_info.max:
                found[name] = cell
                continue
            text, private = text_of(cell), is_masked(data.pii, self.recipe.task, name)
            private = private or data.pii == "refuse"  # as no training row had any
            found[name] = masked(data.columns.get(name, name), text) if private else text
        return found

    def tokens(self, base: Base, readings: Sequence[Reading]) -> list[tuple[int, ...]]:
        """Token ids of each row: of its text for a head, of the prompt for an adapter that writes.

        Args:
            base: whose tokenizer is asked.
            readings: what `read` gave.
        """
        if self.head is None:
            return [encode_prompt(base, self.recipe, reading.text, self.frame) for reading in readings]
        return self.texts(base, readings)

    def texts(self, base: Base, readings: Sequence[Reading]) -> list[tuple[int, ...]]:
        """Token ids of each row's text by itself, cut at the adapter's limit.

        Args:
            base: whose tokenizer is asked.
            readings: what `read` gave.
        """
        return encode_texts(base, self.recipe, [reading.text for reading in readings])

    def cuts(self, base: Base, readings: Sequence[Reading], tokens: Sequence[Sequence[int]]) -> list[int]:
        """How many tokens of each row's text were left out, for being over the limit.

        Args:
            base: whose tokenizer is asked.
            readings: of the rows.
            tokens: of the same rows, as `tokens` gave them.
        """
        if self.head is None:
            whole = (count_prompt(base, self.recipe, reading.text, self.frame) for reading in readings)
            return [max(0, count - len(ids)) for count, ids in zip(whole, tokens, strict=True)]
        return self.text_cuts(base, readings, tokens)

    def text_cuts(
        self, base: Base, readings: Sequence[Reading], tokens: Sequence[Sequence[int]]
    ) -> list[int]:
        """As `cuts`, for what `texts` gave."""
        whole = token_limit(base, self.recipe) - cut_step(base, self.recipe)  # what is no longer was not cut
        return [
            count_text(base, reading.text) - len(ids) if len(ids) > whole else 0
            for reading, ids in zip(readings, tokens, strict=True)
        ]

    def probabilities(self, logits: Sequence[Tensor], readings: Sequence[Reading]) -> Floats:
        """What is answered, `[rows, labels]`.

        Args:
            logits: `[labels]` of each row.
            readings: of the same rows.
        """
        assert self.head is not None, "an adapter that writes has no labels"
        raw = torch.stack([*logits]).double().cpu()
        return answered(raw, readings, self.head.multi_label, self.calibration, self.blend)


def answered(
    logits: Tensor,
    rows: Sequence[Reading | Example],
    multi_label: bool,
    calibration: Calibration,
    blend: Blend | None = None,
) -> Floats:
    """What is answered to requests, and measured of test rows, `[rows, labels]`.

    Args:
        logits: of a head, `[rows, labels]`, in float64.
        rows: as they were read.
        multi_label: whether a row may have several labels.
        calibration: of the adapter.
        blend: of the adapter, where it carries one.
    """
    own = np.asarray(calibration.apply(logits, multi_label))
    if blend is None:
        return own
    texts, fields = [each.text for each in rows], [each.fields for each in rows]
    return blend.apply(own, texts, fields, multi_label)


def _recipe(adapter: Adapter) -> Recipe:
    """An adapter's own recipe. One of another tool has none: it reads its task's way, and as much as the base can.
    Raises BadAdapter for one that cannot be used, or is of a task that the adapter does not do."""
    said = adapter.info.get("recipe")
    task = (said.get("task") if isinstance(said, Mapping) else None) or adapter.task
    task = task or usual_task(adapter.head is None)
    if task not in task_names():
        raise BadAdapter(f"its task, {task!r}, is none that this release knows; upgrade Repertoire to use it")
    read: Any = {"task": task, "data": {"max_tokens": sys.maxsize, "cut_by": 1}}
    if isinstance(adapter.method, Prefix):
        read |= {"method": "prefix", "prefix": {"length": adapter.method.length}}
    if said:
        read = said
    if not isinstance(read, Mapping):
        raise BadAdapter(
            f"its recipe is {str(said)[:60]!r}, and no mapping of sections; train the adapter again"
        )
    if isinstance(data := read.get("data", {}), Mapping):
        # Adapters of before there were these have learned from texts that were cut to the token, and from products as
        # they were given.
        read = {**read, "data": {"cut_by": 1, "lines": False, **data}}
    try:
        recipe = Recipe.from_dict(read)
    except RecipeError as error:
        raise BadAdapter(f"its recipe cannot be used: {error}") from error
    writes = task_for(recipe.task).ANSWERS == "texts"
    if recipe.task != (adapter.task or recipe.task) or writes != (adapter.head is None):
        has = "no head" if adapter.head is None else "a head"
        raise BadAdapter(
            f"it has {has}, does {adapter.task}, and its recipe is for {recipe.task}; train the adapter again"
        )
    return recipe
