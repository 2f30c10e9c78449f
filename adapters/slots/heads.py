"""Heads: a linear layer over the pooled hidden state of an adapter's own rows."""

import torch
from torch import Tensor, nn

from adapters.errors import BadAdapter
from adapters.format.config import Adapter, Head, Pooling
from adapters.format.names import head_names


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
    """What a head reads.

    Args:
        hidden: last hidden states, `[rows, tokens, width]`.
        mask: `[rows, tokens]`, 0 for padding.
        pooler: an encoder's own pooled state, `[rows, width]`.
        pooling: how the head reads.

    Returns:
        One vector a row, `[rows, width]`.

    Raises:
        BadAdapter: the head reads the pooler, and the base has none.
    """
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
    columns = torch.arange(mask.shape[1], device=mask.device)
    column = (columns * mask).argmax(1) if pooling == "last" else mask.argmax(1)
    return hidden[torch.arange(len(hidden), device=hidden.device), column]


def head_weights(adapter: Adapter, device: torch.device, dtype: torch.dtype) -> HeadWeights | None:
    """A copy of the head of a sound adapter; None for adapters that write."""
    names = head_names(adapter.tensors)
    if adapter.head is None or names is None:
        return None
    weight = adapter.tensors[names[0]].to(device, dtype, copy=True)
    bias = None if names[1] is None else adapter.tensors[names[1]].to(device, dtype, copy=True)
    return HeadWeights(adapter.head, weight, bias)
