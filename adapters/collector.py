"""Python's cyclic garbage collector: held back while many objects come that stay, and spared what only it finds."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["coming_and_going", "without_collector", "without_frames"]

_Error = TypeVar("_Error", bound=BaseException)


@contextmanager
def without_collector() -> Iterator[None]:
    """While objects come by the thousand and stay: the collector would walk over all of them, and now and then over all
    that was ever loaded, again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def coming_and_going() -> Iterator[None]:
    """As `without_collector`, for many objects that go as they came, when nobody names them any more.

    They are of the oldest generation then, and uncounted: new ones that are a quarter as many as the old would let the
    collector walk over everything (CPython's `long_lived_pending`), each time in a quarter of a second.
    """
    with without_collector():
        try:
            yield
        finally:
            if not gc.get_freeze_count():  # what a program has frozen stays so
                gc.freeze()
                gc.unfreeze()


def without_frames(error: _Error) -> _Error:
    """An error that is kept, and what it was raised from, without the frames that they came through: one of them holds
    the list that it is kept in, and with it all that stands there, until the collector comes. What was being handled
    meanwhile may be the caller's, and is let go of as it is."""
    each: BaseException | None = error
    seen: set[int] = set()
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        each.__traceback__ = each.__context__ = None
        each = each.__cause__
    return error
