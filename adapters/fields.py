"""What a caller gives, field by field: of the type and in the range that the field's annotation says.

Numbers are finite, whole numbers are whole, and nothing is converted: a text is no number and True is no 1.
"""

import re
from dataclasses import fields
from functools import cache
from typing import Annotated, Any, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo

from adapters.errors import RequestError

__all__ = ["Text", "check_fields", "has_halves", "shown"]
_HALF = re.compile("[\ud800-\udfff]")
_LONGEST = 60  # characters of a wrong value that a message shows


def has_halves(text: str) -> bool:
    """Whether a text holds lone surrogates: halves of characters that JSON can write and UTF-8 cannot."""
    return not text.isascii() and _HALF.search(text) is not None


def _whole_characters(text: str) -> str:
    if has_halves(text):
        raise ValueError("half a character")
    return text


Text = Annotated[str, AfterValidator(_whole_characters)]
"""A text of whole characters."""


def check_fields(given: Any) -> None:
    """See that the fields of a dataclass instance are what they are annotated with.

    What is expected is told in the words of the field's description (`pydantic.Field`), else by its annotation.

    Raises:
        RequestError: names each field that is wrong, with its value and what is expected.
    """
    # Raised where pydantic's error is gone: the garbage collector cannot see into that one, and as the context of ours
    # it would keep all frames of the call, and what they hold, for ever.
    if problems := _problems(given):
        raise RequestError(problems)


def _problems(given: Any) -> str:
    shape, expected = _shape(given.__class__)
    try:
        shape.model_validate(vars(given))
    except ValidationError as error:
        wrong = {_place(found["loc"]): found for found in reversed(error.errors(include_url=False))}
        return "; ".join(
            f"{place} is {shown(found['input'])}; expected {expected[str(found['loc'][0])]}"
            for place, found in reversed(wrong.items())
        )
    return ""


@cache
def _shape(kind: Any) -> tuple[type[BaseModel], dict[str, str]]:
    """(what reads the fields of a dataclass, field -> what it may be)."""
    hints = get_type_hints(kind, include_extras=True)
    own = {field.name: hints[field.name] for field in fields(kind)}
    definitions: Any = {name: (hint, ...) for name, hint in own.items()}
    shape: type[BaseModel] = create_model(
        kind.__name__,
        __config__=ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True),
        **definitions,
    )
    return shape, {name: _in_words(hint) for name, hint in own.items()}


def _in_words(hint: Any) -> str:
    """What a field may be, for a person."""
    said = (extra.description for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, FieldInfo))
    return next((words for words in said if words), str(getattr(hint, "__name__", hint)))


def _place(path: tuple[int | str, ...]) -> str:
    """A field, and where in its list: what follows names the kinds that were tried."""
    return str(path[0]) + "".join(f"[{step}]" for step in path[1:2] if isinstance(step, int))


def shown(value: Any) -> str:
    """A wrong value with its type, for a person: short, and printable whatever it holds."""
    try:
        text = ascii(value)
    except Exception:
        # Whatever a stranger's repr does.
        text = "it"
    return f"{text[:_LONGEST]} ({type(value).__name__})"
