"""Heads: a linear layer over the pooled hidden state of an adapter's own rows."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from adapters.errors import BadAdapter
from adapters.format.config import Adapter, Head, Pooling
from adapters.format.names import head_names

Activation = Callable[[Tensor], Tensor]
_ACTIVATIONS: dict[str, Activation] = {"electra": nn.functional.gelu}
"""Between the layers of a head of two, where it is not RoBERTa's tanh: transformers' ElectraClassificationHead."""


class HeadWeights:
    """One slot's head.

    Attributes:
        head: what it answers.
        weight, bias: of the layer that gives the labels, `[labels, width]` and `[labels]` or None.
        dense, dense_bias: of a layer before it, `[width, width]` and `[width]`, or None.
        activation: between the two.
    """

    def __init__(
        self,
        head: Head,
        weight: Tensor,
        bias: Tensor | None,
        dense: Tensor | None = None,
        dense_bias: Tensor | None = None,
        activation: Activation = torch.tanh,
    ) -> None:
        self.head = head
        self.weight, self.bias = weight, bias
        self.dense, self.dense_bias, self.activation = dense, dense_bias, activation

    def __call__(self, hidden: Tensor, mask: Tensor, pooler: Tensor | None) -> Tensor:
        """Logits `[rows, labels]` of hidden states `[rows, tokens, width]` under a mask `[rows, tokens]`.

        pooler: an encoder's own pooled state `[rows, width]`, for heads that read it.
        """
        return self.of_pooled(pooled(hidden, mask, pooler, self.head.pooling))

    def of_pooled(self, vectors: Tensor) -> Tensor:
        """Logits `[rows, labels]` of what the head reads, `[rows, width]`."""
        vectors = vectors.to(self.weight)
        if self.dense is not None:
            vectors = self.activation(nn.functional.linear(vectors, self.dense, self.dense_bias))
        return nn.functional.linear(vectors, self.weight, self.bias)

    @property
    def leaves(self) -> list[Tensor]:
        """Its tensors, in the order of `HeadNames`, without those that it does not have."""
        return [each for each in self._parts if each is not None]

    def to(self, device: torch.device, trains: bool = False) -> "HeadWeights":
        """A copy on a device. trains: whether gradients flow into it."""
        weight, bias, dense, dense_bias = (
            None if each is None else each.to(device, copy=True).requires_grad_(trains)
            for each in self._parts
        )
        assert weight is not None
        return HeadWeights(self.head, weight, bias, dense, dense_bias, self.activation)

    @property
    def _parts(self) -> tuple[Tensor | None, ...]:
        return self.weight, self.bias, self.dense, self.dense_bias


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


def head_weights(adapter: Adapter, family: str, dtype: torch.dtype) -> HeadWeights | None:
    """A copy of the head of a sound adapter, on the CPU; None for adapters that write.

    Args:
        adapter: sound.
        family: of the base, as transformers calls its `model_type`.
        dtype: of the copy.
    """
    names = head_names(adapter.tensors)
    if adapter.head is None or names is None:
        return None
    weight, bias, dense, dense_bias = (
        None if name is None else adapter.tensors[name].to(dtype, copy=True) for name in names
    )
    assert weight is not None
    return HeadWeights(adapter.head, weight, bias, dense, dense_bias, _ACTIVATIONS.get(family, torch.tanh))
