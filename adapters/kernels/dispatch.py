"""Which way of computing the low-rank terms fits the rows at hand.

    torch_reference   the definition, with a backward; DoRA is trained by it
    torch_training    training
    torch_inplace     serving on any device
    triton_grouped    serving on CUDA

Tests hold the other three to the first.
"""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from adapters.kernels import torch_inplace, torch_reference, torch_training
from adapters.kernels.plan import LoraRows, Weights


def add(output: Tensor, x: Tensor, weights: Weights, bias: Tensor | None, rows: LoraRows) -> Tensor:
    """`output` plus each row's own term, and the factor of rows with DoRA.

    Args:
        output: what the layer gave, `[rows, tokens, out]`; overwritten where no gradient is needed.
        x: what the layer read, `[rows, tokens, in]`. Both may lack `tokens`: an encoder's pooler sees one vector a
            row.
        weights: the layer's low-rank terms of all slots.
        bias: the layer's own, `[out]`, which DoRA leaves alone.
        rows: the plan of the step.

    Returns:
        A tensor of the shape of `output`.
    """
    if x.dim() == 2:
        return add(output[:, None], x[:, None], weights, bias, rows)[:, 0]
    if torch.is_grad_enabled() and (output.requires_grad or weights.b.requires_grad):
        if weights.b.requires_grad and not rows.dora:
            return torch_training.add(output, x, weights, rows)
        return torch_reference.segments(output, x, weights, bias, rows)
    if output.is_cuda and output.is_contiguous() and (triton := _triton()) is not None:
        return triton.add(output, x, weights, bias, rows)  # type: ignore[no-any-return]
    return torch_inplace.add(output, x, weights, bias, rows)


@cache
def _triton() -> Any:
    """The Triton kernels, loaded when a GPU first asks for them; None where Triton is not installed."""
    return import_module("adapters.kernels.triton_grouped") if find_spec("triton") else None
