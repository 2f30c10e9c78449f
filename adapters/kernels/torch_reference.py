"""The definition of a row's low-rank term in plain PyTorch, segment by segment; it has a backward."""

import torch
from torch import Tensor

from adapters.kernels import dropout
from adapters.kernels.plan import LoraRows, Weights


def segments(output: Tensor, x: Tensor, weights: Weights, bias: Tensor | None, rows: LoraRows) -> Tensor:
    """`output + scaling * B (A x)` for every row by its slot; with DoRA `bias + (1 + gain) * (output - bias + scaling *
    B (A x))`.

    output: `[rows, tokens, out]`; x: `[rows, tokens, in]`; returns a new tensor. DoRA's form is that of PEFT
    (Liu et al. 2024, arXiv:2402.09353); in serving its factor is folded into B.
    """
    if (drawn := dropout.drawn(rows, weights.group.name, x[rows.range])) is not None:
        inner = x[rows.range].masked_fill(drawn[0], 0.0) * drawn[1]
        x = torch.cat([x[: rows.range.start], inner, x[rows.range.stop :]])
    parts = []
    for segment in rows.segments:
        slot, base = segment.slot, output[segment.start : segment.stop]
        if slot is None:
            parts.append(base)
            continue
        low = x[segment.start : segment.stop].to(weights.group.a.dtype) @ weights.group.a[slot, weights.at].T
        if weights.scaling is not None:
            low = low * weights.scaling[slot]
        term = low @ weights.b[slot]
        if weights.gain is not None:
            own = base if bias is None else base - bias
            base = base + own * weights.gain[slot]
            term = term if weights.scaling is None else term * (1 + weights.gain[slot])
        parts.append(base + term.to(base.dtype))
    return parts[0] if len(parts) == 1 else torch.cat(parts)
