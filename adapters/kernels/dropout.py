"""Which inputs of a low-rank term are dropped: each row draws from its own key."""

import zlib

import torch
from torch import Tensor

from adapters.kernels.plan import LoraRows

_PARTS = 2**16  # a share is a number of 65536ths


def drawn(rows: LoraRows, layer: str, x: Tensor) -> tuple[Tensor, Tensor] | None:
    """What is dropped of the inputs `x [rows.range, tokens, in]` of a layer, bool of the same shape, and by what each
    row's others are multiplied so that the mean stays, `[rows.range, 1, 1]`. None where no row has dropout."""
    if not rows.dropout:
        return None
    salt = zlib.crc32(layer.encode())
    dropped = torch.zeros(x.shape, dtype=torch.bool, device=x.device)
    factors = [1.0] * len(x)
    for segment in rows.active:
        own = None if segment.slot is None else rows.dropout.get(segment.slot)
        if own is None:
            continue
        parts, start = round(own.share * _PARTS), segment.start - rows.range.start
        for row, (key, length) in enumerate(zip(own.keys, own.lengths, strict=True), start):
            first = x.shape[1] - length if own.left else 0
            seed = zlib.crc32(key.to_bytes(8), salt)  # PyTorch's generator on a CPU takes 32 bits
            bits = _bits(length * x.shape[2], seed, x.device).view(length, x.shape[2])
            torch.lt(bits, parts - _PARTS // 2, out=dropped[row, first : first + length])
            factors[row] = _PARTS / (_PARTS - parts)
    return dropped, torch.tensor(factors, device=x.device)[:, None, None]


def _bits(count: int, seed: int, device: torch.device) -> Tensor:
    """Independent int16, uniform over all their values; drawn 64 bits at a time, an eighth of bernoulli's time."""
    stream = torch.Generator(device).manual_seed(seed)
    words = torch.empty(-(-count // 4), dtype=torch.int64, device=device)
    return words.random_(-(2**63), None, generator=stream).view(torch.int16)[:count]
