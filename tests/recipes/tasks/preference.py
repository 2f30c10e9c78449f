"""A fourth task, of a plugin: which of two texts somebody preferred. What it shares with behavior it takes there."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from recipes.options.data import DataOptions
from recipes.tasks.behavior import (
    CUT,
    METRICS,
    RESAMPLED,
    STOPPING,
    baselines,
    beside_prior,
    carried,
    decisions,
    guesses,
    measured,
    metrics,
    statistics,
    unusable,
    used,
)
from recipes.tasks.roles import GROUP, TIMESTAMP, WEIGHT, Role, Target
from recipes.tasks.task import Cells, Sections

__all__ = [
    "CUT",
    "METRICS",
    "RESAMPLED",
    "STOPPING",
    "baselines",
    "beside_prior",
    "carried",
    "decisions",
    "guesses",
    "measured",
    "metrics",
    "statistics",
    "unusable",
    "used",
]

NAME: Final = "preference"
ANSWERS: Final = "labels"
CALL: Final = "analyze"
OPTIONS: Final = frozenset({"head"})
ROLES: Final[Mapping[str, Role]] = {
    "first": Role("one text", read=True, filled=True),
    "second": Role("the other text", read=True, filled=True),
    "preferred": Role("1 or 2", ("choice",)),
    "weight": WEIGHT,
    "timestamp": TIMESTAMP,
    "group": GROUP,
}
DERIVED: Final = ()
PROMPT_NAMES: Final = None
REWORDED: Final = ("first", "second")
DEFAULT_PREFIX_TEXT: Final = "Which of two texts do people prefer?"
SAYS: Final = "Says which of two texts is preferred."
EXAMPLE: Final = 'registry.analyze("{name}", [{{"first": "Buy it", "second": "Try it"}}])'
SAMPLES: Final = ({"first": "Buy it now", "second": "Try it today"},)
LIMITS: Final = ("Two texts are compared as they stand, the first one first.",)
LABELS = ("first", "second")


def misfits(recipe: Mapping[str, Any]) -> list[str]:
    return []


def required(has: Collection[str], features: Sequence[str], data: DataOptions) -> list[str]:
    return [role for role in ("first", "second", "preferred") if role not in has]


def reads_all(roles: Collection[str], data: DataOptions) -> bool:
    return False


def render(fields: Mapping[str, str], recipe: Sections) -> str:
    return f"1: {fields['first']}\n2: {fields['second']}"


def target(cells: Cells, weight: float) -> Target:
    text = cells.text("preferred")
    if text not in ("1", "2"):
        cells.report("preferred", "expected 1 or 2", "Write which of the two", text)
        return Target(())
    return Target(((int(text) - 1, weight),))


def labels(names: Collection[str]) -> tuple[str, ...]:
    return LABELS


def remarks(parts: Mapping[str, Sequence[Any]], labels: Sequence[str], recipe: Sections) -> list[str]:
    return []
