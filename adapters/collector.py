"""Python's cyclic garbage collector: held back while many objects come that stay, and spared what only it finds."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TypeVar

__all__ = ["coming_and_going", "walk_at_times", "without_collector", "without_frames"]

_Error = TypeVar("_Error", bound=BaseException)
_WALKS = 20.0  # seconds between two walks over everything
_walked = monotonic()


@contextmanager
def without_collector() -> Iterator[bool]:
    """While objects come by the thousand and stay: the collector would walk over all of them, and now and then over all
    that was ever loaded, again and again. Gives whether it was at work."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield enabled
    finally:
        if enabled:
            gc.enable()


@contextmanager
def coming_and_going() -> Iterator[None]:
    """As `without_collector`, for many objects that go as they came, when nobody names them any more.

    They are of the oldest generation then, and uncounted: new ones that are a quarter as many as the old would let the
    collector walk over everything (CPython's `long_lived_pending`), each time in a quarter of a second. Whoever makes
    them again and again calls `walk_at_times` in between.
    """
    with without_collector() as enabled:
        try:
            yield
        finally:
            if enabled and not gc.get_freeze_count():  # what a program has frozen stays so
                gc.freeze()
                gc.unfreeze()


def walk_at_times() -> None:
    """Find what only a walk finds: over everything every 20 seconds, else over what is young, before it grows old."""
    global _walked
    if gc.isenabled():
        over_all = monotonic() - _walked > _WALKS
        gc.collect(2 if over_all else 1)
        _walked = monotonic() if over_all else _walked


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
