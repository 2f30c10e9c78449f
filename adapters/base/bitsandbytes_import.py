"""bitsandbytes, imported without the compiler that it decorates a few functions with.

`torch.compile` as a decorator imports torch's whole compiler, a second or more of CPU time at the start of every
command, for functions that are hardly ever called here (of optimizers and of devices without kernels of their own).
While bitsandbytes is imported, what it decorates is compiled at its first call instead. What uses bitsandbytes takes it
from here, so that this import is the first.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from types import FunctionType
from typing import Any

import torch


@contextmanager
def compiling_later() -> Iterator[None]:
    """Meanwhile, `torch.compile` of a function by this thread takes effect when the function is first called."""
    now, importing = torch.compile, threading.get_ident()

    def later(model: Any = None, **options: Any) -> Any:
        if threading.get_ident() != importing:
            return now(model, **options)
        if model is None:
            return lambda function: later(function, **options)
        return _compiled_later(now, model, options) if type(model) is FunctionType else now(model, **options)

    torch.compile = later
    try:
        yield
    finally:
        torch.compile = now


def _compiled_later(
    compile_now: Callable[..., Any], function: Callable[..., Any], options: dict[str, Any]
) -> Callable[..., Any]:
    compiled = cache(lambda: compile_now(function, **options))

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        return compiled()(*arguments, **named)

    return call


with compiling_later():
    import bitsandbytes

__all__ = ["bitsandbytes", "compiling_later"]
