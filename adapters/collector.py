"""Python's cyclic garbage collector, held back while many objects come that stay for a while."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["without_collector"]


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
