"""Prefix rows: what a row's own trained keys and values add to every self-attention of the base.

One batch, prefix length P = 3, tokens T = 4; row 0 has a prefix of 3, row 1 is a LoRA row, row 2 a prefix of 2
('.' is left padding, 'x' a place that the row does not see):

    row 0   p p p | . a b c      positions   . 3 4 5
    row 1   x x x | d e f g      positions   0 1 2 3
    row 2   p p x | . . h i      positions   . . 2 3

In a full forward (training, heads) the prefix enters inside attention, where gradient checkpointing keeps it; in
generation it is written into the KV cache once (`adapters.generate`). Both give PEFT's logits.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask, sdpa_mask

from adapters.config import Adapter, Prefix
from adapters.errors import BadAdapter, UnsupportedArchitecture

TABLE = "prompt_embeddings"


@dataclass(frozen=True)
class AttentionLayer:
    """One self-attention module of the base and the shape of its keys."""

    module: nn.Module
    kv_heads: int
    head_dim: int


@dataclass(frozen=True)
class PrefixRows:
    """The prefixes of one step's rows, gathered once and shared by all layers.

    keys_values: `[layers, 2, rows, kv_heads, length, head_dim]`; visible: `[rows, length]` bool.
    """

    keys_values: Tensor
    visible: Tensor


class PrefixStack:
    """The prefixes of all slots in PEFT's layout, one stacked table.

    table: `[slots + 1, length, layers * 2 * kv_heads * head_dim]`; lengths: `[slots + 1]`. The last slot stays
    empty: it is the slot of rows without a prefix. The table grows when a longer prefix arrives.
    """

    def __init__(
        self, layers: Sequence[AttentionLayer], slots: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.layers = layers
        self.slots = slots
        first = layers[0]
        self.shape = {"layers": len(layers), "kv_heads": first.kv_heads, "head_dim": first.head_dim}
        self.uniform = all(
            (layer.kv_heads, layer.head_dim) == (first.kv_heads, first.head_dim) for layer in layers
        )
        self.width = len(layers) * 2 * first.kv_heads * first.head_dim
        self.table = torch.zeros(slots + 1, 0, self.width, device=device, dtype=dtype)
        self.lengths = [0] * (slots + 1)

    def load(self, slot: int, adapter: Adapter) -> None:
        """Copy a prefix adapter into a slot. Raises BadAdapter where its table does not fit the base."""
        assert isinstance(adapter.method, Prefix)
        table, length = adapter.tensors.get(TABLE), adapter.method.length
        expected = (length, self.width)
        if not self.uniform:
            raise BadAdapter(
                "this base's layers have keys of different shapes, which PEFT's prefix table cannot hold; use LoRA"
            )
        if table is None or tuple(table.shape) != expected:
            found = None if table is None else tuple(table.shape)
            raise BadAdapter(
                f"{TABLE} is {found}, this base needs {expected}; train the adapter on this base"
            )
        if length > self.table.shape[1]:
            grown = self.table.new_zeros(self.slots + 1, length, self.width)
            grown[:, : self.table.shape[1]] = self.table.detach()
            self.table = grown.requires_grad_(self.table.requires_grad)
        with torch.no_grad():
            self.table[slot].zero_()
            self.table[slot, :length] = table.to(self.table.device, self.table.dtype)
        self.lengths[slot] = length

    def clear(self, slot: int) -> None:
        """Empty a slot."""
        with torch.no_grad():
            self.table[slot].zero_()
        self.lengths[slot] = 0

    def rows(self, slots: Sequence[int | None]) -> PrefixRows | None:
        """The plan of one step; None where no row has a prefix."""
        places = [self.slots if slot is None else slot for slot in slots]
        lengths = [self.lengths[place] for place in places]
        longest = max(lengths, default=0)
        if longest == 0:
            return None
        index = torch.tensor(places, device=self.table.device)
        table = self.table[:, :longest].index_select(0, index)
        shape = (
            len(places),
            longest,
            self.shape["layers"],
            2,
            self.shape["kv_heads"],
            self.shape["head_dim"],
        )
        keys_values = table.view(shape).permute(2, 3, 0, 4, 1, 5)
        visible = (
            torch.arange(longest, device=self.table.device)
            < torch.tensor(lengths, device=self.table.device)[:, None]
        )
        return PrefixRows(keys_values, visible)

    @contextmanager
    def inside_attention(self, rows: PrefixRows | None) -> Iterator[None]:
        """While active, every self-attention of the base lets each row see its own prefix."""
        if rows is None:
            yield
            return
        for index, layer in enumerate(self.layers):
            layer.module._prefix_rows = (rows.keys_values[index], rows.visible)  # type: ignore[assignment]
        try:
            yield
        finally:
            for layer in self.layers:
                del layer.module._prefix_rows

    def seed(self, rows: PrefixRows | None, dtype: torch.dtype) -> DynamicCache:
        """A KV cache that starts with each row's prefix, as PEFT hands it to generation."""
        cache = DynamicCache()
        if rows is not None:
            for index, (keys, values) in enumerate(rows.keys_values.to(dtype)):
                cache.update(keys, values, index)
        return cache


def route_attention(model: PreTrainedModel) -> None:
    """Let the model's attention go through this file. Models with capped scores keep transformers' eager form."""
    capped = getattr(model.config, "attn_logit_softcapping", None)
    model.set_attn_implementation("repertoire_eager" if capped else "repertoire")


def attention_layers(model: PreTrainedModel) -> tuple[AttentionLayer, ...]:
    """The self-attention layers in order, found by running one token. Raises UnsupportedArchitecture."""
    found: list[AttentionLayer] = []
    _probes.append(found)
    try:
        with torch.no_grad():
            model.base_model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device))
    finally:
        _probes.remove(found)
    own = set(model.modules())
    found = [layer for layer in found if layer.module in own]  # another thread may be loading another base
    if len(found) != model.config.num_hidden_layers:
        raise UnsupportedArchitecture(
            f"{type(model).__name__} runs {len(found)} of {model.config.num_hidden_layers} layers through the "
            "attention interface of transformers, so that a prefix cannot reach all; "
            "use a Llama, Qwen, Mistral, Gemma, Phi or BERT model"
        )
    return tuple(found)


_probes: list[list[AttentionLayer]] = []


def _attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, Tensor | None]:
    return _with_prefix(sdpa_attention_forward, module, query, key, value, attention_mask, kwargs)


def _eager_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, Tensor | None]:
    inner = vars(sys.modules[type(module).__module__])["eager_attention_forward"]
    return _with_prefix(inner, module, query, key, value, attention_mask, kwargs)


def _with_prefix(
    inner: Any,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    kwargs: dict[str, Any],
) -> tuple[Tensor, Tensor | None]:
    """Attention of the base, with each row's prefix in front of its keys and values where prefix rows are active.

    query: `[rows, heads, tokens, head_dim]`; key, value: `[rows, kv_heads, tokens, head_dim]`; mask: None,
    bool (True is seen) or added to the scores, `[rows or 1, 1, tokens, tokens]`.
    """
    for found in _probes:
        found.append(AttentionLayer(module, key.shape[1], key.shape[3]))
    prefix = getattr(module, "_prefix_rows", None)
    if prefix is None:
        return inner(module, query, key, value, mask, **kwargs)  # type: ignore[no-any-return]
    (keys, values), visible = prefix
    if mask is None:
        tokens = query.shape[2]
        mask = torch.ones(1, 1, tokens, tokens, dtype=torch.bool, device=query.device)
        if kwargs.get("is_causal", getattr(module, "is_causal", True)):
            mask = mask.tril()
    rows, tokens = query.shape[0], query.shape[2]
    front = visible[:, None, None, :].expand(rows, 1, tokens, -1)
    if mask.dtype != torch.bool:
        front = torch.zeros_like(front, dtype=mask.dtype).masked_fill(~front, torch.finfo(mask.dtype).min)
    mask = torch.cat([front, mask.expand(rows, 1, tokens, -1)], dim=3)
    key = torch.cat([keys.to(key.dtype), key], dim=2)
    value = torch.cat([values.to(value.dtype), value], dim=2)
    return inner(module, query, key, value, mask, **kwargs)  # type: ignore[no-any-return]


AttentionInterface.register("repertoire", _attention)
AttentionInterface.register("repertoire_eager", _eager_attention)
AttentionMaskInterface.register("repertoire", sdpa_mask)
AttentionMaskInterface.register("repertoire_eager", eager_mask)
