"""Python's cyclic garbage collector: held back while many objects come that stay, and spared what only it finds."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["without_collector", "without_frames"]

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


def without_frames(error: _Error) -> _Error:
    """An error that is kept, without the frames that it came through: one of them holds the list that it is kept in,
    and with it all that stands there, until the collector comes."""
    each: BaseException | None = error
    while each is not None:
        each.__traceback__ = None
        each = each.__cause__ or each.__context__
    return error
