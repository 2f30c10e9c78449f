"""Prefix rows: what a row's own trained keys and values add to every self-attention of the base.

One batch, prefix length P = 3, tokens T = 4; row 0 has a prefix of 3, row 1 is a LoRA row, row 2 a prefix of 2
('.' is left padding, 'x' a position that the row does not see):

    row 0   p p p | . a b c      positions   . 3 4 5
    row 1   x x x | d e f g      positions   0 1 2 3
    row 2   p p x | . . h i      positions   . . 2 3

In a full forward (training, heads) the prefix enters inside attention, where gradient checkpointing keeps it, and so
does what was read of a row before (`adapters.slots.reading`); in generation it is written into the KV cache once
(`adapters.slots.cache`). Both give PEFT's logits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from adapters.base.attention import AttentionLayer, additive, causal, prefix_width


@dataclass(frozen=True)
class PrefixView:
    """What the rows of a full forward see: each its own prefix in front of what the model shows it.

    keys_values: for each layer `[2, fronts, kv_heads, length, head_dim]`; visible: `[rows, length]` bool; positions:
    `[rows, tokens]`; front: which of the fronts is each row's, `[rows]`; None where row i has front i. A mask is joined
    once for all layers that share it.
    """

    order: Mapping[nn.Module, int]
    keys_values: Sequence[Tensor] | Tensor
    visible: Tensor
    positions: Tensor
    front: Tensor | None = None
    _masks: dict[tuple[int, int | None], Tensor] = field(default_factory=dict)

    def see(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        window: int | None,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """See `adapters.base.attention.View`."""
        kind = (id(mask), window)
        if kind not in self._masks:
            if mask is None:
                is_causal = getattr(module, "is_causal", True)
                tokens = query.shape[2]
                mask = causal(tokens, query.device) if is_causal else query.new_ones(1, 1, tokens, tokens) > 0
            self._masks[kind] = self._joined(mask, window)
        keys, values = self.keys_values[self.order[module]]
        if self.front is not None:
            keys, values = keys.index_select(0, self.front), values.index_select(0, self.front)
        return (
            torch.cat([keys.to(key.dtype), key], dim=2),
            torch.cat([values.to(value.dtype), value], dim=2),
            self._masks[kind],
        )

    def _joined(self, mask: Tensor, window: int | None) -> Tensor:
        rows, length = self.visible.shape
        tokens = self.positions.shape[1]
        front = self.visible[:, None, None, :].expand(rows, 1, tokens, length)
        if window is not None:
            columns = torch.arange(length, device=front.device)
            front = front & (self.positions[:, None, :, None] - columns < window)
        if mask.dtype != torch.bool:
            front = additive(front, mask.dtype)
        return torch.cat([front, mask.expand(rows, 1, tokens, -1)], dim=3)


class PrefixStack:
    """The prefixes of all slots in PEFT's layout, one stacked table.

    table: `[slots + 1, length, layers * 2 * kv_heads * head_dim]`; lengths: `[slots + 1]`. The last slot stays
    empty: it is the slot of rows without a prefix. The table grows when a longer prefix arrives.
    """

    def __init__(
        self, layers: Sequence[AttentionLayer], slots: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.slots = slots
        self.order = {layer.module: index for index, layer in enumerate(layers)}
        self.shape = (len(layers), 2, layers[0].kv_heads, layers[0].head_dim)
        width = prefix_width(layers)
        assert width is not None
        self.table = torch.zeros(slots + 1, 0, width, device=device, dtype=dtype)
        self.lengths = [0] * (slots + 1)

    def put(self, slot: int, table: Tensor) -> None:
        """Copy a prefix table `[length, width]` into a slot."""
        length = table.shape[0]
        if length > self.table.shape[1]:
            with torch.inference_mode(False):
                grown = self.table.new_zeros(self.slots + 1, length, self.table.shape[2])
                grown[:, : self.table.shape[1]] = self.table.detach()
                self.table = grown.requires_grad_(self.table.requires_grad)
        with torch.no_grad():
            self.table[slot, :length].copy_(table, non_blocking=True)
            self.table[slot, length:].zero_()
        self.lengths[slot] = length

    def take_gradient(self, slot: int) -> Tensor | None:
        """The gradient of a slot's prefix, `[length, width]`; it is zero then. None before the first backward."""
        if self.table.grad is None:
            return None
        own = self.table.grad[slot, : self.lengths[slot]]
        taken = own.clone()
        own.zero_()
        return taken

    def clear(self, slot: int) -> None:
        """Empty a slot that holds anything."""
        if not self.lengths[slot]:
            return
        with torch.no_grad():
            self.table[slot].zero_()
        self.lengths[slot] = 0

    def view(self, slots: Sequence[int | None], positions: Tensor) -> PrefixView | None:
        """What rows see in a full forward; None where no row has a prefix. positions: `[rows, tokens]`."""
        own = [self.slots if slot is None else slot for slot in slots]
        lengths = [self.lengths[slot] for slot in own]
        longest = max(lengths, default=0)
        if longest == 0:
            return None
        device = self.table.device
        table = self.table[:, :longest].index_select(0, torch.tensor(own, device=device))
        keys_values = table.view(len(own), longest, *self.shape).permute(2, 3, 0, 4, 1, 5)
        visible = torch.arange(longest, device=device) < torch.tensor(lengths, device=device)[:, None]
        return PrefixView(self.order, keys_values, visible, positions)

    def keys_values(self, slot: int) -> Tensor:
        """One slot's prefix `[layers, 2, kv_heads, length, head_dim]`, to seed a cache with."""
        length = self.lengths[slot]
        return self.table[slot, :length].view(length, *self.shape).permute(1, 2, 3, 0, 4)
