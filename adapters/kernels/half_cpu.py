"""Products of a few fp32 rows with weights trained in bfloat16, on a CPU: half the bytes, the same product."""

import ctypes
from pathlib import Path

import torch
from torch import Tensor

FEW_ROWS = 8  # with more, PyTorch multiplies as fast: it no longer waits for memory
SOURCE = Path(__file__).with_name("half_cpu.c")


def declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """The library of `SOURCE` with the types of its function. Raises ValueError where a small product is wrong."""
    pointer, count = ctypes.c_void_p, ctypes.c_int64
    library.half_multiply.argtypes = [pointer, count, count, pointer, count, pointer, ctypes.c_int]
    library.half_multiply.restype = None
    x, weight = (
        torch.linspace(-1, 2, 2 * 35).view(2, 35),
        torch.linspace(-3, 3, 6 * 35).view(6, 35).bfloat16(),
    )
    if not torch.allclose(multiply(library, x, weight, 2), x @ weight.float().T, rtol=1e-4, atol=1e-4):
        raise ValueError("the compiler makes wrong products; another one may do better (CC=...)")
    return library


def halved(weight: Tensor) -> Tensor | None:
    """A float32 weight in bfloat16; None where it would lose anything, or does not lie in a CPU's memory."""
    if weight.dtype != torch.float32 or weight.device.type != "cpu" or not weight.is_contiguous():
        return None
    half = weight.bfloat16()
    rows = 1 + (1 << 22) // max(1, weight.shape[-1])
    same = (torch.equal(a, b.float()) for a, b in zip(weight.split(rows), half.split(rows), strict=True))
    return half if all(same) else None


def multiply(library: ctypes.CDLL, x: Tensor, weight: Tensor, threads: int = 1) -> Tensor:
    """x: float32, `[..., inputs]`; weight: bfloat16, `[outputs, inputs]`; returns `[..., outputs]`, without a
    gradient."""
    x = x.contiguous()
    outputs, inputs = weight.shape
    rows = x.numel() // inputs
    y = x.new_empty(*x.shape[:-1], outputs)
    library.half_multiply(weight.data_ptr(), outputs, inputs, x.data_ptr(), rows, y.data_ptr(), threads)
    return y
