"""Low-rank terms in PyTorch for training: rows of many jobs in one batched product, forward and backward.

    shrink   low = A x       once for all layers that read the same x, such as q, k and v
    expand   output + B low

Their backwards add each row's gradient to its own slot of the stacks' gradients, so that nothing of a slot reaches
another one, and nothing as large as the stacks is made on the way.
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
        drawn = dropout.drawn(rows, group.name, x)
        dropped, factors = drawn or (None, None)
        ctx.save_for_backward(x, dropped, factors)
        ctx.group, ctx.rows = group, rows
        low = torch.bmm(_kept(x, dropped).to(a.dtype), a.index_select(0, rows.index).transpose(1, 2))
        return low if factors is None else low * factors

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, None, None]:
        x, dropped, factors = ctx.saved_tensors
        rows, group, a = ctx.rows, ctx.group, ctx.group.a
        if factors is not None:
            gradient = gradient * factors
        own = torch.bmm(gradient.transpose(1, 2), _kept(x, dropped).to(a.dtype))
        group.a.grad.index_add_(0, rows.index, own)
        if not ctx.needs_input_grad[0]:
            return None, None, None, None
        back = _kept(torch.bmm(gradient, a.index_select(0, rows.index)), dropped).to(x.dtype)
        return _whole(back, rows), None, None, None


class _Expand(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, output: Tensor, low: Tensor, b: Tensor, weights: Weights, rows: LoraRows) -> Tensor:
        ctx.save_for_backward(low)
        ctx.weights, ctx.rows = weights, rows
        own = output[rows.range]
        if own.dtype == low.dtype:
            own = torch.baddbmm(own, low, _scaled(weights, rows))
        else:
            own = own + torch.bmm(low, _scaled(weights, rows))
        own = own.to(output.dtype)
        if len(own) == len(output):
            return own
        return torch.cat([output[: rows.range.start], own, output[rows.range.stop :]])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        (low,), weights, rows = ctx.saved_tensors, ctx.weights, ctx.rows
        inner = gradient[rows.range].to(low.dtype)
        own = (
            torch.bmm(low.transpose(1, 2), inner) * weights.scaling.index_select(0, rows.index)[:, None, None]
        )
        weights.b.grad.index_add_(0, rows.index, own)
        return gradient, torch.bmm(inner, _scaled(weights, rows).transpose(1, 2)), None, None, None


def _kept(x: Tensor, dropped: Tensor | None) -> Tensor:
    return x if dropped is None else x.masked_fill(dropped, 0.0)


def _scaled(weights: Weights, rows: LoraRows) -> Tensor:
    """B of each row times its scaling, `[rows.range, rank, out]`."""
    assert weights.scaling is not None
    return weights.b.index_select(0, rows.index) * weights.scaling.index_select(0, rows.index)[:, None, None]


def _whole(inner: Tensor, rows: LoraRows) -> Tensor:
    """A gradient of the rows in `rows.range` as one of all rows."""
    if len(inner) == rows.count:
        return inner
    whole = inner.new_zeros(rows.count, *inner.shape[1:])
    whole[rows.range] = inner
    return whole
