"""The definition of a row's low-rank term in plain PyTorch, segment by segment. It has a backward: training uses it."""

import torch
from torch import Tensor

from adapters.kernels.plan import LoraRows, Weights


def segments(output: Tensor, x: Tensor, weights: Weights, bias: Tensor | None, rows: LoraRows) -> Tensor:
    """`output + scaling * B (A x)` for every row by its slot; with DoRA `bias + (1 + gain) * (output - bias) + B (A
    x)`.

    output: `[rows, tokens, out]`; x: `[rows, tokens, in]`; returns a new tensor. DoRA's form is that of PEFT
    (Liu et al. 2024, arXiv:2402.09353), with its factor folded into B.
    """
    a_of, b_of, parts = weights.a.unbind(0), weights.b.unbind(0), []
    for segment in rows.segments:
        part, base = x[segment.start : segment.stop], output[segment.start : segment.stop]
        if segment.slot is None:
            parts.append(base)
            continue
        part = part.to(weights.a.dtype)
        if dropout := rows.dropout.get(segment.slot):
            keep = torch.empty_like(part).bernoulli_(1 - dropout.share, generator=dropout.generator)
            part = part * keep.div_(1 - dropout.share)
        low = part @ a_of[segment.slot].T
        if weights.scaling is not None:
            low = low * weights.scaling[segment.slot]
        if weights.gain is not None:
            own = base if bias is None else base - bias
            base = base + own * weights.gain[segment.slot]
        parts.append(base + (low @ b_of[segment.slot]).to(base.dtype))
    return parts[0] if len(parts) == 1 else torch.cat(parts)
