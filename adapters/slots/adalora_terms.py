"""AdaLoRA's low-rank terms while they are trained: P diag(values) Q instead of B A.

    lora     [ Q q | Q k | P q | P k | ... ]    laid out as A and B are, P transposed
    values   [ q | k | ... ]                    one for each row of Q, in the order of the layout's terms

A slot holds the product as LoRA, A = values Q and B = P, so that forward and backward are those of every other adapter
(Zhang et al. 2023, arXiv:2303.10512, equation 3).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from adapters.slots.layout import Layout

_SMALL = 1e-5  # PEFT's AdaLoRA scales by alpha over the rank and this, LoRA by alpha over the rank


@dataclass(frozen=True)
class Triplets:
    """One layer's, each a view.

    Attributes:
        path: of the layer.
        q: `[rank, in]`.
        p: transposed, `[rank, out]`.
        values: `[rank]`.
    """

    path: str
    q: Tensor
    p: Tensor
    values: Tensor

    @property
    def scaling(self) -> float:
        """What PEFT's scaling is of LoRA's."""
        rank = len(self.values)
        return rank / (rank + _SMALL)


def count(layout: Layout) -> int:
    """How many triplets a layout has: the sum of its ranks."""
    return sum(term.rank for term in layout.terms)


def triplets(layout: Layout, lora: Tensor, values: Tensor) -> Iterator[Triplets]:
    """The triplets of each layer.

    Args:
        layout: of the low-rank terms.
        lora: all Q and P, `[layout.size]`.
        values: all values, `[count]`.
    """
    views = layout.views(lora[None])
    for term, own in zip(layout.terms, values.split([term.rank for term in layout.terms]), strict=True):
        weights = views[term.path]
        yield Triplets(term.path, weights.a[0], weights.b[0], own)


def as_lora(layout: Layout, lora: Tensor, values: Tensor) -> Tensor:
    """The LoRA terms that the triplets are, `[layout.size]`."""
    buffer = lora.clone()
    for own in triplets(layout, buffer, values):
        own.q.mul_((own.values * own.scaling)[:, None])
    return buffer


def split_gradient(layout: Layout, lora: Tensor, values: Tensor, gradient: Tensor) -> Tensor:
    """From the gradient of `as_lora`, `[layout.size]`, to that of `lora`, in place, and that of `values`, `[count]`."""
    found = torch.empty_like(values)
    for own, of in zip(triplets(layout, lora, values), triplets(layout, gradient, found), strict=True):
        of.values.copy_((own.q * of.q).sum(1) * own.scaling)
        of.q.mul_((own.values * own.scaling)[:, None])
    return found
