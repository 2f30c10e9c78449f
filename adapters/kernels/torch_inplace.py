"""Low-rank terms in PyTorch for serving: no gradient, so that the layer's output is added to where it lies.

    rows    0 0 0 0 0 0 2 2 2 2      few segments:   one product for each
    rows    4 1 7 0 - 3 5 2 6 8      many:           one batched product, each row's weights gathered;
    rows    3 4 5 6 7                in order:       the same, the weights taken as they lie
    rows    5 3 7 6 4                near, and few   the same, each row moved to its slot's weights and back
                                     tokens a row:

On two CPU cores the batched product wins from the second or third segment on, as long as little is gathered
(`python -m benchmarks.kernels`).
"""

import torch
from torch import Tensor

from adapters.kernels.plan import Grid, LoraRows, Weights

_MOVED = 400_000  # gathering so many numbers takes as long as one more product


def add(output: Tensor, x: Tensor, weights: Weights, bias: Tensor | None, rows: LoraRows) -> Tensor:
    """Add each row's term to `output [rows, tokens, out]`, in place; x: `[rows, tokens, in]`."""
    if rows.tiles:
        together(output, x, weights, bias, rows)
        return output
    moved = 0 if rows.span else len(rows.slots) * rows.rank * (x.shape[2] + output.shape[2])
    if len(rows.active) <= max(1, moved // _MOVED):
        one_by_one(output, x, weights, bias, rows)
    elif moved and 2 * x.shape[1] <= rows.rank and rows.grid:
        in_grid(output, x, weights, bias, rows, rows.grid)
    else:
        together(output, x, weights, bias, rows)
    return output


def in_grid(
    output: Tensor, x: Tensor, weights: Weights, bias: Tensor | None, rows: LoraRows, grid: Grid
) -> None:
    """One batched product over the slots as they lie, the rows moved to them and back."""
    tokens, slots = x.shape[1], grid.slots.stop - grid.slots.start

    def shrink(a: Tensor) -> Tensor:
        """`A x` as `[slots, ranks, places * tokens]`."""
        spread = x[rows.range].to(a.dtype).index_select(0, grid.sources)
        return torch.bmm(a[grid.slots], spread.view(slots, -1, x.shape[2]).transpose(1, 2))

    if rows.rank < weights.group.rank:
        low = shrink(weights.a[:, : rows.rank])
    else:
        low = rows.scratch.shared(weights.group, x, lambda: shrink(weights.group.a))[:, weights.at]
    if weights.scaling is not None:
        low = low * weights.scaling[grid.slots, None, None]
    grown = torch.bmm(low.transpose(1, 2), weights.b[grid.slots, : rows.rank])
    output = output[rows.range]
    _stretch(output, weights, bias, rows)
    output += grown.view(-1, tokens, output.shape[2]).index_select(0, grid.places)


def one_by_one(output: Tensor, x: Tensor, weights: Weights, bias: Tensor | None, rows: LoraRows) -> None:
    """One product for each segment."""
    x = x.to(weights.a.dtype)
    for segment in rows.active:
        slot, own = segment.slot, output[segment.start : segment.stop]
        low = x[segment.start : segment.stop] @ weights.a[slot, : rows.rank].T
        if weights.scaling is not None:
            low *= weights.scaling[slot]
        if weights.gain is not None:
            own.addcmul_(own if bias is None else own - bias, weights.gain[slot])
        b = weights.b[slot, : rows.rank]
        if own.dtype == low.dtype and own.is_contiguous():
            own.view(-1, own.shape[2]).addmm_(low.flatten(0, 1), b)
        else:
            own += low @ b


def together(output: Tensor, x: Tensor, weights: Weights, bias: Tensor | None, rows: LoraRows) -> None:
    """One batched product for all rows of `rows.range`."""

    def shrink(a: Tensor) -> Tensor:
        """`A x` as `[rows, ranks, tokens]`: few rows times many columns is the faster way round."""
        return torch.bmm(_of_rows(a, rows), x[rows.range].to(a.dtype).transpose(1, 2))

    if rows.rank < weights.group.rank:
        low = shrink(weights.a[:, : rows.rank])
    else:
        low = rows.scratch.shared(weights.group, x, lambda: shrink(weights.group.a))[:, weights.at]
    low = low.transpose(1, 2)
    if weights.scaling is not None:
        low = low * weights.scaling.index_select(0, rows.index)[:, None, None]
    output = output[rows.range]
    _stretch(output, weights, bias, rows)
    b = _of_rows(weights.b[:, : rows.rank], rows)
    if output.dtype == low.dtype:
        output.baddbmm_(low, b)
    else:
        output += torch.bmm(low, b)


def _stretch(output: Tensor, weights: Weights, bias: Tensor | None, rows: LoraRows) -> None:
    """DoRA's factor on the base's output of rows in `rows.range`."""
    if weights.gain is not None:
        gain = weights.gain.index_select(0, rows.index)[:, None]
        output.addcmul_(output if bias is None else output - bias, gain)


def _of_rows(tensor: Tensor, rows: LoraRows) -> Tensor:
    """`[slots, rank, size]` to `[rows, rank, size]`."""
    if rows.span:
        return tensor[rows.span]
    room = rows.scratch.take(len(rows.slots), *tensor.shape[1:], like=tensor)
    return torch.index_select(tensor, 0, rows.index, out=room)
