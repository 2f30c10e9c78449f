"""What a column can mean to a task, and how a row becomes the text that the model reads."""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from adapters.errors import RequestError


@dataclass(frozen=True)
class Role:
    """One meaning of a column. `often`: what clients call it; only ever used to suggest, never to guess."""

    meaning: str
    required: bool = False
    often: tuple[str, ...] = ()


GROUP = Role(
    "what is ranked together, and what never stands on both sides of a split", often=("session", "query_id")
)
TIMESTAMP = Role(
    "when it happened; the past trains, the future tests", often=("time", "date", "datetime", "ts")
)
WEIGHT = Role("how much the row counts, above 0", often=("weights", "count", "sample_weight"))


def placeholders(template: str) -> tuple[str, ...]:
    """The names in a template, in order: "{user} sees {ad}" -> ("user", "ad"). Raises ValueError with the fix."""
    try:
        parts = _parts(template)
    except ValueError as error:
        raise ValueError(f"{error}; write {{{{ and }}}} for braces that are meant as text") from None
    return tuple(name for _, name in parts if name is not None)


@lru_cache(maxsize=256)
def _parts(template: str) -> tuple[tuple[str, str | None], ...]:
    """(text, the name behind it) of a template, which a file fills once a row."""
    return tuple((literal, name) for literal, name, _, _ in string.Formatter().parse(template))


def fill(template: str, fields: Mapping[str, str]) -> str:
    """The template with each {name} replaced by the field of that name, and {{ }} by braces.

    A name is only ever looked up, never evaluated. Raises RequestError naming the fields that are missing.
    """
    missing = [name for name in placeholders(template) if name not in fields]
    if missing:
        given = ", ".join(fields) or "nothing"
        raise RequestError(f"the text needs {', '.join(missing)}; given: {given}. Give the missing ones too")
    return "".join(literal + (fields[name] if name is not None else "") for literal, name in _parts(template))


def with_features(text: str, fields: Mapping[str, str], features: Sequence[str]) -> str:
    """`text`, then a line "feature: value" for each feature that has a value.

    User: searched trail shoes; bought socks
    Ad: Light trail shoes for wet ground
    season: autumn
    """
    lines = [f"{name}: {fields[name]}" for name in features if fields.get(name)]
    return "\n".join([text, *lines] if text else lines)


def feature_names(
    features: Sequence[str] | str, fields: Mapping[str, str], roles: Mapping[str, Role], template: str | None
) -> tuple[str, ...]:
    """The features that stand below the text: those of the recipe, or all fields without a role; none twice."""
    shown = set(placeholders(template)) if template else set()
    names = [name for name in fields if name not in roles] if isinstance(features, str) else features
    return tuple(name for name in names if name not in shown)


def feature_columns(
    features: Sequence[str] | str, examples: Sequence[Mapping[str, str]], roles: Mapping[str, Role]
) -> tuple[str, ...]:
    """The features that these rows have, whether or not a template shows them."""
    every = dict.fromkeys(name for fields in examples for name in fields if name not in roles)
    return tuple(name for name in every if isinstance(features, str) or name in features)
