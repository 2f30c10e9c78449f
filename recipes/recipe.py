"""The typed recipe: task, method, data, training and writing options, read from YAML.

A recipe is a preset plus what differs from it: a YAML file needs to say only `task` and what it changes, the rest
comes from the preset of its task and method. Everything wrong with a recipe is reported at once.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import AfterValidator, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from recipes.errors import RecipeError, printable
from recipes.options.data import DataOptions
from recipes.options.faults import sentence
from recipes.options.feedback import FeedbackOptions
from recipes.options.gates import GateOptions, ReportOptions
from recipes.options.method import HeadOptions, LoraOptions, MethodName, PrefixOptions
from recipes.options.reading import BadYaml, load_yaml, read_yaml
from recipes.options.section import Section
from recipes.options.train import TrainOptions
from recipes.options.write import WriteOptions
from recipes.tasks.task import task_for, task_names

METHODS: tuple[MethodName, ...] = ("lora", "prefix")
# What of a recipe only some tasks read, and what the others lack for it. Which task reads what stands in its OPTIONS.
OPTIONAL: Mapping[str, str] = {
    "head": "labels",
    "write": "texts",
    "data.separator": "rows of several labels",
    "data.history": "history of a user",
    "data.negative_share": "rows without a click",
    "data.lines": "product",
    "data.labels": "labels",
    "data.limit_per_label": "labels",
    "blend": "probabilities that could be blended",
    "report.groups": "probabilities",
    "gates.max_calibration_error": "probabilities",
    "gates.max_group_gap": "probabilities",
    "gates.policy": "texts",
}
# Blocks whose keys are the client's words, or names of layers: a dot in them is just a dot.
_FREE_MAPPINGS = ("data.columns", "data.labels", "lora.rank_pattern")


def _known_task(name: str) -> str:
    if name not in task_names():
        raise PydanticCustomError("literal_error", "no such task", {"expected": _tasks_told(repr)})
    return name


def _tasks_told(shown: Callable[[str], str] = str) -> str:
    *names, last = map(shown, task_names())
    return f"{', '.join(names)} or {last}"


TaskName = Annotated[str, AfterValidator(_known_task)]


def presets() -> tuple[str, ...]:
    """The names of all presets: a task's own, then the one for its prefixes."""
    names = (f"{task}{suffix}" for task in task_names() for suffix in ("", "-prefix"))
    return tuple(name for name in names if (_PRESETS / f"{name}.yaml").is_file())


def of_preset(name: str) -> dict[str, Any]:
    """What a recipe says that is a preset and no more: its task and method."""
    return {"task": name.removesuffix("-prefix"), "method": "prefix" if name.endswith("-prefix") else "lora"}


_PRESETS = resources.files("recipes") / "options" / "presets"


class Recipe(Section):
    """Task, method and every option of one training. Make one with `load` or `from_dict`.

    task: what the adapter does: recommendation, behavior or ad-copy. method: what of it is trained. blend: heads,
    answer with the adapter and the best baseline that can travel with it, see `recipes.answer.blend`.
    """

    task: TaskName
    method: MethodName = "lora"
    lora: LoraOptions = LoraOptions()
    prefix: PrefixOptions = PrefixOptions()
    head: HeadOptions = HeadOptions()
    data: DataOptions = DataOptions()
    train: TrainOptions
    write: WriteOptions = WriteOptions()
    blend: bool = False
    report: ReportOptions = ReportOptions()
    gates: GateOptions = GateOptions()
    feedback: FeedbackOptions = FeedbackOptions()

    @classmethod
    def load(cls, name_or_path: str | Path, **overrides: Any) -> Self:
        """A preset's name or a YAML file, with dotted overrides: `load("behavior", **{"train.epochs": 5})`.

        Args:
            name_or_path: of a preset, or a YAML file.
            overrides: dotted key -> value.

        Raises:
            RecipeError: with all problems at once.
        """
        name = str(name_or_path)
        if name in presets():
            return cls.from_dict(of_preset(name), **overrides)
        path = Path(name_or_path)
        if not path.is_file():
            near = difflib.get_close_matches(name.lower().replace("_", "-"), presets(), n=2, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise RecipeError(
                f"{name}: no such preset or file{hint} Presets: {', '.join(presets())}. "
                "Or write a YAML file and give its path."
            )
        try:
            content = load_yaml(path)
        except BadYaml as error:
            raise RecipeError(f"{name}: {error}") from None
        if not isinstance(content, dict):
            raise RecipeError(f"{name}: a recipe is a YAML mapping; its first line could be `task: behavior`")
        return cls.from_dict(content, _source=name, **overrides)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], _source: str = "recipe", **overrides: Any) -> Self:
        """A recipe from a plain mapping: its own preset (task and method), then `content`, then the overrides.

        Args:
            content: section -> option -> value, as YAML has it.
            overrides: dotted key -> value.

        Raises:
            RecipeError: with all problems at once.
        """
        changed = deepcopy(dict(content))
        problems = [
            problem
            for key, value in overrides.items()
            if (problem := _override(changed, key, value)) is not None
        ]
        problems += (
            f"{_source}: {where}: holds half a character; write whole ones" for where in _halves(changed)
        )
        task, method = changed.get("task"), changed.get("method", "lora")
        name = f"{task}-prefix" if method == "prefix" else str(task)
        has_preset = name in presets()
        merged = merge(_preset(name), changed) if has_preset else changed
        try:
            recipe = cls.model_validate(merged)
        except ValidationError as error:
            # Without a task there is no preset, so that everything would seem missing: speak of the task alone.
            faults = [
                fault
                for fault in error.errors()
                if has_preset
                or task in task_names()
                or fault["type"] != "missing"
                or fault["loc"] == ("task",)
            ]
            told = [_told(fault) for fault in faults if fault["loc"]] + _misfits(merged)
            problems += [f"{_source}: {each}" for each in told]
        if problems:
            raise RecipeError(problems)
        return recipe

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        if wrong := _misfits(self.model_dump(include=self.model_fields_set)):
            raise ValueError("\n".join(wrong))
        return self

    @property
    def grouped(self) -> tuple[str, ...]:
        """The columns by which test rows are grouped for a report: those of `report` and of the gate."""
        gate = self.gates.max_group_gap
        return tuple(dict.fromkeys([*self.report.groups, *([gate.column] if gate else [])]))

    def to_dict(self) -> dict[str, Any]:
        """The whole recipe as JSON, without the sections that its task and method do not have."""
        return self.model_dump(mode="json", exclude=_absent(self.task, self.method))

    def to_yaml(self) -> str:
        """The whole recipe as YAML; `load` reads it back."""
        text = yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True, width=110)
        return str(text)


def _told(fault: Any) -> str:
    if fault["type"] == "missing" and fault["loc"] == ("task",):
        return f"task: missing; write task: {_tasks_told()}"
    return sentence(fault, Recipe)


def _halves(content: Any, where: str = "") -> Iterator[str]:
    """Where in a recipe half characters stand, which YAML can write and no file holds."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _halves(value, f"{where}.{key}".removeprefix("."))
            if where and printable(str(key)) != key:
                yield f"{where}.{key}"
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _halves(value, where)
    elif isinstance(content, str) and printable(content) != content:
        yield where


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `under`, block by block; a list replaces a list."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = (
            merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
        )
    return result


def _misfits(recipe: Mapping[str, Any]) -> list[str]:
    """Options that would be ignored, and values that the recipe's task cannot have.

    `recipe` may be wrong in other ways too, so that everything wrong can be told at once.
    """
    name, method = str(recipe.get("task")), recipe.get("method", "lora")
    if name not in task_names() or method not in METHODS:
        return []
    task = task_for(name)
    data, train, gates = (
        block if isinstance(block := recipe.get(section), Mapping) else {}
        for section in ("data", "train", "gates")
    )
    preset = name if method == "lora" else f"{name}-prefix"
    wrong = [
        f"{section}: means nothing for {name} with {method}; leave it out (compare preset {preset})"
        for section in sorted(_absent(name, method) & recipe.keys())
    ]
    for where, what in OPTIONAL.items():
        if where not in ("head", "write") and where not in task.OPTIONS and _is_given(recipe, where):
            others = ", ".join(each for each in task_names() if where in task_for(each).OPTIONS)
            wrong.append(f"{where}: {name} has no {what}; leave it out (it is for {others})")
    if data.get("augment") is not None and data.get("history") is not None:
        wrong.append("data.augment: would change the texts that data.history reads; leave one of them out")
    if _is_given(recipe, "data.augment.swap_values") and "copy" not in task.ROLES:
        wrong.append(f"data.augment.swap_values: {name} has no copy whose values could follow; leave it out")
    if data.get("negative_share") is not None and data.get("limit_per_label") is not None:
        wrong.append("data.negative_share: limit_per_label chooses the rows already; leave one of them out")
    metric = train.get("metric")
    if isinstance(metric, str) and metric not in task.STOPPING:
        wrong.append(f"train.metric: {name} has no {metric}; choose one of {', '.join(task.STOPPING)}")
    gain = gates.get("min_gain")
    asked = gain.get("metric") if isinstance(gain, Mapping) else None
    if asked and asked not in task.RESAMPLED:
        wrong.append(
            f"gates.min_gain.metric: {asked} is none of {', '.join(task.RESAMPLED)}; choose one of them"
        )
    return wrong + task.misfits(recipe)


def _absent(task: str, method: str) -> set[str]:
    """The sections that a task and a method do not have."""
    return ({"lora", "prefix"} - {method}) | ({"head", "write"} - task_for(task).OPTIONS)


def _is_given(recipe: Mapping[str, Any], where: str) -> bool:
    """Whether a recipe says something at a dotted key, and not just that it is off: a gate of 0 is open."""
    value: Any = recipe
    for part in where.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return bool(value)


def _preset(name: str) -> dict[str, Any]:
    text = (_PRESETS / f"{name}.yaml").read_text(encoding="utf-8")
    content = read_yaml(text)
    assert isinstance(content, dict)
    return content


def _override(content: dict[str, Any], key: str, value: Any) -> str | None:
    """Set a dotted key in place; a sentence about what is wrong with it, or None."""
    parts = key.split(".")
    for free in _FREE_MAPPINGS:
        if key.startswith(free + "."):
            parts = [*free.split("."), key[len(free) + 1 :]]
    block = content
    for part in parts[:-1]:
        inner = block.setdefault(part, {})
        if part == "format" and isinstance(inner, str):  # `format: ga4` is its name
            inner = block[part] = {"name": inner}
        if not isinstance(inner, dict):
            return f"--set {key}: `{part}` is a value and has nothing inside; set it as a whole"
        block = inner
    block[parts[-1]] = deepcopy(value)
    return None
