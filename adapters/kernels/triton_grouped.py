"""Low-rank terms on CUDA: two Triton kernels for all rows of a step, whatever their slots, reading each slot's weights
where they lie.

The rows of a step are cut into tiles of tokens that share a slot:

    tile          0        1        2     3
    slot          4        4        1     7        decode: one token a row, one row a tile, sums
    tokens    [ 0..15 | 16..23 | 24..39 | 40 ]     prefill: up to 16 tokens a tile, matrix products

`_shrink` gives `low = A x`, its long sum split over several programs, since a step of decoding has too few rows to fill
a GPU otherwise (as in Punica, Chen et al. 2023, arXiv:2310.18547). The parts lie side by side and `_expand` adds them
up, so that the order of summation, and with it the result, is always the same. `_expand` adds `B low` to the layer's
output.
"""

from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from adapters.kernels.plan import LoraRows, Tiles, Weights

_BLOCK_TOKENS = 16  # the least that a matrix product takes
_BLOCK_INPUTS = 128
_BLOCK_OUTPUTS = 128
_SPLIT = 4


def add(output: Tensor, x: Tensor, weights: Weights, bias: Tensor | None, rows: LoraRows) -> Tensor:
    """Add each row's term to `output [rows, tokens, out]`, which is contiguous, in place; x: `[rows, tokens, in]`."""
    tokens, inputs, outputs = x.shape[1], x.shape[2], output.shape[2]
    x = x.reshape(-1, inputs)
    tiles = rows.tiles or _tiles_of(rows, tokens, x.device)
    slots, starts, stops, block = tiles.slots, tiles.starts, tiles.stops, tiles.block
    rank = min(rows.rank, weights.a.shape[1])
    padded = max(16, triton.next_power_of_2(rank))
    low = torch.empty(_SPLIT, x.shape[0], padded, device=x.device, dtype=torch.float32)
    _shrink[(len(slots), _SPLIT)](
        x, weights.a, low, slots, starts, stops, inputs, rank,
        x.stride(0), weights.a.stride(0), weights.a.stride(1), low.stride(0), low.stride(1),
        SPLIT=_SPLIT, RANK=padded, TOKENS=block, INPUTS=_BLOCK_INPUTS,
    )  # fmt: skip
    scaling, gain = weights.scaling, weights.gain
    _expand[(len(slots), triton.cdiv(outputs, _BLOCK_OUTPUTS))](
        low, weights.b, output, slots, starts, stops, outputs, rank,
        low.stride(0), low.stride(1), weights.b.stride(0), weights.b.stride(1), output.stride(1),
        x if scaling is None else scaling, x if gain is None else gain, 0 if gain is None else gain.stride(0),
        x if bias is None else bias,
        SPLIT=_SPLIT, RANK=padded, TOKENS=block, OUTPUTS=_BLOCK_OUTPUTS,
        SCALED=scaling is not None, GAIN=gain is not None, BIAS=bias is not None,
    )  # fmt: skip
    return output


def _tiles_of(rows: LoraRows, tokens: int, device: torch.device) -> Tiles:
    block = 1 if tokens == 1 and len(rows.active) > len(rows.slots) // 2 else _BLOCK_TOKENS
    return _tiles(tuple((s.slot, s.start, s.stop) for s in rows.active), tokens, block, device)


@lru_cache(maxsize=64)
def _tiles(
    segments: tuple[tuple[int, int, int], ...], tokens: int, block: int, device: torch.device
) -> Tiles:
    """The tiles of segments `(slot, first row, end row)`. Made once for all layers."""
    tiles = [
        (slot, first, min(first + block, stop * tokens))
        for slot, start, stop in segments
        for first in range(start * tokens, stop * tokens, block)
    ]
    slots, starts, stops = torch.tensor(tiles, dtype=torch.int32).T.contiguous().to(device)
    return Tiles(slots, starts, stops, block)


@triton.jit
def _shrink(
    x, a, low, slots, starts, stops, inputs, rank,
    x_token, a_slot, a_rank, low_split, low_token,
    SPLIT: tl.constexpr, RANK: tl.constexpr, TOKENS: tl.constexpr, INPUTS: tl.constexpr,
):  # fmt: skip
    """low[split, token, :] = the split's share of A x. One program a tile and split."""
    tile, split = tl.program_id(0), tl.program_id(1)
    slot = tl.load(slots + tile).to(tl.int64)
    token = tl.load(starts + tile) + tl.arange(0, TOKENS)
    own = token < tl.load(stops + tile)
    ranks = tl.arange(0, RANK)
    total = tl.zeros((TOKENS, RANK), dtype=tl.float32)
    for first in range(split * INPUTS, inputs, SPLIT * INPUTS):
        column = first + tl.arange(0, INPUTS)
        inside = column < inputs
        part = tl.load(
            x + token[:, None].to(tl.int64) * x_token + column[None, :],
            mask=own[:, None] & inside[None, :],
            other=0.0,
        ).to(a.dtype.element_ty)
        weight = tl.load(
            a + slot * a_slot + ranks[:, None] * a_rank + column[None, :],
            mask=(ranks[:, None] < rank) & inside[None, :],
            other=0.0,
        )
        if TOKENS == 1:
            total += tl.sum(part.to(tl.float32) * weight.to(tl.float32), axis=1)[None, :]
        else:
            total = tl.dot(part, tl.trans(weight), total, input_precision="ieee")
    tl.store(
        low + split * low_split + token[:, None].to(tl.int64) * low_token + ranks[None, :],
        total,
        mask=own[:, None],
    )


@triton.jit
def _expand(
    low, b, output, slots, starts, stops, outputs, rank,
    low_split, low_token, b_slot, b_rank, output_token,
    scaling, gain, gain_slot, bias,
    SPLIT: tl.constexpr, RANK: tl.constexpr, TOKENS: tl.constexpr, OUTPUTS: tl.constexpr,
    SCALED: tl.constexpr, GAIN: tl.constexpr, BIAS: tl.constexpr,
):  # fmt: skip
    """output[token, :] += B low, with DoRA's factor on what the layer gave. One program a tile and block of outputs."""
    tile = tl.program_id(0)
    slot = tl.load(slots + tile).to(tl.int64)
    token = tl.load(starts + tile) + tl.arange(0, TOKENS)
    own = token < tl.load(stops + tile)
    ranks = tl.arange(0, RANK)
    column = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    inside = column < outputs
    total = tl.zeros((TOKENS, RANK), dtype=tl.float32)
    for split in range(SPLIT):
        total += tl.load(
            low + split * low_split + token[:, None].to(tl.int64) * low_token + ranks[None, :],
            mask=own[:, None],
            other=0.0,
        )
    if SCALED:
        total = total * tl.load(scaling + slot).to(tl.float32)
    weight = tl.load(
        b + slot * b_slot + ranks[:, None] * b_rank + column[None, :],
        mask=(ranks[:, None] < rank) & inside[None, :],
        other=0.0,
    ).to(tl.float32)
    if TOKENS == 1:
        added = tl.sum(tl.reshape(total, (RANK, 1)) * weight, axis=0)[None, :]
    else:
        added = tl.dot(total, weight, input_precision="ieee")
    target = output + token[:, None].to(tl.int64) * output_token + column[None, :]
    mask = own[:, None] & inside[None, :]
    given = tl.load(target, mask=mask, other=0.0).to(tl.float32)
    if GAIN:
        factor = tl.load(gain + slot * gain_slot + column, mask=inside, other=0.0).to(tl.float32)[None, :]
        if BIAS:
            plain = given - tl.load(bias + column, mask=inside, other=0.0).to(tl.float32)[None, :]
            added += plain * factor
        else:
            added += given * factor
    tl.store(target, (given + added).to(output.dtype.element_ty), mask=mask)
