"""Heads that answer a row while it trains, and have not seen it.

A linear probe that learned from a row answers it almost without a fault, so that a training that starts there has
hardly anything to learn but to be surer of it. Therefore a probe is fitted for each part of the rows on all others, and
the head starts at the mean of these. While it trains, the logits of a row of part p get what the probe without p says
otherwise, and lose it when training is over:

    W v + b  +  (W_p - mean W) v + (b_p - mean b)      W, b: train; W_p, b_p: stay

That is the cross-fitting of stacking (Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1), of the start alone. A row
without a label has the one that the probes give it, and trains under their mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from recipes.learn.encode import EncodedRow
from recipes.measure.probes import Probes


@dataclass(frozen=True)
class HeldOut:
    """How probes that have not seen a part of the rows differ from their mean.

    weight: `[parts, labels, width]`; bias: `[parts, labels]`; part: of each training row, `[rows]`. guess: of the last
    training rows, which have no label, the one that the probes give them, `[rows]`; count: how much each counts as.
    """

    weight: Tensor
    bias: Tensor
    part: Tensor
    guess: Tensor
    count: Tensor

    @classmethod
    def of(cls, probes: Probes, rows: int, device: torch.device) -> "tuple[HeldOut | None, Tensor, Tensor]":
        """None where all rows train under the mean of the probes as they are; the mean's weight `[labels, width]` and
        bias `[labels]`. rows: that a job trains on, of which copies may make more than the probes learned from."""
        weights = torch.from_numpy(probes.weights.transpose(0, 2, 1).astype(np.float32)).to(device)
        biases = torch.from_numpy(probes.biases.astype(np.float32)).to(device)
        weight, bias = weights.mean(0), biases.mean(0)
        guess, count = torch.from_numpy(probes.guesses), torch.from_numpy(probes.counts)
        labelled = rows - len(guess)
        if probes.part is not None and len(probes.part) == labelled:
            part = torch.from_numpy(probes.part)
        elif len(guess):
            part = torch.full((labelled,), len(weights))
        else:
            return None, weight, bias
        # The last part's rows are answered by the mean alone.
        weights, biases = (torch.cat([each, each.mean(0, keepdim=True)]) for each in (weights, biases))
        part = torch.cat([part, torch.full((len(guess),), len(weights) - 1)])
        return cls(weights - weight, biases - bias, part, guess, count), weight, bias

    def tensors(self) -> dict[str, Tensor]:
        """What it is made of, by name."""
        return vars(self).copy()

    def parted(self, rows: Sequence[EncodedRow]) -> list[EncodedRow]:
        """The training rows with their parts, and those without a label with the one that was guessed."""
        found = [replace(row, part=part) for row, part in zip(rows, self.part.tolist(), strict=True)]
        labelled = len(found) - len(self.guess)
        guessed = zip(found[labelled:], self.guess.tolist(), self.count.tolist(), strict=True)
        return found[:labelled] + [replace(row, label=label, weight=count) for row, label, count in guessed]

    def logits(self, vectors: Tensor, rows: Sequence[EncodedRow]) -> Tensor:
        """What is added to the logits of training rows, `[rows, labels]`. vectors: that the head reads of them."""
        weight, bias = self.weight.to(vectors), self.bias.to(vectors)
        of_each = torch.einsum("rw,plw->rpl", vectors, weight) + bias
        return of_each[range(len(rows)), [row.part for row in rows]]
