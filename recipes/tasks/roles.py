"""What a column can mean to a task, and what a row teaches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recipes.tasks.templates import placeholders


@dataclass(frozen=True)
class Role:
    """One meaning of a column.

    often: what clients call it; only ever used to suggest, never to guess. read: whether the model or a baseline reads
    its text; the others say how a row is used. filled: whether a cell of it must not be empty; if_empty: what to write
    then. named: whether a column has it only where the recipe says so, and not by its name alone.
    """

    meaning: str
    often: tuple[str, ...] = ()
    read: bool = False
    filled: bool = False
    if_empty: str = ""
    named: bool = False


GROUP = Role(
    "what is ranked together, and what never stands on both sides of a split", ("session", "query_id")
)
TIMESTAMP = Role("when it happened; the past trains, the future tests", ("time", "date", "datetime", "ts"))
WEIGHT = Role("how much the row counts, above 0", ("weights", "count", "sample_weight"))

ADS = ("ad_id", "ad")  # which ad it is, by the first of them that a file has; a number there is a name


FILL = "Fill it in, or remove the row"
CALLED = {"train": "training", "validation": "validation", "test": "test"}


@dataclass(frozen=True, slots=True)
class Target:
    """What a row teaches.

    outcomes: (index of the label, or None where `names` says it, weight), one for each example that the row becomes;
    none for a row that says nothing. names: labels by name. copy: a reference text.
    """

    outcomes: tuple[tuple[int | None, float], ...]
    names: tuple[str, ...] = ()
    copy: str | None = None


def read_roles(roles: Mapping[str, Role]) -> tuple[str, ...]:
    """Those whose text the model or a baseline reads."""
    return tuple(name for name, role in roles.items() if role.read)


def feature_names(
    features: Sequence[str] | str, fields: Mapping[str, str], roles: Mapping[str, Role], template: str | None
) -> tuple[str, ...]:
    """The features that stand below the text: those of the recipe, or all fields without a role; none twice."""
    names = (
        tuple(name for name in fields if name not in roles) if isinstance(features, str) else tuple(features)
    )
    if not template:
        return names
    shown = set(placeholders(template))
    return tuple(name for name in names if name not in shown)


def feature_columns(
    features: Sequence[str] | str, examples: Sequence[Mapping[str, str]], roles: Mapping[str, Role]
) -> tuple[str, ...]:
    """The features that these rows have, whether or not a template shows them."""
    every = dict.fromkeys(name for fields in examples for name in fields if name not in roles)
    return tuple(name for name in every if isinstance(features, str) or name in features)
