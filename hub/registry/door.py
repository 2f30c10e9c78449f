"""What a request may be: types and ranges, seen to before an adapter is looked for.

Behind this door a request is what its type says. What its cells hold is seen to where they become text (`text_of`),
what its policy says where that is read, and how far numbers of a `Write` may go by `Sampling`.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.errors import RequestError
from adapters.fields import has_halves, shown
from hub.registry.requests import MOST_TEXTS, Analyze, Embed, Recommend, Request, Write
from recipes.options import MOST_DRAFTS

_LARGEST = sys.float_info.max  # whole numbers may be larger, and no float can hold those
_WHOLE = ("n", "seed")
_WHOLE_OR_NONE = ("max_chars", "max_new_tokens", "top_k", "logprobs", "drafts")
_NUMBER_OR_NONE = ("deadline", "temperature", "top_p", "min_p", "repetition_penalty")


def check(request: Any) -> None:
    """See that a request is one. Raises RequestError with all that is wrong with it."""
    if not isinstance(request, Recommend | Analyze | Write | Embed):
        raise RequestError(
            f"{shown(request)} is no request; give a Recommend, an Analyze, a Write or an Embed"
        )
    if problems := list(_problems(request)):
        raise RequestError("; ".join(problems))


def _problems(request: Request) -> Iterator[str]:
    if not _is_reference(request.reference):
        yield f"reference is {shown(request.reference)}; expected client/campaign/task, or a list of such"
    if isinstance(request, Recommend):
        if not _is_text(request.user):
            yield f"user is {shown(request.user)}; expected a text"
        yield from _texts("ads", request.ads)
        yield from _columns("features", request.features)
    elif isinstance(request, Analyze):
        yield from _texts("texts", request.texts)
    elif isinstance(request, Embed):
        if not _is_list(request.texts) or not all(map(_is_text, request.texts)):
            yield f"texts is {shown(request.texts)}; expected a list of texts"
        elif any(map(has_halves, request.texts)):
            yield "texts hold half a character (a lone surrogate); send whole ones"
    else:
        if not _is_text(request.product):
            yield from _columns("product", request.product, "a text, or ")
        yield from _stop(request.stop)
    for names, fits, expected in (
        (_WHOLE, _is_whole, "a whole number"),
        (_WHOLE_OR_NONE, lambda value: value is None or _is_whole(value), "a whole number"),
        (_NUMBER_OR_NONE, lambda value: value is None or _is_number(value), "a finite number"),
    ):
        for name in names:
            if hasattr(request, name) and not fits(getattr(request, name)):
                yield f"{name} is {shown(getattr(request, name))}; expected {expected}"
    if isinstance(request, Write):
        if _is_whole(request.n) and not 1 <= request.n <= MOST_TEXTS:
            yield f"n is {shown(request.n)}; expected 1 to {MOST_TEXTS}"
        if (
            request.drafts is not None
            and _is_whole(request.drafts)
            and not 1 <= request.drafts <= MOST_DRAFTS
        ):
            yield f"drafts is {shown(request.drafts)}; expected 1 to {MOST_DRAFTS}"
        if request.max_chars is not None and _is_whole(request.max_chars) and request.max_chars < 1:
            yield f"max_chars is {shown(request.max_chars)}; expected 1 or more"


def _texts(name: str, given: Any) -> Iterator[str]:
    """A list of texts and mappings of columns."""
    if not _is_list(given):
        yield f"{name} is {shown(given)}; expected a list of texts, or of their columns"
        return
    for index, each in enumerate(given):
        if not isinstance(each, str):
            yield from _columns(f"{name}[{index}]", each, "a text, or ")


def _columns(name: str, given: Any, other: str = "") -> Iterator[str]:
    if not isinstance(given, Mapping):
        yield f"{name} is {shown(given)}; expected {other}a mapping of columns"
    elif odd := [key for key in given if not isinstance(key, str) or has_halves(key)]:
        yield f"{name} has a column that is called {shown(odd[0])}; names of columns are texts"


def _stop(given: Any) -> Iterator[str]:
    if given is None:
        return
    if not _is_list(given) or not all(isinstance(each, str) for each in given):
        yield f"stop is {shown(given)}; expected a list of texts"
    elif any(map(has_halves, given)):
        yield "stop holds half a character (a lone surrogate); send whole ones"


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) or (_is_list(value) and all(isinstance(each, str) for each in value))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST
