"""Low-rank terms in PyTorch for training: rows of many jobs in one batched product, forward and backward.

    shrink   low = A x       once for all layers that read the same x, such as q, k and v
    expand   output + B low

Their backwards add each row's gradient to its own slot of the stacks' gradients, so that nothing of a slot reaches
another one, and nothing as large as the stacks is made on the way. Where each job has as many rows, the rows of one are
a single matrix:

    rows of 7 7 7 7 9 9      blocks of 2   7 | 7 | 9      weights are gathered, and gradients scattered, once a block
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from adapters.kernels import dropout
from adapters.kernels.plan import InputGroup, LoraRows, Weights


def add(output: Tensor, x: Tensor, weights: Weights, rows: LoraRows) -> Tensor:
    """`output [rows, tokens, out]` plus each row's term; x: `[rows, tokens, in]`. Returns a new tensor."""
    group = weights.group
    shrink: Any = _Shrink.apply
    expand: Any = _Expand.apply
    low = rows.scratch.shared(group, x, lambda: shrink(x, group.a, group, rows))
    result: Tensor = expand(output, low[..., weights.at], weights.b, weights, rows)
    return result


class _Shrink(torch.autograd.Function):
    """`[rows, tokens, in]` to `[rows.range, tokens, ranks]`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, a: Tensor, group: InputGroup, rows: LoraRows) -> Tensor:
        x = x[rows.range]
        dropped, factors = dropout.drawn(rows, group.name, x) or (None, None)
        # As numbers: to multiply by them takes a quarter of the time of a fill.
        kept = None if dropped is None else dropped.logical_not_().view(torch.uint8)
        x = x if kept is None else x * kept
        ctx.save_for_backward(x, kept, factors)
        ctx.group, ctx.rows = group, rows
        low = torch.bmm(_blocks(x.to(a.dtype), rows), a[rows.blocks].transpose(1, 2))
        low = low.view(*x.shape[:2], -1)
        return low if factors is None else low * factors

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, None, None]:
        x, kept, factors = ctx.saved_tensors
        rows, group, a = ctx.rows, ctx.group, ctx.group.a
        gradient = _blocks(gradient if factors is None else gradient * factors, rows)
        own = torch.bmm(gradient.transpose(1, 2), _blocks(x.to(a.dtype), rows))
        _add(own, group.a.grad, rows)
        if not ctx.needs_input_grad[0]:
            return None, None, None, None
        back = torch.bmm(gradient, a[rows.blocks]).view(x.shape)
        back = back if kept is None else back.mul_(kept)
        return _whole(back.to(x.dtype), rows), None, None, None


class _Expand(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, output: Tensor, low: Tensor, b: Tensor, weights: Weights, rows: LoraRows) -> Tensor:
        ctx.save_for_backward(low)
        ctx.weights, ctx.rows = weights, rows
        own, low = _blocks(output[rows.range], rows), _blocks(low, rows)
        if own.dtype == low.dtype:
            own = torch.baddbmm(own, low, _scaled(weights, rows))
        else:
            own = own + torch.bmm(low, _scaled(weights, rows))
        own = own.to(output.dtype).view(-1, *output.shape[1:])
        if len(own) == len(output):
            return own
        return torch.cat([output[: rows.range.start], own, output[rows.range.stop :]])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        (low,), weights, rows = ctx.saved_tensors, ctx.weights, ctx.rows
        inner = _blocks(gradient[rows.range].to(low.dtype), rows)
        own = torch.bmm(_blocks(low, rows).transpose(1, 2), inner)
        own *= weights.scaling[rows.blocks][:, None, None]
        _add(own, weights.b.grad, rows)
        back = torch.bmm(inner, _scaled(weights, rows).transpose(1, 2))
        return gradient, back.view(low.shape), None, None, None


def _blocks(rows_of: Tensor, rows: LoraRows) -> Tensor:
    """`[rows.range, tokens, size]` to `[blocks, rows of one * tokens, size]`."""
    return rows_of.reshape(-1, rows.block * rows_of.shape[1], rows_of.shape[2])


def _add(own: Tensor, gradient: Tensor, rows: LoraRows) -> None:
    """Add what blocks have, `[blocks, ...]`, to the gradients of their slots."""
    if isinstance(rows.blocks, slice):
        gradient[rows.blocks] += own
    else:
        gradient.index_add_(0, rows.blocks, own)


def _scaled(weights: Weights, rows: LoraRows) -> Tensor:
    """B of each block times its scaling, `[blocks, rank, out]`."""
    assert weights.scaling is not None
    return weights.b[rows.blocks] * weights.scaling[rows.blocks][:, None, None]


def _whole(inner: Tensor, rows: LoraRows) -> Tensor:
    """A gradient of the rows in `rows.range` as one of all rows."""
    if len(inner) == rows.count:
        return inner
    whole = inner.new_zeros(rows.count, *inner.shape[1:])
    whole[rows.range] = inner
    return whole
