"""The output head of an unquantized or 4-bit base on a CPU, for a few rows: half the bytes, the same product.

It is by far the largest weight that stays in floats, and read whole for each token. Where it was trained in bfloat16,
as most are, it is also kept so, from the first time that a few rows are asked for.
"""

import ctypes
import threading
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from adapters.base.memory import free_memory
from adapters.kernels.compiled import CompileFault, compiled
from adapters.kernels.half_cpu import FEW_ROWS, SOURCE, declared, halved, multiply


def quick_head(model: Any) -> None:
    """Give the output head of a model on a CPU a product for few rows, where it has one."""
    head: Any = model.get_output_embeddings()
    plain = type(head) is nn.Linear and getattr(head, "bias", None) is None
    if plain and head.weight.device.type == "cpu":
        head.forward = _Head(head)


@cache
def half_library() -> ctypes.CDLL | None:
    """The compiled product, made and tried once a process; None where there is none."""
    try:
        return declared(compiled(SOURCE))
    except (CompileFault, ValueError):
        return None


class _Head:
    """The forward of a head."""

    def __init__(self, layer: nn.Linear) -> None:
        self._layer = layer
        self._lock = threading.Lock()
        # A weight, where it lies, and the same in half the bytes.
        self._own: tuple[Tensor | None, int, Tensor | None] = (None, 0, None)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy of the layer makes its own."""
        return type(self), (self._layer,)

    @property
    def repacked_bytes(self) -> int:
        """Bytes beside the weight, 0 before they are needed."""
        return 0 if self._own[2] is None else self._own[2].nbytes

    def __call__(self, x: Tensor) -> Tensor:
        """x: `[..., in]`; returns `[..., out]`."""
        weight = self._layer.weight
        few = x.dtype == torch.float32 and 0 < x.numel() <= FEW_ROWS * weight.shape[1]
        if few and not torch.compiler.is_compiling() and not (torch.is_grad_enabled() and x.requires_grad):
            half, library = self._half(weight), half_library()
            if half is not None and library is not None:
                return multiply(library, x, half)
        return nn.functional.linear(x, weight)

    def _half(self, weight: Tensor) -> Tensor | None:
        if self._own[0] is not weight or self._own[1] != weight.data_ptr():
            with self._lock, torch.inference_mode(False), torch.no_grad():
                fits = 4 * weight.nbytes < free_memory(weight.device)
                self._own = (weight, weight.data_ptr(), halved(weight.detach()) if fits else None)
        return self._own[2]
