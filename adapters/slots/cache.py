"""The KV cache of texts that are being written: one row for each text, one column for each position.

A text's prefix, prompt and written tokens lie in its row from column 0 on, so that a column is a position and no row
needs padding on its left. Three texts, of which the first has a prefix of 2 ('.' was never written or is left over from
an earlier text; nobody sees it):

    row 0   p p a b c .     next token goes to column 5
    row 1   d e . . . .                               2
    row 2   f g h i . .                               4
    free    . . . . . .

A token at position q sees the columns up to q of its own row: that one rule is the whole mask. Texts join at the end
and leave anywhere; the last one then moves into the gap, so that running texts always have the first rows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache

from adapters.base.attention import AttentionLayer
from adapters.base.memory import free_memory


@dataclass(frozen=True)
class CacheView:
    """What the rows of one step see: rows `first ..` of the cache.

    start: the first new column, where all rows have the same; None where they differ, or where nothing may depend on
    what they are; positions: `[rows, tokens]`; width: how many columns are looked at.
    """

    first: int
    start: int | None
    positions: Tensor
    width: int
    _masks: dict[int | None, Tensor | None] = field(default_factory=dict)
    _columns: dict[tuple[int, int], Tensor] = field(default_factory=dict)

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
        if window not in self._masks:
            self._masks[window] = self._mask(window)
        return key, value, self._masks[window]

    def columns(self, kv_heads: int, width: int) -> Tensor:
        """Where new keys go in a layer's `[cache rows * kv_heads * width]`, as `[rows * kv_heads * tokens]`."""
        kind = (kv_heads, width)
        if kind not in self._columns:
            device = self.positions.device
            rows = torch.arange(len(self.positions), device=device) + self.first
            heads = rows[:, None] * kv_heads + torch.arange(kv_heads, device=device)
            self._columns[kind] = (heads[:, :, None] * width + self.positions[:, None, :]).flatten()
        return self._columns[kind]

    def _mask(self, window: int | None) -> Tensor | None:
        """Bool `[rows, 1, tokens, width]`; None where plain causal attention says the same."""
        short = window is None or self.width <= window
        if self.start is not None and short and (self.positions.shape[1] == 1 or self.start == 0):
            return None
        columns = torch.arange(self.width, device=self.positions.device)
        own = self.positions[:, None, :, None]
        mask = columns <= own
        return mask if window is None else mask & (columns > own - window)


class KeyValueCache(Cache):
    """Keys and values of all rows, layer by layer `[2, rows, kv_heads, width, head_dim]`.

    It never holds numbers that are not finite for longer than the step that made them: a masked column still takes part
    in attention with weight 0, and 0 times NaN would reach other rows.
    """

    def __init__(self, layers: Sequence[AttentionLayer], device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(layers=[])
        self._device = device
        self._stored = [
            torch.zeros(2, 0, layer.kv_heads, 0, layer.head_dim, device=device, dtype=dtype)
            for layer in layers
        ]
        self._view: CacheView | None = None

    @property
    def rows(self) -> int:
        """How many rows fit."""
        return int(self._stored[0].shape[1])

    @property
    def width(self) -> int:
        """How many positions of each row fit."""
        return int(self._stored[0].shape[3])

    @property
    def memory(self) -> list[Tensor]:
        """Of each layer `[2, rows, kv_heads, width, head_dim]`; another list whenever it had to move."""
        return self._stored

    def resize(self, rows: int, width: int, keep: int) -> None:
        """Make room for so many rows of `width` positions, keeping the first `keep` rows."""
        grown = []
        with torch.inference_mode(False):
            for old in self._stored:
                new = old.new_zeros(2, rows, old.shape[2], width, old.shape[4])
                columns = min(width, old.shape[3])
                new[:, :keep, :, :columns] = old[:, :keep, :, :columns]
                grown.append(new)
        self._stored = grown

    def seed(self, row: int, keys_values: Iterable[Tensor]) -> None:
        """Begin a row with what stands in front of its tokens, for each layer `[2, kv_heads, length, head_dim]`."""
        for stored, prefix in zip(self._stored, keys_values, strict=True):
            stored[:, row, :, : prefix.shape[2]] = prefix

    def taken(self, row: int, length: int) -> list[Tensor]:
        """A copy of a row's first columns, as `seed` takes it."""
        return [stored[:, row, :, :length].clone() for stored in self._stored]

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` columns of one row to another."""
        for stored in self._stored:
            stored[:, target, :, :length] = stored[:, source, :, :length]

    def wipe(self, row: int) -> None:
        """Zero a row, after a text whose numbers were not finite."""
        for stored in self._stored:
            stored[:, row].zero_()

    def at(self, first: int, starts: Sequence[int], tokens: int) -> CacheView:
        """The view of a step that adds `tokens` columns to rows `first ..`, which begin at `starts`."""
        begin = torch.tensor(starts, device=self._device)[:, None]
        positions = begin + torch.arange(tokens, device=self._device)
        start = starts[0] if len(set(starts)) == 1 else None
        self._view = CacheView(first, start, positions, max(starts) + tokens)
        return self._view

    def at_positions(self, positions: Tensor, width: int) -> CacheView:
        """The view of a step whose positions `[rows, tokens]` lie in a buffer: the first rows, and so many columns of
        them, whatever it holds."""
        self._view = CacheView(0, None, positions, width)
        return self._view

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Called by the base's attention: store the new columns, hand out all that the step looks at."""
        view, stored = self._view, self._stored[layer_idx]
        assert view is not None
        rows = slice(view.first, view.first + len(view.positions))
        if view.start is not None:
            stored[0, rows, :, view.start : view.width] = key_states
            stored[1, rows, :, view.start : view.width] = value_states
        else:
            _, _, heads, width, size = stored.shape
            columns = view.columns(heads, width)
            for part, new in zip(stored, (key_states, value_states), strict=True):
                part.view(-1, size).index_copy_(0, columns, new.reshape(-1, size).to(part.dtype))
        return stored[0, rows, :, : view.width], stored[1, rows, :, : view.width]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Columns before the current step of the row that has most; some models ask, though positions are always
        given."""
        return 0 if self._view is None else self._view.width - self._view.positions.shape[1]


def positions_in(
    share: float, layers: Sequence[AttentionLayer], device: torch.device, dtype: torch.dtype
) -> int:
    """How many positions of one row fit into a share of the device's free memory."""
    numbers = sum(2 * layer.kv_heads * layer.head_dim for layer in layers)
    return int(free_memory(device) * share) // (numbers * dtype.itemsize)
