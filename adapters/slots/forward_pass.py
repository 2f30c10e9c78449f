"""The one forward, for serving and for training: token ids and rows in, hidden states out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adapters.base.base import Base
from adapters.kernels import Dropout
from adapters.slots.cache import KeyValueCache
from adapters.slots.rows import Rows
from adapters.slots.slots import Slots


@dataclass(frozen=True)
class Tokens:
    """A padded batch. ids: `[rows, tokens]`; mask: `[rows, tokens]`, 1 for a row's own tokens, 0 for padding."""

    ids: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Hidden:
    """What the base makes of a batch. states: last hidden states `[rows, tokens, width]`; mask: `[rows, tokens]`;
    pooler: an encoder's own pooled state `[rows, width]`, None for decoders.
    """

    states: Tensor
    mask: Tensor
    pooler: Tensor | None = None


def pad(base: Base, sequences: Sequence[Sequence[int]], left: bool | None = None) -> Tokens:
    """Pad token sequences. left: by default for decoders, so that the last column is every row's last token, and not
    for encoders, whose pooler reads the first column."""
    on_left = base.kind == "decoder" if left is None else left
    width = max(map(len, sequences))
    ids = torch.zeros(len(sequences), width, dtype=torch.long)
    mask = torch.zeros(len(sequences), width, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        start = width - len(sequence) if on_left else 0
        ids[row, start : start + len(sequence)] = torch.tensor(sequence)
        mask[row, start : start + len(sequence)] = 1
    return Tokens(ids.to(base.device), mask.to(base.device))


def forward(
    base: Base,
    slots: Slots,
    tokens: Tokens,
    rows: Rows,
    dropout: Mapping[int, Dropout] | None = None,
    embedded: Tensor | None = None,
) -> Hidden:
    """Run the base over whole sequences, each row through its own adapter.

    embedded: what stands in the place of the tokens' embeddings, `[rows, tokens, width]`. A row's first token stands at
    its prefix length, as in PEFT, whatever the padding and on whichever side it is.
    """
    lengths = [slots.prefix_length(slot) for slot in rows.slots]
    starts = torch.tensor(lengths, device=base.device)[:, None]
    positions = (tokens.mask.cumsum(1) - 1).clamp(min=0) + starts
    arguments: dict[str, Any] = {
        **({"input_ids": tokens.ids} if embedded is None else {"inputs_embeds": embedded}),
        "attention_mask": tokens.mask,
        "position_ids": positions + base.first_position,
        "repertoire": slots.prefix_view(rows, positions),
    }
    if base.kind == "decoder":
        arguments["use_cache"] = False
    with slots.using(rows, dropout):
        output = base.backbone(**arguments)
    return Hidden(output.last_hidden_state, tokens.mask, getattr(output, "pooler_output", None))


def extend(
    base: Base,
    slots: Slots,
    cache: KeyValueCache,
    first: int,
    starts: Sequence[int],
    ids: Tensor,
    rows: Rows,
) -> Tensor:
    """Run the base over the next tokens of sequences whose past lies in a cache.

    ids: `[rows, tokens]`, padded on the right; first: the cache's place of row 0, the others follow; starts: how much
    each row has in its place already, its prefix included. Returns hidden states `[rows, tokens, width]`.
    """
    view = cache.at(first, starts, ids.shape[1])
    with slots.using(rows):
        output = base.backbone(
            input_ids=ids,
            attention_mask=ids.new_zeros(
                1, 1, 1, 1
            ),  # 4 dimensions: taken as it is; the view brings the real one
            position_ids=view.positions + base.first_position,
            past_key_values=cache,
            use_cache=True,
            repertoire=view,
        )
    states: Tensor = output.last_hidden_state
    return states
