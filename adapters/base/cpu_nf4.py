"""4-bit products on CPUs with AVX512-BF16: bitsandbytes' fused kernel to answer with, exact products to train with.

bitsandbytes (0.50) repacks a weight in place at its first inference on such a CPU: scales are rounded to bfloat16,
and the kernel has no backward, so that whatever is trained afterwards on the same base loses its gradients without a
word. Here the weight stays as it is, and the repacked form lies beside it. A CPU base then takes twice its 4 bits;
where that memory is not there, products stay exact, at about half the speed.
"""

import copy
import threading
from typing import Any

import torch
from torch import Tensor, nn

from adapters.base.bitsandbytes_import import bitsandbytes
from adapters.base.memory import free_memory

functional, Linear4bit = bitsandbytes.functional, bitsandbytes.nn.Linear4bit
_repack: Any = getattr(
    functional, "_convert_weight_packed_for_cpu", None
)  # not public: another version may lack it


def split_products(model: nn.Module) -> None:
    """Give every 4-bit layer on a CPU with AVX512-BF16 both kinds of product."""
    for module in model.modules():
        if isinstance(module, Linear4bit) and getattr(module, "support_avx512bf16_for_cpu", False):
            module.support_avx512bf16_for_cpu = False
            if module.weight.device.type == "cpu":
                module.forward = _Products(module)  # type: ignore[method-assign]


def repacked_bytes(model: nn.Module) -> int:
    """Bytes of the repacked weights beside those of the model."""
    forwards = (vars(module).get("forward") for module in model.modules())
    return sum(forward.repacked_bytes for forward in forwards if isinstance(forward, _Products))


class _Products:
    """The forward of one layer."""

    def __init__(self, layer: Linear4bit) -> None:
        self._layer = layer
        self._lock = threading.Lock()
        self._packed: tuple[Tensor, Any] | None = None
        weight: Any = layer.weight
        self._fits = (
            _repack is not None
            and layer.out_features % 32 == 0
            and layer.in_features % int(weight.quant_state.blocksize) == 0
        )

    @property
    def repacked_bytes(self) -> int:
        """Bytes of the repacked weight, 0 before it is needed."""
        return 0 if self._packed is None else self._packed[0].nbytes

    def __call__(self, x: Tensor) -> Tensor:
        """x: `[..., in]`; returns `[..., out]`. Exact where gradients may be asked for."""
        layer = self._layer
        if torch.is_grad_enabled() or not self._fits:
            return type(layer).forward(layer, x)  # type: ignore[no-any-return]
        if self._packed is None and not self._pack():
            return type(layer).forward(layer, x)  # type: ignore[no-any-return]
        assert self._packed is not None
        weight, state = self._packed
        y = functional.gemv_4bit(x.to(layer.compute_dtype), weight, state=state)
        if layer.bias is not None:
            y = y + layer.bias.to(y.dtype)
        return y.to(x.dtype)  # type: ignore[no-any-return]

    def _pack(self) -> bool:
        """Repack a copy of the weight, once; False where there is no memory for it."""
        with self._lock, torch.inference_mode(False):
            weight: Any = self._layer.weight
            if self._packed is None and 8 * weight.numel() > free_memory(weight.device):
                self._fits = False
            elif self._packed is None:
                state = copy.copy(weight.quant_state)
                self._packed = _repack(weight.data, state)
            return self._packed is not None
