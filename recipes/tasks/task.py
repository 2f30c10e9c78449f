"""What a task is: all that makes recommendation, behavior or ad copy what it is, behind one protocol.

A task is one file of this folder, a module of plain functions with a `NAME`. It is found there by that name, so that a
further task is a file here, a preset in `recipes/options/presets` and its tests; nothing else asks which task it is.

    file -> columns      ROLES, required, used, reads_all
    row  -> example      render, target, DERIVED
    rows -> splits       labels, unusable, remarks
    example -> tokens    CUT, prompt
    answers -> report    metrics, statistics, guesses, baselines, measured, beside_prior
    adapter -> people    CALL, SAYS, EXAMPLE, SAMPLES, LIMITS
"""

import pkgutil
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

if TYPE_CHECKING:
    from recipes.examples import Example, Splits
    from recipes.measure.intervals import Floats, Statistic
    from recipes.options.data import DataOptions
    from recipes.options.write import WriteOptions
    from recipes.tasks.roles import Role, Target

Better = Literal["max", "min"]
"""Whether more or less of a metric is better."""
_FIRST = ("recommendation", "behavior", "ad_copy")


class Sections(Protocol):
    """What of a recipe a task reads."""

    @property
    def task(self) -> str: ...
    @property
    def data(self) -> "DataOptions": ...
    @property
    def write(self) -> "WriteOptions": ...


class Cells(Protocol):
    """One row of a client's file, asked by role; what is wrong with it is reported and not raised."""

    @property
    def options(self) -> Sections: ...
    @property
    def sound(self) -> bool:
        """Whether nothing was reported yet."""

    def has(self, role: str) -> bool:
        """Whether the file has a column for a role."""

    def cell(self, role: str) -> Any:
        """The cell as the file has it."""

    def text(self, role: str) -> str:
        """The cell as text; "" where it is empty."""

    def filled(self, role: str) -> str:
        """The cell as text; an empty one is reported."""

    def shown(self, role: str, text: str) -> str:
        """A text of this row with what is private in it masked, or reported where the recipe refuses it."""

    def report(self, role: str, message: str, fix: str, value: str | None = None) -> None:
        """Tell what is wrong with a cell, and how to mend it."""


class Task(Protocol):
    """What every task module offers.

    NAME: in recipes, references and files. ANSWERS: `labels`, by a head, or `texts`, by the decoder. CALL: the
    registry's call that its adapters answer. OPTIONS: the parts of a recipe that it reads, of `recipe.OPTIONAL`.

    ROLES: role -> what its column means. DERIVED: features that are computed from the row and are no columns.
    PROMPT_NAMES: what `data.prompt` may name; None where it names roles and features. REWORDED: the fields that
    augmentation changes; None where all fields do but for the keys of "key: value" lines.

    METRICS: a metric's name -> whether more or less of it is better. STOPPING: those of them that early stopping can
    follow. RESAMPLED: those whose uncertainty is measured, so that a gate may ask for a gain in them.

    CUT: the end at which a text over the limit of tokens is cut. DEFAULT_PREFIX_TEXT: what a text-initialised prefix
    starts from. SAYS: what its adapters do, in a sentence. EXAMPLE: a call, with {name} for the reference. SAMPLES:
    requests to compare two versions by. LIMITS: what a model card warns of.
    """

    @property
    def NAME(self) -> str: ...
    @property
    def ANSWERS(self) -> Literal["labels", "texts"]: ...
    @property
    def CALL(self) -> Literal["recommend", "analyze", "write"]: ...
    @property
    def OPTIONS(self) -> frozenset[str]: ...
    @property
    def ROLES(self) -> Mapping[str, "Role"]: ...
    @property
    def DERIVED(self) -> tuple[str, ...]: ...
    @property
    def PROMPT_NAMES(self) -> tuple[str, ...] | None: ...
    @property
    def REWORDED(self) -> tuple[str, ...] | None: ...
    @property
    def METRICS(self) -> Mapping[str, Better]: ...
    @property
    def STOPPING(self) -> tuple[str, ...]: ...
    @property
    def RESAMPLED(self) -> tuple[str, ...]: ...
    @property
    def CUT(self) -> Literal["left", "right"]: ...
    @property
    def DEFAULT_PREFIX_TEXT(self) -> str: ...
    @property
    def SAYS(self) -> str: ...
    @property
    def EXAMPLE(self) -> str: ...
    @property
    def SAMPLES(self) -> Sequence[str | Mapping[str, Any]]: ...
    @property
    def LIMITS(self) -> tuple[str, ...]: ...

    def misfits(self, recipe: Mapping[str, Any]) -> list[str]:
        """What values of a recipe the task cannot have, a sentence each; `recipe` may be wrong in other ways too."""

    def required(self, has: Collection[str], features: Sequence[str], data: "DataOptions") -> list[str]:
        """Roles that a file must have and has not. has: those that it has; features: columns that are rendered too."""

    def used(self, columns: Mapping[str, str], data: "DataOptions") -> dict[str, str]:
        """Of role -> column those that are used, where a file has more than a row can mean."""

    def reads_all(self, roles: Collection[str], data: "DataOptions") -> bool:
        """Whether all columns without a role are features. roles: those that the file has."""

    def render(self, fields: Mapping[str, str], recipe: Sections) -> str:
        """The text that the model reads for one row; fields: role or feature -> text, in the file's order."""

    def target(self, cells: Cells, weight: float) -> "Target":
        """What a row teaches. weight: how much it counts."""

    def labels(self, names: Collection[str]) -> tuple[str, ...]:
        """The labels in the head's order; names: those that the rows have; () for texts."""

    def unusable(
        self, part: str, found: Collection[int], rows: int, labels: Sequence[str]
    ) -> tuple[str, str] | None:
        """Why a split cannot be used, and the fix. part: train, validation or test; found: the labels in it."""

    def remarks(
        self, parts: Mapping[str, Sequence["Example"]], labels: Sequence[str], recipe: Sections
    ) -> list[str]:
        """What a reader of the metrics should know of the splits, a sentence each."""

    def metrics(
        self, examples: Sequence["Example"], predictions: Any, labels: Sequence[str] = ...
    ) -> dict[str, Any]:
        """How good the predictions are.

        predictions: heads, probabilities [examples, labels]; texts, `ad_copy.Written`. labels: `Splits.labels`.
        """

    def statistics(
        self, examples: Sequence["Example"], predictions: Any, labels: Sequence[str] = ...
    ) -> Mapping[str, "Statistic"]:
        """A metric -> how it is measured on rows that are drawn again; of the task's RESAMPLED."""

    def guesses(self, splits: "Splits", recipe: Sections | None = ...) -> Mapping[str, Any]:
        """A baseline's name -> its predictions for the test split, after learning from the training split alone.

        recipe: texts, for the length limit, the policy and how many products are written (`write.evaluated`).
        """

    def baselines(
        self, splits: "Splits", recipe: Sections | None = ..., found: Mapping[str, Any] | None = ...
    ) -> dict[str, dict[str, Any]]:
        """A baseline's name -> its metrics on the test split. found: its guesses, where they are made already."""


class LabelTask(Task, Protocol):
    """A task whose adapters answer with the probabilities of labels, by a head."""

    def decisions(
        self, examples: Sequence["Example"], predictions: Any
    ) -> tuple["Floats", "Floats", "Floats"]:
        """What is calibrated: whether each decision is right, the probability that it is, its weight."""

    def measured(
        self, examples: Sequence["Example"], predictions: "Floats"
    ) -> tuple[Mapping[str, Callable[..., float]], "Floats", "Floats"]:
        """What is measured of groups of rows: metrics of (truth, given, sample_weight), and the truth and
        what is given, [examples] each."""

    def carried(self, examples: Sequence["Example"], recipe: Sections) -> tuple[str, ...]:
        """The columns of a baseline that travels with the adapter: never who the user is."""

    def beside_prior(self, metrics: Mapping[str, Any], prior: Mapping[str, Any]) -> dict[str, Any]:
        """Metrics that only mean something beside those of the constant prior; {} for most tasks."""


class TextTask(Task, Protocol):
    """A task whose adapters write texts."""

    def prompt(self, text: str, recipe: Sections) -> str:
        """The user's turn for one row's text."""

    def inputs(self, examples: Sequence["Example"], most: int | None = ...) -> tuple[str, ...]:
        """Each different text once that something is written for, at most so many."""


def task_for(name: str) -> Task:
    """The task of a name. Raises KeyError for a name of no task."""
    return _tasks()[name]


def text_task(name: str) -> TextTask:
    """The task of a name, one that writes."""
    task = task_for(name)
    assert task.ANSWERS == "texts", f"{name} writes no texts"
    return cast(TextTask, task)


def label_task(name: str) -> LabelTask:
    """The task of a name, one that answers with labels."""
    task = task_for(name)
    assert task.ANSWERS == "labels", f"{name} has no labels"
    return cast(LabelTask, task)


def usual_task(writes: bool) -> str:
    """The task of an adapter that names none, such as one of another tool: it labels or writes, whatever it is for."""
    call = "write" if writes else "analyze"
    return next(name for name, task in _tasks().items() if call == task.CALL)


def task_names() -> tuple[str, ...]:
    """The names of all tasks, those with a click first, as presets and help list them."""
    return tuple(_tasks())


def all_metrics() -> Mapping[str, Better]:
    """Every metric of every task, in the order in which tables show them."""
    return {name: better for task in _tasks().values() for name, better in task.METRICS.items()}


def register(task: Task) -> None:
    """Make a task known that is no file of this folder, such as one of a plugin; its presets are then whole recipes.

    Raises ValueError where its name is taken.
    """
    if task.NAME in _tasks():
        raise ValueError(f"a task is called {task.NAME} already; give it another NAME")
    _tasks()[task.NAME] = task


def forget(name: str) -> None:
    """Undo `register`."""
    del _tasks()[name]


@cache
def _tasks() -> dict[str, Task]:
    """The modules of this folder that have a NAME: those of today in their order, then others."""
    folder = import_module("recipes.tasks")
    names = dict.fromkeys((*_FIRST, *sorted(found.name for found in pkgutil.iter_modules(folder.__path__))))
    modules: list[Any] = [import_module(f"recipes.tasks.{name}") for name in names]
    return {module.NAME: module for module in modules if hasattr(module, "NAME")}
