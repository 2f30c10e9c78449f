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
from adapters.kernels.nf4_cpu import threads_for


def quick_head(model: Any) -> None:
    """Give the output head of a model on a CPU a product for few rows, where it has one."""
    head: Any = model.get_output_embeddings()
    plain = type(head) is nn.Linear and getattr(head, "bias", None) is None
    if plain and "forward" not in vars(head) and head.weight.device.type == "cpu":
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
        # A weight, where it lies, its version, and the same in half the bytes.
        self._own: tuple[Tensor | None, int, int, Tensor | None] = (None, 0, 0, None)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy of the layer makes its own."""
        return type(self), (self._layer,)

    @property
    def repacked_bytes(self) -> int:
        """Bytes beside the weight, 0 before they are needed."""
        half = self._own[3]
        return 0 if half is None else half.nbytes

    def __call__(self, x: Tensor) -> Tensor:
        """x: `[..., in]`; returns `[..., out]`."""
        weight = self._layer.weight
        if self._few(x, weight) and (library := half_library()) is not None:
            half = self._half(weight)
            if half is not None:
                return multiply(library, x, half, threads_for(x.numel() * len(weight)))
        return nn.functional.linear(x, weight)

    def _few(self, x: Tensor, weight: Tensor) -> bool:
        """Whether these are few rows that nothing follows but their product."""
        if x.dtype != torch.float32 or x.device.type != "cpu" or x.shape[-1:] != weight.shape[1:]:
            return False
        followed = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
        traced = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        cast = torch.is_autocast_enabled("cpu")
        return 0 < x.numel() <= FEW_ROWS * weight.shape[1] and not (followed or traced or cast)

    def _half(self, weight: Tensor) -> Tensor | None:
        own, key = self._own, _key(weight)
        if own[0] is weight and own[1:3] == key:
            return own[3]
        with self._lock, torch.inference_mode(False), torch.no_grad():
            own = self._own
            if own[0] is not weight or own[1:3] != key:
                if 2 * weight.nbytes > free_memory(weight.device):
                    return None
                self._own = own = (weight, *key, halved(weight.detach()))
            return own[3]


def _key(weight: Tensor) -> tuple[int, int]:
    """Where a weight lies, and how often it was written to."""
    return weight.data_ptr(), 0 if weight.is_inference() else weight._version
