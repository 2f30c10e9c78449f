"""A search space: which values of a recipe a search may try.

    train.learning_rate: {low: 1e-4, high: 1e-2, log: true}   any number between, evenly over its logarithm
    train.batch_size: {low: 8, high: 32}                      any whole number, because the recipe asks for one
    lora.rank: [4, 8, 16]                                     one of these

Only what changes the learning can be searched: `lora`, `prefix`, `head` and `train`. Everything wrong with a space is
told at once.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from optuna import Trial

from recipes.errors import RecipeError
from recipes.options.reading import BadYaml, load_yaml
from recipes.recipe import Recipe

_SECTIONS = ("lora", "prefix", "head", "train")
_REFUSED: Mapping[str, str] = {
    "data": "changes the rows, and trials are compared on the same validation rows; set it in the recipe",
    "task": "is not searched; tune each task's recipe by itself",
    "method": "is not searched; tune a recipe for each method and compare their values",
    "write": "changes how texts are written, not what a validation measures; set it in the recipe",
    "blend": "changes what answers, not what is learned; set it in the recipe",
    "report": "changes nothing that is learned; set it in the recipe",
    "gates": "changes nothing that is learned; set it in the recipe",
    "train.metric": "is what trials are compared by; set it in the recipe",
    "train.evaluate_every": "says when trials are compared, which must be alike for all; set it in the recipe",
    "train.seed": "is luck, which does not carry over to other data; leave it out",
}


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included; log: drawn evenly over the logarithm; whole: whole numbers only."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def draw(self, key: str, trial: Trial) -> float | int:
        """The value that the sampler suggests."""
        if self.whole:
            return trial.suggest_int(key, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(key, self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Choice:
    """One of several values, of whatever type the recipe takes."""

    values: tuple[Any, ...]

    def draw(self, key: str, trial: Trial) -> Any:
        """The value that the sampler suggests."""
        return self.values[trial.suggest_categorical(key, range(len(self.values)))]


Space = Mapping[str, Range | Choice]


def read_space(space: Mapping[str, Any] | str | Path, recipe: Recipe) -> Space:
    """A space from a YAML file or a mapping, each of its values checked against the recipe that it changes.

    Raises RecipeError with all problems at once.
    """
    source, content = ("space", space) if isinstance(space, Mapping) else (str(space), _content(Path(space)))
    if not content:
        raise RecipeError(f"{source}: nothing to search; write a line such as `lora.rank: [4, 8, 16]`")
    found: dict[str, Range | Choice] = {}
    problems: list[str] = []
    for key, given in content.items():
        if refusal := _refusal(str(key)):
            problems.append(f"{source}: {key}: {refusal}")
            continue
        told = [*_shape(key, given), *_values_refused(recipe, key, given, source)]
        problems += [line if line.startswith(f"{source}: ") else f"{source}: {key}: {line}" for line in told]
        if not told:
            found[key] = Choice(tuple(given)) if isinstance(given, list) else _range(key, given)
    if problems:
        raise RecipeError(problems)
    return found


def changed(recipe: Recipe, values: Mapping[str, Any], source: str = "recipe") -> Recipe:
    """A recipe with other values, dotted key -> value. Raises RecipeError where they do not go together."""
    return Recipe.from_dict(recipe.to_dict(), _source=source, **values)


def _content(path: Path) -> Mapping[str, Any]:
    try:
        content = load_yaml(path)
    except BadYaml as error:
        raise RecipeError(f"{path}: {error}") from None
    if content is not None and not isinstance(content, dict):
        raise RecipeError(f"{path}: a space is a YAML mapping; write lines such as `lora.rank: [4, 8, 16]`")
    return content or {}


def _refusal(key: str) -> str | None:
    """Why a key cannot be searched, whatever its values."""
    section = key.split(".")[0]
    why = _REFUSED.get(key) or _REFUSED.get(section)
    if why is None and (section not in _SECTIONS or key.count(".") != 1):
        return f"names no option to search; write one of {', '.join(_SECTIONS)}, a dot and its option"
    return why


def _shape(key: str, given: Any) -> Iterator[str]:
    """What is wrong with a range or a list itself."""
    if isinstance(given, list):
        if not given:
            yield "an empty list; write the values to try"
        return
    if not isinstance(given, dict) or not {"low", "high"} <= given.keys():
        yield f"{given!r} is neither a range nor a list; write {{low: 1, high: 8}}, or [1, 2, 8]"
        return
    if unknown := sorted(given.keys() - {"low", "high", "log"}):
        yield f"unknown in a range: {', '.join(unknown)}; a range knows low, high and log"
    log = given.get("log", False)
    if not isinstance(log, bool):
        yield f"log is {log!r}; write true or false"
    bounds = given["low"], given["high"]
    if any(isinstance(each, bool) or not isinstance(each, int | float) for each in bounds):
        yield f"low is {bounds[0]!r} and high is {bounds[1]!r}; write numbers, or list the values to try"
    elif not all(map(math.isfinite, bounds)) or bounds[0] >= bounds[1]:
        yield f"low {bounds[0]} is not below high {bounds[1]}; exchange them, or list one value"
    elif log is True and bounds[0] <= 0:
        yield f"low is {bounds[0]}, which has no logarithm; raise it above 0, or leave log out"
    if _kinds(key) and not {int, float} & _kinds(key):
        yield "takes no numbers; list the values to try"


def _values_refused(recipe: Recipe, key: str, given: Any, source: str) -> list[str]:
    """What the recipe says against the values, or the ends of a range; each thing once."""
    bounds = [given[end] for end in ("low", "high") if end in given] if isinstance(given, dict) else []
    told: list[str] = []
    for value in given if isinstance(given, list) else bounds:
        try:
            changed(recipe, {key: value}, source)
        except RecipeError as error:
            told += error.problems
    return list(dict.fromkeys(told))


def _range(key: str, given: Mapping[str, Any]) -> Range:
    whole = float not in _kinds(key)
    return Range(given["low"], given["high"], given.get("log", False), whole)


def _kinds(key: str) -> set[Any]:
    """The types that a recipe takes for `section.option`; empty where there is no such option."""
    section, option = key.split(".")
    options = Recipe.model_fields[section].annotation
    field = getattr(options, "model_fields", {}).get(option)
    return set() if field is None else {field.annotation, *get_args(field.annotation)}
