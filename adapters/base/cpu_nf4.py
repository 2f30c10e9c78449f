"""4-bit products on a CPU: which of the ways there are, for each layer.

    compiled   our own products (adapters/kernels/nf4_cpu.c), exact, from 4 bits; where there is a C compiler
    fused      bitsandbytes', on CPUs with AVX512-BF16, to answer with; about twice as fast
    unpacked   exact, with the weight kept as floats beside its 4 bits; where there is no compiler, and memory for it
    plain      exact, and each layer is unpacked by bitsandbytes at each step

bitsandbytes (0.50) repacks a weight in place at its first inference with its fused product: scales are rounded to
bfloat16, and there is no backward, so that whatever is trained afterwards on the same base loses its gradients without
a word. Here the weight stays as it is, and the repacked form lies beside it, where there is memory for both. Training
goes by exact products on any CPU.
"""

import copy
import ctypes
import threading
import warnings
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor, nn

from adapters.base.bitsandbytes_import import bitsandbytes
from adapters.base.memory import free_memory
from adapters.kernels.compiled import CompileFault, compiled
from adapters.kernels.nf4_cpu import SOURCE, Nf4Weight, declared

functional, Linear4bit = bitsandbytes.functional, bitsandbytes.nn.Linear4bit
_repack: Any = getattr(
    functional, "_convert_weight_packed_for_cpu", None
)  # not public: another version may lack it


def split_products(model: nn.Module) -> None:
    """Give every 4-bit layer on a CPU the fastest products that it can have here."""
    layers = [
        module
        for module in model.modules()
        if isinstance(module, Linear4bit) and module.weight.device.type == "cpu"
    ]
    if not layers:
        return
    fault = nf4_compile_fault()
    # All of them, and as much again for what runs on them.
    unpacked = 4 * sum(layer.in_features * layer.out_features for layer in layers)
    keep = fault is not None and 2 * unpacked < free_memory(torch.device("cpu"))
    for layer in layers:
        fused = getattr(layer, "support_avx512bf16_for_cpu", False)
        layer.support_avx512bf16_for_cpu = False
        exact: Literal["compiled", "unpacked", "plain"] = (
            "compiled" if fault is None else "unpacked" if keep else "plain"
        )
        layer.forward = _Products(layer, fused, exact)  # type: ignore[method-assign]
    if fault is not None:
        how = f"kept unpacked, {unpacked / 2**30:.1f} GiB" if keep else "unpacked at each step, which is slow"
        warnings.warn(f"4-bit weights are {how}: fast products need a C compiler ({fault})", stacklevel=2)


def nf4_compile_fault() -> str | None:
    """Why there are no compiled products here; None where there are."""
    library = nf4_library()
    return library if isinstance(library, str) else None


@cache
def nf4_library() -> ctypes.CDLL | str:
    """The compiled products, made and tried once a process; or why there are none."""
    try:
        return declared(compiled(SOURCE))
    except (CompileFault, ValueError) as fault:
        return str(fault)


def repacked_bytes(model: nn.Module) -> int:
    """Bytes of weights in another form, beside those of the model."""
    forwards = (vars(module).get("forward") for module in model.modules())
    return sum(getattr(forward, "repacked_bytes", 0) for forward in forwards)


class _Products:
    """The forward of one layer.

    Args:
        layer: of bitsandbytes.
        fused: whether bitsandbytes has a fused product for it.
        exact: the way of exact products.
    """

    def __init__(
        self, layer: nn.Module, fused: bool, exact: Literal["compiled", "unpacked", "plain"]
    ) -> None:
        self._layer: Any = layer
        self._exact = exact
        self._fused = fused
        self._lock = threading.Lock()
        # A weight, where it lies, and what stands for it.
        self._own: tuple[Any, int, Nf4Weight | Tensor | None] = (None, 0, None)
        self._repacked: tuple[Tensor, Any] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy of the layer makes its own."""
        return type(self), (self._layer, self._fused, self._exact)

    @property
    def repacked_bytes(self) -> int:
        """Bytes beside the weight, 0 before they are needed."""
        kept = [self._repacked[0]] if self._repacked is not None else []
        kept += [self._own[2]] if isinstance(self._own[2], Tensor) else []
        return sum(each.nbytes for each in kept)

    def __call__(self, x: Tensor) -> Tensor:
        """x: `[..., in]`; returns `[..., out]`. Exact where gradients may be asked for."""
        layer = self._layer
        if self._fused and not torch.is_grad_enabled() and self._repack():
            assert self._repacked is not None
            weight, state = self._repacked
            y = functional.gemv_4bit(x.to(layer.compute_dtype), weight, state=state)
            return self._with_bias(y).to(x.dtype)
        own = None
        if x.dtype == torch.float32 and layer.compute_dtype in (None, x.dtype):
            own = self._stand_in() if not torch.compiler.is_compiling() else None
        if own is None:
            return type(layer).forward(layer, x)  # type: ignore[no-any-return]
        return self._with_bias(own.product(x) if isinstance(own, Nf4Weight) else nn.functional.linear(x, own))

    def _with_bias(self, y: Tensor) -> Tensor:
        bias = self._layer.bias
        return y if bias is None else y + bias.to(y.dtype)

    def _stand_in(self) -> Nf4Weight | Tensor | None:
        """What exact products are made with; None is bitsandbytes' own way."""
        if self._exact == "plain":
            return None
        weight, own = self._layer.weight, self._own
        # A library that shards a model puts another weight in its place, or elsewhere, for a step.
        if own[0] is not weight or own[1] != weight.data_ptr():
            with self._lock, torch.inference_mode(False), torch.no_grad():
                self._own = own = (weight, weight.data_ptr(), self._made(weight))
        return own[2]

    def _made(self, weight: Any) -> Nf4Weight | Tensor | None:
        state = getattr(weight, "quant_state", None)
        if state is None or type(weight) is not bitsandbytes.nn.Params4bit:
            return None
        if self._exact == "unpacked":
            made: Tensor = functional.dequantize_4bit(weight.data, state)
            return made if made.dtype == torch.float32 else None
        library, nested = nf4_library(), None
        if isinstance(library, str):
            return None
        if state.nested:
            second = state.state2
            nested = (second.code, second.absmax, int(second.blocksize), float(state.offset))
        try:
            return Nf4Weight(
                library,
                tuple(state.shape),
                weight.data,
                state.code,
                int(state.blocksize),
                state.absmax,
                nested,
            )
        except ValueError:  # inputs that are not whole blocks, and whatever another version may bring
            return None

    def _repack(self) -> bool:
        """Repack a copy of the weight, once; False where there is no memory for it, or it is of a shape that
        bitsandbytes cannot repack."""
        if self._repacked is not None:
            return True
        with self._lock, torch.inference_mode(False):
            weight, layer = self._layer.weight, self._layer
            fits = (
                _repack is not None
                and layer.out_features % 32 == 0
                and layer.in_features % int(weight.quant_state.blocksize) == 0
                and 8 * weight.numel() <= free_memory(weight.device)
            )
            if not fits:
                self._fused = False
            elif self._repacked is None:
                state = copy.copy(weight.quant_state)
                self._repacked = _repack(weight.data, state)
            return fits
