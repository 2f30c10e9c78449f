"""The low-rank terms of a batch, added to a layer's output: which way of computing them fits the rows at hand.

    torch_reference   the definition, with a backward: training
    torch_inplace     serving on any device
    triton_grouped    serving on CUDA

Tests hold the other two to the first.
"""

import torch
from torch import Tensor

from adapters.kernels import torch_inplace, torch_reference
from adapters.kernels.plan import Dropout, LoraRows, Scratch, Segment, Source, Weights

__all__ = ["Dropout", "LoraRows", "Scratch", "Segment", "Source", "Weights", "add"]


def add(output: Tensor, x: Tensor, weights: Weights, bias: Tensor | None, rows: LoraRows) -> Tensor:
    """`output` plus each row's own term, and the factor of rows with DoRA.

    output: `[rows, tokens, out]`, overwritten where no gradient is needed; x: `[rows, tokens, in]`; both may lack
    `tokens` (an encoder's pooler sees one vector a row). bias: the layer's own, which DoRA leaves alone.
    """
    if x.dim() == 2:
        return add(output[:, None], x[:, None], weights, bias, rows)[:, 0]
    if torch.is_grad_enabled() and (output.requires_grad or weights.a.requires_grad):
        return torch_reference.segments(output, x, weights, bias, rows)
    return torch_inplace.add(output, x, weights, bias, rows)
