"""Heads that answer a row while it trains, and have not seen it.

A linear probe that learned from a row answers it almost without a fault, so that a training that starts there has
hardly anything to learn but to be surer of it. Therefore a probe is fitted for each part of the rows on all others, and
the head starts at the mean of these. While it trains, the logits of a row of part p get what the probe without p says
otherwise, and lose it when training is over:

    W v + b  +  (W_p - mean W) v + (b_p - mean b)      W, b: train; W_p, b_p: stay

That is the cross-fitting of stacking (Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1), of the start alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recipes.learn.encode import EncodedRow


@dataclass(frozen=True)
class HeldOut:
    """How probes that have not seen a part of the rows differ from their mean.

    weight: `[parts, labels, width]`; bias: `[parts, labels]`; part: of each training row, `[rows]`.
    """

    weight: Tensor
    bias: Tensor
    part: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """What it is made of, by name."""
        return vars(self).copy()

    def parted(self, rows: Sequence[EncodedRow]) -> list[EncodedRow]:
        """The training rows with their parts."""
        return [replace(row, part=part) for row, part in zip(rows, self.part.tolist(), strict=True)]

    def logits(self, vectors: Tensor, rows: Sequence[EncodedRow]) -> Tensor:
        """What is added to the logits of training rows, `[rows, labels]`: nothing to those of no part, which all probes
        have not seen. vectors: that the head reads of them."""
        weight, bias = self.weight.to(vectors), self.bias.to(vectors)
        of_each = torch.einsum("rw,plw->rpl", vectors, weight) + bias
        found = of_each[range(len(rows)), [row.part or 0 for row in rows]]
        unseen = torch.tensor([[row.part is None] for row in rows], device=found.device)
        return found.masked_fill(unseen, 0.0)
