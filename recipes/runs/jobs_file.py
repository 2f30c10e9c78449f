"""A file of jobs: many clients' trainings on one base.

    defaults:                                 # laid under every job's recipe
      train: {patience: 2}
    jobs:
      - name: acme/spring/recommendation      # its folder under --out, and its name in a hub
        recipe: recommendation                # a preset, a YAML file, or the recipe itself
        data: acme/clicks.csv                 # one file or several, from this file's folder
        test: acme/clicks-july.csv            # optional, and so are validation and unlabelled
        set: {train.epochs: 5, data.columns.clicked: bought}

Everything that is wrong with it is told at once; what is wrong with a job's data is that job's own error, later.
"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from recipes.errors import RecipeError
from recipes.options.reading import BadYaml, load_block, load_yaml
from recipes.recipe import Recipe, merge, of_preset, presets
from recipes.runs.order import Order

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Job(_Block):
    name: str
    recipe: str | dict[str, Any]
    data: str | list[str]
    validation: str | list[str] | None = None
    test: str | list[str] | None = None
    unlabelled: str | list[str] | None = None
    set: dict[str, Any] = Field(default_factory=dict)


class _File(_Block):
    jobs: list[_Job] = Field(min_length=1)
    defaults: dict[str, Any] = Field(default_factory=dict)


def is_jobs(path: str | Path) -> bool:
    """Whether a file is one of jobs, and not a recipe."""
    try:
        return str(path) not in presets() and "jobs" in load_yaml(path)
    except (BadYaml, TypeError):
        return False


def load_jobs(path: str | Path, out: str | Path) -> list[Order]:
    """The orders of a file of jobs, each to be written to its name's folder under `out`. Raises RecipeError."""
    source = Path(path)
    file = load_block(path, _File, "jobs")
    orders: list[Order] = []
    problems: list[str] = []
    for name, count in Counter(job.name for job in file.jobs).items():
        if count > 1:
            problems.append(f"{path}: {count} jobs are called {name}; give each its own name")
    for job in file.jobs:
        if not _NAME.fullmatch(job.name):
            problems.append(
                f"{path}: the name {job.name!r} cannot be a folder; write client/campaign/task in lowercase letters, "
                "digits, - _ and ."
            )
            continue
        try:
            recipe = _recipe(job, file.defaults, source.parent)
        except RecipeError as error:
            problems += [f"{path}: {job.name}: {problem}" for problem in error.problems]
            continue
        data, validation, test, unlabelled = (
            _files(each, source.parent) for each in (job.data, job.validation, job.test, job.unlabelled)
        )
        own = Path(out) / job.name
        orders.append(Order(recipe, data or [], validation, test, own, job.name, unlabelled=unlabelled))
    if problems:
        raise RecipeError(problems)
    return orders


def _recipe(job: _Job, defaults: Mapping[str, Any], folder: Path) -> Recipe:
    """Preset, then defaults, then the job's own recipe, then what it sets."""
    own: Mapping[str, Any]
    if not isinstance(job.recipe, str):
        own = job.recipe
    elif job.recipe in presets():
        own = of_preset(job.recipe)
    else:
        path = folder / job.recipe
        if not path.is_file():
            Recipe.load(job.recipe)  # says what there is instead
        try:
            own = load_yaml(path)
        except BadYaml as error:
            raise RecipeError(f"{job.recipe}: {error}") from None
        if not isinstance(own, Mapping):
            raise RecipeError(f"{job.recipe}: a recipe is a YAML mapping")
    return Recipe.from_dict(merge(defaults, own), **job.set)


def _files(named: str | list[str] | None, folder: Path) -> list[Path] | None:
    if named is None:
        return None
    return [folder / name for name in ([named] if isinstance(named, str) else named)]
