"""Where rows enter self-attention: each row sees its own prefix and its own past, and nothing of other rows.

The base's attention layers are routed through this file by transformers' `AttentionInterface`. Without a view they do
what transformers does. With one, given to the model as the keyword `repertoire`, the view decides which keys each row
sees. A keyword, unlike a cache argument or an attribute, also survives gradient checkpointing.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask, sdpa_mask


@dataclass(frozen=True)
class AttentionLayer:
    """One self-attention module of the base and the shape of its keys."""

    module: nn.Module
    kv_heads: int
    head_dim: int


class View(Protocol):
    """What the rows of one step see."""

    def see(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        window: int | None,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Keys, values and mask of one layer.

        query: `[rows, heads, tokens, head_dim]`; key, value: `[rows, kv_heads, columns, head_dim]`; mask: None
        (causal), bool (True is seen) or added to the scores, `[rows or 1, 1, tokens, columns]`; window: how many
        positions back a token sees, None for all.
        """


def route_attention(model: PreTrainedModel) -> None:
    """Let the model's attention go through this file. Models with capped scores keep transformers' eager form."""
    capped = getattr(model.config, "attn_logit_softcapping", None)
    model.set_attn_implementation("repertoire_eager" if capped else "repertoire")


def prefix_width(layers: Sequence[AttentionLayer]) -> int | None:
    """Numbers of one position of a prefix: keys and values of all layers. None where the layers' keys differ in shape,
    which PEFT's one table cannot hold."""
    shapes = {(layer.kv_heads, layer.head_dim) for layer in layers}
    if len(shapes) != 1:
        return None
    [(kv_heads, head_dim)] = shapes
    return len(layers) * 2 * kv_heads * head_dim


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    repertoire: View | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    if repertoire is not None:
        window = kwargs.get("sliding_window")
        key, value, attention_mask = repertoire.see(module, query, key, value, attention_mask, window)
    return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)


def _eager_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    repertoire: View | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    if repertoire is not None:
        window = kwargs.get("sliding_window")
        key, value, mask = repertoire.see(module, query, key, value, attention_mask, window)
        if mask is None and query.shape[2] > 1:
            mask = causal(query.shape[2], query.device)
        attention_mask = additive(mask, query.dtype) if mask is not None else None
    inner = vars(sys.modules[type(module).__module__])["eager_attention_forward"]
    return inner(module, query, key, value, attention_mask, **kwargs)  # type: ignore[no-any-return]


def causal(tokens: int, device: torch.device) -> Tensor:
    """The mask `[1, 1, tokens, tokens]` in which each token sees itself and those before it."""
    return torch.ones(1, 1, tokens, tokens, dtype=torch.bool, device=device).tril()


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A bool mask as numbers added to scores; a mask of numbers stays as it is."""
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)


AttentionInterface.register("repertoire", _attention)
AttentionInterface.register("repertoire_eager", _eager_attention)
AttentionMaskInterface.register("repertoire", sdpa_mask)
AttentionMaskInterface.register("repertoire_eager", eager_mask)
