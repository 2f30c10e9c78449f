"""An encoder's last layer for rows of which only the first token is read, as stock classifiers of the BERT family do.

    attention        every token, since the first one looks at all of them
    what follows     the first token alone: no other token's state is looked at any more

What follows is three quarters of the layer's work (9 of 12 products of width by width), an eighth of all of a base of
six layers. The states are those of the whole layer.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from adapters.base.base import ENCODERS, Base
from adapters.format.config import Pooling

_READ = frozenset[Pooling | None]({"first", "pooler"})


def reads_first_alone(base: Base, poolings: Iterable[Pooling | None]) -> bool:
    """Whether of rows with these poolings the first token alone is looked at, and the base is one whose last layer
    knows. None: of a row without a head."""
    return base.config.model_type in ENCODERS and _READ.issuperset(poolings)


@contextmanager
def first_token_alone(base: Base) -> Iterator[None]:
    """Let an encoder's last hidden states be those of each row's first token, `[rows, 1, width]`, meanwhile."""
    last: Any = base.backbone.encoder
    handle = last.layer[-1].attention.output.register_forward_pre_hook(_first)
    try:
        yield
    finally:
        handle.remove()


def _first(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """inputs: what attention found, and the layer's input, `[rows, tokens, width]` each."""
    return tuple(each[:, :1].contiguous() for each in inputs)  # kernels read on from the first number
