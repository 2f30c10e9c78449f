"""From cells to the text that the model reads: a cell as text, and the templates that it is filled into.

The same for a training row, a test row and a request.
"""

import string
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from adapters.errors import RequestError

_DEEPEST = 100


def text_of(cell: Any) -> str:
    """A cell as text, white space around it removed; nothing is "".

    Lists become "a, b", mappings lines of "key: value" (inside another value joined by "; "), true and false their
    names in JSON, dates ISO 8601.
    """
    return cell.strip() if type(cell) is str else _text(cell, depth=0).strip()


def _text(cell: Any, depth: int) -> str:
    if depth > _DEEPEST:
        raise RequestError(
            f"a cell holds lists in lists more than {_DEEPEST} deep; give what is meant as text"
        )
    if hasattr(cell, "tolist"):  # numpy's numbers and arrays are those of Python
        cell = cell.tolist()
    if cell is None or (isinstance(cell, float) and cell != cell):
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, Mapping):
        parts = [f"{key}: {text}" for key, value in cell.items() if (text := _text(value, depth + 1).strip())]
        return ("; " if depth else "\n").join(parts)
    if isinstance(cell, list | tuple):
        return ", ".join(text for value in cell if (text := _text(value, depth + 1).strip()))
    return cell.isoformat() if isinstance(cell, date) else str(cell)


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
    try:
        return "".join([text if name is None else text + fields[name] for text, name in _parts(template)])
    except KeyError:
        missing = ", ".join(name for name in placeholders(template) if name not in fields)
        given = ", ".join(fields) or "nothing"
        raise RequestError(f"the text needs {missing}; given: {given}. Give the missing ones too") from None


def with_features(text: str, fields: Mapping[str, str], features: Sequence[str]) -> str:
    """`text`, then a line "feature: value" for each feature that has a value.

    User: searched trail shoes; bought socks
    Ad: Light trail shoes for wet ground
    season: autumn
    """
    lines = [f"{name}: {fields[name]}" for name in features if fields.get(name)]
    return "\n".join([text, *lines] if text else lines)
