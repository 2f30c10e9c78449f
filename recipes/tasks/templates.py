"""From cells to the text that the model reads: a cell as text, and the templates that it is filled into.

The same for a training row, a test row and a request.
"""

import re
import string
from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from functools import lru_cache
from numbers import Number
from typing import Any
from uuid import UUID

import numpy as np

from adapters.errors import RequestError

_DEEPEST = 100
# How programs write that a value is missing. They stay texts, since a person may write them too.
SAY_NOTHING = frozenset(
    r"NULL null (null) \N N/A n/a #N/A NaN nan <NA> None undefined #REF! #VALUE! #NAME? #DIV/0! #NUM! #NULL!".split()
)

# A byte order mark too: where files are joined, it stands in the middle of a text that it is no part of.
_CONTROL = re.compile("[\x01-\x08\x0e-\x1f\x7f\ufeff]")
_CONTROLS = {
    **dict.fromkeys([*range(1, 9), *range(14, 28), 127, 0xFEFF]),
    **dict.fromkeys(range(28, 32), " "),
}


class NotText(RequestError):
    """A cell that is no text and cannot become one. what: is wrong with it; fix: what to do; name: its role or feature,
    where that is known."""

    def __init__(self, what: str, fix: str, name: str | None = None) -> None:
        super().__init__(f"{'a cell' if name is None else f'`{name}`'} {what}. {fix}")
        self.what, self.fix, self.name = what, fix, name


def text_of(cell: Any) -> str:
    """A cell as text, white space around it removed; nothing is "".

    Lists become "a, b", mappings lines of "key: value" (inside another value joined by "; "), true and false their
    names in JSON, dates ISO 8601; bytes are read as UTF-8. Raises NotText for all other types, for what is nested too
    deep, and for bytes, half characters and NUL, which no text holds. Other control characters are taken out.
    """
    text = cell.strip() if type(cell) is str else _text(cell, depth=0).strip()
    if not text.isprintable():
        if "\0" in text:
            raise NotText(
                "holds NUL, which is no character of a text", "Take it out, or put a space in its place"
            )
        text = without_controls(text).strip()
    return text if text.isascii() else _whole(text)


def as_written(cell: Any) -> str:
    """A cell as text with all that it holds, also what no text may; "" for one that is none."""
    try:
        return cell if type(cell) is str else _text(cell, depth=0)
    except NotText:
        return ""


def without_controls(text: str) -> str:
    """A text without the characters that act on a terminal and say nothing, which no CSV, page or workbook can be
    trusted with; a space in the place of those that part fields. White space stays, and so does NUL."""
    return text.translate(_CONTROLS) if _CONTROL.search(text) else text


def _whole(text: str) -> str:
    """The text itself. Raises NotText for half a character: no tokenizer takes it, and no file holds it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X}"
        raise NotText(
            f"holds half a character (the surrogate {half})", "Write whole ones, as UTF-8 has them"
        ) from None
    return text


def _text(cell: Any, depth: int) -> str:
    if depth > _DEEPEST:
        raise NotText(
            f"holds lists in lists more than {_DEEPEST} deep", "Write what a reader would read, as text"
        )
    if hasattr(cell, "tolist"):
        cell = _plain(cell)
    if isinstance(cell, str):
        return cell
    if _is_missing(cell):
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, Mapping):
        pairs = [(_text(key, depth + 1), _text(value, depth + 1).strip()) for key, value in cell.items()]
        return ("; " if depth else "\n").join(f"{key}: {text}" for key, text in pairs if text)
    if isinstance(cell, list | tuple):
        return ", ".join(text for value in cell if (text := _text(value, depth + 1).strip()))
    if isinstance(cell, bytes | bytearray):
        return _decoded(bytes(cell))
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, Number | timedelta | UUID):
        return str(cell)
    raise NotText(
        f"is of the type {type(cell).__name__}, which is no text",
        "Write a text, a number, a date, a list or a mapping",
    )


def _plain(cell: Any) -> Any:
    """Numbers, moments and arrays of numpy (and what has its `tolist`) as those of Python."""
    if isinstance(cell, memoryview):
        return bytes(cell)
    if isinstance(cell, np.ndarray) and cell.dtype.kind in "mM":
        return list(cell) if cell.ndim else _plain(cell[()])
    if isinstance(cell, np.datetime64 | np.timedelta64):
        if np.isnat(cell):
            return None
        # Python knows no nanoseconds: what has some is written as numpy and pandas write it.
        micro = cell.astype(f"{cell.dtype.kind}8[us]")
        return micro.tolist() if micro == cell else str(cell)
    return cell.tolist()


def _is_missing(cell: Any) -> bool:
    """None, NaN, and what pandas has for it."""
    if isinstance(cell, Decimal):
        return cell.is_nan()
    return cell is None or type(cell).__name__ in ("NAType", "NaTType") or (cell != cell) is True


def _decoded(cell: bytes) -> str:
    try:
        return cell.decode()
    except UnicodeDecodeError:
        raise NotText("holds bytes that are no UTF-8 text", "Write it as text, in UTF-8") from None


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
