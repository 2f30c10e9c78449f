"""The one forward, for serving and for training: token ids and rows in, hidden states out."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from adapters.base.attention import View
from adapters.base.base import Base
from adapters.kernels.plan import Dropout
from adapters.slots.cache import CacheView, KeyValueCache
from adapters.slots.first_token import first_token_alone
from adapters.slots.rows import RowSlots

if TYPE_CHECKING:
    from adapters.slots.slots import Slots


@dataclass(frozen=True)
class PaddedBatch:
    """Token sequences, padded to one length.

    Attributes:
        ids: `[rows, tokens]`.
        mask: `[rows, tokens]`, 1 for a row's own tokens, 0 for padding.
    """

    ids: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Hidden:
    """What the base makes of a batch.

    Attributes:
        states: last hidden states, `[rows, tokens, width]`.
        mask: of the batch, `[rows, tokens]`.
        pooler: an encoder's own pooled state, `[rows, width]`; None for decoders.
    """

    states: Tensor
    mask: Tensor
    pooler: Tensor | None = None


def pad(base: Base, sequences: Sequence[Sequence[int]], left: bool | None = None) -> PaddedBatch:
    """Pad token sequences to the longest, on the base's device.

    Args:
        base: that they are for.
        sequences: token ids, none empty.
        left: on which side; by default on the left for decoders, so that the last column is every row's last token, and
            on the right for encoders, whose pooler reads the first column.
    """
    on_left = base.kind == "decoder" if left is None else left
    width = max(map(len, sequences))
    padding = [[0] * (width - len(sequence)) for sequence in sequences]
    # One tensor of all rows at once: with a few for each, they would cost a small encoder more than a hundredth.
    ids = torch.tensor(
        [
            [*gap, *sequence] if on_left else [*sequence, *gap]
            for gap, sequence in zip(padding, sequences, strict=True)
        ],
        dtype=torch.long,
    )
    lengths = torch.tensor([[len(sequence)] for sequence in sequences])
    columns = torch.arange(width)
    mask = (columns >= width - lengths if on_left else columns < lengths).long()
    return PaddedBatch(ids.to(base.device), mask.to(base.device))


def forward(
    base: Base,
    slots: "Slots",
    batch: PaddedBatch,
    rows: RowSlots,
    dropout: Mapping[int, Dropout] | None = None,
    embedded: Tensor | None = None,
    starts: Sequence[int] | None = None,
    view: Callable[[Tensor], View | None] | None = None,
    first_alone: bool = False,
) -> Hidden:
    """Run the base over whole sequences, each row through its own adapter.

    A row's first token stands at its prefix length, as in PEFT, whatever the padding and on whichever side it is.

    Args:
        base: that runs.
        slots: on that base.
        batch: the rows' tokens.
        rows: which row uses which slot.
        dropout: by slot, in training.
        embedded: stands for the tokens' embeddings, `[rows, tokens, width]`.
        starts: the position of each row's first token, where that is not its prefix length.
        view: gives what rows see beside their own tokens, where that is not their prefix; it is told the positions of
            all tokens, `[rows, tokens]`.
        first_alone: whether of an encoder only each row's first token is looked at.

    Returns:
        Hidden states of every token, padding included; with `first_alone` of the first one.

    Raises:
        AdapterError: a row uses a slot in which no adapter is loaded.
    """
    if starts is None:
        starts = [slots.prefix_length(slot) for slot in rows.slots]
    first = torch.tensor(starts, device=base.device)[:, None]
    positions = (batch.mask.cumsum(1) - 1).clamp(min=0) + first
    arguments: dict[str, Any] = {
        **({"input_ids": batch.ids} if embedded is None else {"inputs_embeds": embedded}),
        "attention_mask": batch.mask,
        "position_ids": positions + base.first_position,
        "repertoire": slots.prefix_view(rows, positions) if view is None else view(positions),
    }
    if base.kind == "decoder":
        arguments["use_cache"] = False
    with slots.using(rows, dropout), first_token_alone(base) if first_alone else nullcontext():
        output = base.backbone(**arguments)
    mask = batch.mask[:, :1] if first_alone else batch.mask
    return Hidden(output.last_hidden_state, mask, getattr(output, "pooler_output", None))


def extend(
    base: Base,
    slots: "Slots",
    cache: KeyValueCache,
    first: int,
    starts: Sequence[int],
    ids: Tensor,
    rows: RowSlots,
) -> Tensor:
    """Run the base over the next tokens of sequences whose past lies in a cache.

    Args:
        base: that runs.
        slots: on that base.
        cache: with the rows' past; the new tokens' keys and values are added.
        first: the cache's row of row 0, the others follow.
        starts: how many columns of its cache row each row has filled already, its prefix included.
        ids: the next tokens, `[rows, tokens]`, padded on the right.
        rows: which row uses which slot.

    Returns:
        Hidden states, `[rows, tokens, width]`.
    """
    view = cache.at(first, starts, ids.shape[1])
    with slots.using(rows):
        return behind(base, cache, view, ids)


def behind(base: Base, cache: KeyValueCache, view: CacheView, ids: Tensor) -> Tensor:
    """Hidden states `[rows, tokens, width]` of tokens `[rows, tokens]` that see what a view of the cache shows them,
    through whatever adapters are in use."""
    output = base.backbone(
        input_ids=ids,
        # 4 dimensions: taken as it is; the view brings the real one.
        attention_mask=ids.new_zeros(1, 1, 1, 1),
        position_ids=view.positions + base.first_position,
        past_key_values=cache,
        use_cache=True,
        repertoire=view,
    )
    states: Tensor = output.last_hidden_state
    return states
