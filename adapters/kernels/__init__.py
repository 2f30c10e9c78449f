"""The products of a batch: low-rank terms, added to a layer's output, and those with 4-bit weights on a CPU;
both with a backward for training."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from adapters.kernels.dispatch import add
    from adapters.kernels.plan import Dropout, InputGroup, LoraRows, Scratch, Segment, Weights
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "adapters.kernels.dispatch": ["add"],
            "adapters.kernels.plan": ["Dropout", "InputGroup", "LoraRows", "Scratch", "Segment", "Weights"],
        },
    )

__all__ = ["Dropout", "InputGroup", "LoraRows", "Scratch", "Segment", "Weights", "add"]
