"""The one forward, for serving and for training: token ids and rows in, hidden states out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from adapters.base import Base
from adapters.lora import Dropout
from adapters.rows import Rows
from adapters.slots import Slots


@dataclass(frozen=True)
class Tokens:
    """A padded batch. ids: `[rows, tokens]`; seen: `[rows, before + tokens]`.

    `seen` is 1 for what a row has (its prefix, what lies in the cache before these tokens, the tokens themselves),
    and 0 for padding and for the places of longer prefixes.
    """

    ids: Tensor
    seen: Tensor


@dataclass(frozen=True)
class Hidden:
    """What the base makes of a batch. states: last hidden states `[rows, tokens, width]`; mask: `[rows, tokens]`;
    pooler: an encoder's own pooled state `[rows, width]`, None for decoders.
    """

    states: Tensor
    mask: Tensor
    pooler: Tensor | None


def pad(base: Base, slots: Slots, rows: Rows, sequences: Sequence[Sequence[int]]) -> Tokens:
    """Pad token sequences: on the left for decoders, so that the last column is every row's last token; on the right
    for encoders, whose pooler reads the first column."""
    width = max(map(len, sequences))
    ids = torch.zeros(len(sequences), width, dtype=torch.long)
    mask = torch.zeros(len(sequences), width, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        start = width - len(sequence) if base.kind == "decoder" else 0
        ids[row, start : start + len(sequence)] = torch.tensor(sequence)
        mask[row, start : start + len(sequence)] = 1
    prefix = slots.prefix_rows(rows)
    mask = mask.to(base.device)
    seen = mask if prefix is None else torch.cat([prefix.visible.to(mask.dtype), mask], dim=1)
    return Tokens(ids.to(base.device), seen)


def forward(
    base: Base,
    slots: Slots,
    tokens: Tokens,
    rows: Rows,
    cache: DynamicCache | None = None,
    dropout: Mapping[int, Dropout] | None = None,
) -> Hidden:
    """Run the base over a batch, each row through its own adapter.

    cache: from `slots.cache(rows)`, filled by this call; without one, prefixes enter inside attention. A row's
    positions count what it has seen: its first token stands at its prefix length, as in PEFT, whatever the padding.
    """
    width = tokens.ids.shape[1]
    mask = tokens.seen[:, -width:]
    arguments: dict[str, Any] = {
        "input_ids": tokens.ids,
        "attention_mask": mask if cache is None else tokens.seen,
        "position_ids": (tokens.seen.cumsum(1) - 1).clamp(min=0)[:, -width:] + base.first_position,
    }
    if base.kind == "decoder":
        arguments |= {"past_key_values": cache, "use_cache": cache is not None}
    with slots.using(rows, dropout, cached=cache is not None):
        output = base.backbone(**arguments)
    return Hidden(output.last_hidden_state, mask, getattr(output, "pooler_output", None))
