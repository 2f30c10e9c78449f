"""Products of fp32 rows with 4-bit weights on a CPU, with a backward; exact to the weights that the codes stand for.

Few rows are multiplied by nf4_cpu.c, which reads each weight once, in its 4 bits. For many, unpacking is a small part:
the weight is unpacked, faster than bitsandbytes does on most processors and to the same bits, and PyTorch multiplies.
"""

import ctypes
import threading
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

FEW_ROWS = 24  # from here on, unpacking and PyTorch's own product are faster in the first cache
SOURCE = Path(__file__).with_name("nf4_cpu.c")
_passing = threading.local()


class Nf4Weight:
    """A weight `[outputs, inputs]` as bitsandbytes packs it, to multiply with.

    Args:
        library: of `declared`.
        shape: of the weight.
        codes: two a byte, uint8, `[outputs * inputs / 2]` in any shape.
        code: what they stand for, `[16]`.
        block: how many codes share a scale: a power of two, 32 or more, of which `inputs` is a multiple. (Of other
            weights bitsandbytes 0.50 unpacks on a CPU something else than on a GPU, and is left to do so.)
        scales: `[outputs * inputs / block]`, float32; or uint8 in double quantization.
        nested: of double quantization: the values of 8 bits `[256]`, scales of the scales, how many share one, and
            what is added to all.

    Raises:
        ValueError: it is of a shape that cannot be multiplied here.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        shape: tuple[int, int],
        codes: Tensor,
        code: Tensor,
        block: int,
        scales: Tensor,
        nested: tuple[Tensor, Tensor, int, float] | None = None,
    ) -> None:
        outputs, inputs = shape
        floats = [code, scales] if nested is None else [code, nested[0], nested[1]]
        blocks = [block] if nested is None else [block, nested[2]]
        if inputs % block or block < 32 or any(size & (size - 1) for size in blocks):
            raise ValueError(f"{inputs} inputs in blocks of {blocks}")
        for tensor in (codes, scales, *floats):
            if tensor.device.type != "cpu" or not tensor.is_contiguous():
                raise ValueError("not in a CPU's memory, or not in order")
        if any(tensor.dtype != torch.float32 for tensor in floats) or codes.dtype != torch.uint8:
            raise ValueError("of another type")
        if 2 * codes.numel() != outputs * inputs or scales.numel() * block < outputs * inputs:
            raise ValueError("of another size")
        self.outputs, self.inputs = shape
        self._held = (codes, code, scales, nested)  # what the pointers point at
        bits = [size.bit_length() - 1 for size in blocks]
        self._weight = _Weight(
            outputs, inputs, codes.data_ptr(), code.data_ptr(), bits[0],
            *((scales.data_ptr(), None, None, None, 0, 0.0) if nested is None else
              (None, scales.data_ptr(), nested[0].data_ptr(), nested[1].data_ptr(), bits[1], nested[3])),
        )  # fmt: skip
        self._at = ctypes.byref(self._weight)
        self._library = library

    def product(self, x: Tensor) -> Tensor:
        """x: float32, `[..., inputs]`; returns `[..., outputs]`, with a gradient for x where one may be asked for."""
        if torch.is_grad_enabled() and x.requires_grad:
            y: Tensor = _Product.apply(x, self)  # type: ignore[no-untyped-call]
            return y
        return self.multiply(x)

    def multiply(self, x: Tensor) -> Tensor:
        """The same without a gradient."""
        rows = x.numel() // self.inputs
        if rows > FEW_ROWS:
            return torch.nn.functional.linear(x, self._unpacked())
        x = x.contiguous()
        y = x.new_empty(*x.shape[:-1], self.outputs)
        self._library.nf4_multiply(
            self._at, x.data_ptr(), rows, y.data_ptr(), threads_for(rows * self.outputs * self.inputs)
        )
        return y

    def multiply_back(self, y: Tensor) -> Tensor:
        """y: `[..., outputs]`; returns `[..., inputs]`: the product with the weight as it is."""
        return torch.matmul(y, self._unpacked())

    def unpack(self, out: Tensor) -> Tensor:
        """Write the weight to `out`, float32 `[outputs, inputs]`, as bitsandbytes gives it to the last bit."""
        self._library.nf4_unpack(self._at, out.data_ptr(), threads_for(self.outputs * self.inputs))
        return out

    def _unpacked(self) -> Tensor:
        """The weight in memory that this thread's next product overwrites: new memory for each would cost as much as
        unpacking."""
        size, room = self.outputs * self.inputs, getattr(_passing, "room", None)
        if room is None or room.numel() < size:
            with torch.inference_mode(False):
                room = _passing.room = torch.empty(size, dtype=torch.float32)
        return self.unpack(room[:size].view(self.outputs, self.inputs))


def declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """The library of `SOURCE` with the types of its two functions. Raises ValueError where a small product is wrong."""
    pointer, count = ctypes.c_void_p, ctypes.c_int64
    library.nf4_multiply.argtypes = [ctypes.POINTER(_Weight), pointer, count, pointer, ctypes.c_int]
    library.nf4_unpack.argtypes = [ctypes.POINTER(_Weight), pointer, ctypes.c_int]
    library.nf4_multiply.restype = library.nf4_unpack.restype = None
    code, codes = torch.linspace(-1, 1, 16), torch.arange(6 * 32).to(torch.uint8)
    scales, x = torch.arange(1.0, 7.0), torch.linspace(-1, 2, 3 * 64).view(3, 64)
    weight = _Weight(6, 64, codes.data_ptr(), code.data_ptr(), 6, scales.data_ptr())
    plain = code[torch.stack([codes >> 4, codes & 15], -1).long()].view(6, 64)
    for rows in (1, 3):
        y, expected = torch.empty(rows, 6), x[:rows] @ (plain * scales[:, None]).T
        library.nf4_multiply(ctypes.byref(weight), x.data_ptr(), rows, y.data_ptr(), 2)
        if not torch.allclose(y, expected, rtol=1e-4, atol=1e-4):
            raise ValueError("the compiler makes wrong products; another one may do better (CC=...)")
    return library


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Nf4Weight) -> Tensor:
        ctx.weight = weight
        return weight.multiply(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, y: Tensor) -> tuple[Tensor, None]:
        return ctx.weight.multiply_back(y), None


class _Weight(ctypes.Structure):
    """struct nf4 of nf4_cpu.c."""

    _fields_ = (
        ("outputs", ctypes.c_int64),
        ("inputs", ctypes.c_int64),
        ("codes", ctypes.c_void_p),
        ("code", ctypes.c_void_p),
        ("block_bits", ctypes.c_int64),
        ("scales", ctypes.c_void_p),
        ("scales8", ctypes.c_void_p),
        ("table8", ctypes.c_void_p),
        ("scales_of_scales", ctypes.c_void_p),
        ("block8_bits", ctypes.c_int64),
        ("offset", ctypes.c_float),
    )


def threads_for(multiplications: int) -> int:
    """As many as pay: to wake one costs as much as some ten thousand multiplications."""
    return max(1, min(torch.get_num_threads(), multiplications >> 16))
