"""Heads: a linear layer over the pooled hidden state of an adapter's own rows."""

import torch
from torch import Tensor, nn

from adapters.errors import BadAdapter
from adapters.format.config import Adapter, Head, Pooling
from adapters.format.files import head_names


class HeadWeights:
    """One slot's head. weight: `[labels, width]`; bias: `[labels]` or None."""

    def __init__(self, head: Head, weight: Tensor, bias: Tensor | None) -> None:
        self.head = head
        self.weight = weight
        self.bias = bias

    def __call__(self, hidden: Tensor, mask: Tensor, pooler: Tensor | None) -> Tensor:
        """Logits `[rows, labels]` of hidden states `[rows, tokens, width]` under a mask `[rows, tokens]`.

        pooler: an encoder's own pooled state `[rows, width]`, for heads that read it.
        """
        vectors = pooled(hidden, mask, pooler, self.head.pooling)
        return nn.functional.linear(vectors.to(self.weight.dtype), self.weight, self.bias)

    def to(self, device: torch.device, trains: bool = False) -> "HeadWeights":
        """A copy on a device. trains: whether gradients flow into it."""
        bias = None if self.bias is None else self.bias.to(device, copy=True).requires_grad_(trains)
        return HeadWeights(self.head, self.weight.to(device, copy=True).requires_grad_(trains), bias)


def pooled(hidden: Tensor, mask: Tensor, pooler: Tensor | None, pooling: Pooling) -> Tensor:
    """What a head reads, `[rows, width]`; arguments as a head's. Raises BadAdapter where the base has no pooler."""
    if pooling != "pooler":
        return pool(hidden, mask, pooling)
    if pooler is None:
        raise BadAdapter("this adapter's head reads an encoder's pooler, which this base does not have")
    return pooler


def pool(hidden: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """`[rows, tokens, width]` to `[rows, width]`; padding, on either side, counts for nothing."""
    if pooling == "mean":
        weights = mask.to(hidden.dtype)
        return (hidden * weights[..., None]).sum(1) / weights.sum(1, keepdim=True)
    tokens = torch.arange(mask.shape[1], device=mask.device)
    place = (tokens * mask).argmax(1) if pooling == "last" else mask.argmax(1)
    return hidden[torch.arange(len(hidden), device=hidden.device), place]


def head_weights(
    adapter: Adapter, width: int, device: torch.device, dtype: torch.dtype
) -> HeadWeights | None:
    """The head of an adapter, checked against the base's width; None for adapters that write. Raises BadAdapter."""
    if adapter.head is None:
        return None
    names = head_names(adapter.tensors)
    labels = len(adapter.head.labels)
    if names is None:
        raise BadAdapter("this adapter has labels but no head weights; train it again")
    weight = adapter.tensors[names[0]]
    if tuple(weight.shape) != (labels, width):
        raise BadAdapter(
            f"head is {tuple(weight.shape)}, this base and {labels} labels need {(labels, width)}"
        )
    bias = adapter.tensors[names[1]].to(device, dtype, copy=True) if names[1] else None
    return HeadWeights(adapter.head, weight.to(device, dtype, copy=True), bias)
