"""Slots: where resident adapters' weights lie, stacked, so that every row of a batch can use another one.

The base stays as it is: LoRA terms are added by hooks on its linear layers, prefixes inside its attention, and both do
nothing outside `using`. Serving copies finished adapters in; training writes the same stacks and takes their gradients
out (`adapters.slots.trained`).

Which slot an adapter gets, and which one leaves for it, is chosen in `adapters.serving.slot_choice`.
"""

from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from adapters.base.base import Base
from adapters.errors import AdapterError
from adapters.format.config import Adapter, Lora
from adapters.format.soundness import LoraTerm, check_fit
from adapters.kernels.dispatch import add
from adapters.kernels.plan import Dropout, LoraRows, Scratch, Segment, Tiles
from adapters.slots.heads import HeadWeights
from adapters.slots.layout import Layout
from adapters.slots.lora import LoraStack
from adapters.slots.packed import Packed, layout_of, pack
from adapters.slots.prefix import PrefixStack, PrefixView
from adapters.slots.rows import RowSlots


class _Own(NamedTuple):
    """An adapter's own memory, with one place."""

    stack: LoraStack
    scratch: Scratch


_Planned = tuple[LoraStack, LoraRows | None]
"""A stack, and what it does in a step."""


class Slots:
    """So many slots for adapters on one base.

    Args:
        base: that the adapters run on.
        count: how many slots.
        dtype: of the stacks; None takes the base's own, training uses float32.
        trains: whether gradients flow into the stacks; `adapters.slots.trained` takes them out.
        shared_rank: adapters of a higher rank get memory of their own for as long as they are in a slot, so that one
            of them does not make room for its rank in every slot. None: none does.
    """

    def __init__(
        self,
        base: Base,
        count: int,
        dtype: torch.dtype | None = None,
        trains: bool = False,
        shared_rank: int | None = None,
    ) -> None:
        self.base = base
        self.count = count
        self.dtype = dtype or base.dtype
        self.trains = trains
        self.shared_rank = shared_rank
        self._lora = self._stack(count)
        self._large: dict[int, _Own] = {}
        self._prefix: PrefixStack | None = None
        self._heads: dict[int, HeadWeights] = {}
        self._loaded: dict[int, Packed] = {}
        self._contents: dict[int, Hashable] = {}
        self._scratch = Scratch()
        self._planned: tuple[RowSlots, Mapping[int, Dropout], list[_Planned]] | None = None

    def reserve(self, adapter: Adapter) -> None:
        """Make room for an adapter before it comes, so that nothing moves later. Raises as `load`."""
        if isinstance(adapter.method, Lora):
            layout = layout_of(adapter, check_fit(adapter, self.base), self.base)
            with self.base.lock:
                self._lora.reserve(layout)

    def load(self, slot: int, adapter: Adapter) -> None:
        """Check an adapter against the base and copy it into a slot: `pack` and `put`.

        Args:
            slot: 0 to `count` less 1; what it held is gone, whatever comes.
            adapter: with its tensors.

        Raises:
            WrongBase: it was made for another base.
            BadAdapter: with every tensor that does not fit.
        """
        self.clear(slot)
        self.put(slot, pack(adapter, self.base, self.dtype, self.trains))

    def put(self, slot: int, packed: Packed, content: Hashable = None) -> None:
        """Copy a packed adapter into a slot, over what was there.

        Args:
            slot: 0 to `count` less 1.
            packed: the adapter.
            content: stands for its weights and no others, in any slot at any time; None where nothing does.
        """
        self._forget(slot)
        large = self.is_large(packed)
        with self.base.lock:  # a layer may get its hook now
            if self.trains or large or packed.lora is None:  # otherwise it is written over
                self._lora.clear(slot)
            if packed.lora is not None and packed.layout is not None:
                scaling = {path: term.scaling for path, term in packed.terms.items()}
                if large:
                    own = _Own(self._stack(1), Scratch())
                    own.stack.put(0, packed.layout, packed.lora, scaling)
                    self._large[slot] = own
                else:
                    self._lora.put(slot, packed.layout, packed.lora, scaling)
            if packed.prefix is not None:
                if self._prefix is None:
                    self._prefix = PrefixStack(self.base.attention, self.count, self.base.device, self.dtype)
                    self._prefix.table.requires_grad_(self.trains)
                self._prefix.put(slot, packed.prefix)
        if packed.head is not None:
            self._heads[slot] = packed.head.to(self.base.device, self.trains)
        self._loaded[slot], self._contents[slot] = packed.bare(), content or object()

    def is_large(self, packed: Packed) -> bool:
        """Whether an adapter gets memory of its own."""
        return (
            self.shared_rank is not None
            and packed.layout is not None
            and packed.layout.rank > self.shared_rank
        )

    def clear(self, slot: int) -> None:
        """Empty a slot."""
        self._forget(slot)
        self._lora.clear(slot)

    def close(self) -> None:
        """Take every hook off the base."""
        with self.base.lock:
            for stack in (self._lora, *(own.stack for own in self._large.values())):
                stack.close()
        self._large.clear()
        self._heads.clear()
        self._loaded.clear()
        self._prefix = self._planned = None

    @contextmanager
    def using(self, rows: RowSlots, dropout: Mapping[int, Dropout] | None = None) -> Iterator[None]:
        """While active, row i of every forward of the base adds the low-rank terms of slot `rows.slots[i]`.

        Args:
            rows: which row uses which slot.
            dropout: on the inputs of the terms, by slot.

        Raises:
            AdapterError: a row uses a slot in which no adapter is loaded.
        """
        with self.base.lock, self._doing(self._plan(rows, dropout or {})):
            yield

    @contextmanager
    def using_plan(self, plan: LoraRows) -> Iterator[None]:
        """The same by a plan of `fixed_plan`."""
        with self.base.lock, self._doing([(self._lora, plan)]):
            yield

    def fixed_plan(self, tiles: Tiles) -> LoraRows:
        """The plan of a step in which nothing depends on which slots the rows use.

        Args:
            tiles: one of each row; their slots are those that `places` gives, and may change from step to step.
        """
        rows = [Segment(self.count, 0, len(tiles.slots))]
        return LoraRows(rows, self.count, self._lora.layout.rank, self.base.device, Scratch(), tiles=tiles)

    def places(self, rows: RowSlots) -> list[int] | None:
        """Where in `memory` each row's low-rank terms lie, that of zeros for rows without; None where an adapter has
        memory of its own. Raises as `using`."""
        used = self._used(rows)
        if used & self._large.keys():
            return None
        return [self.count if slot is None else slot for slot in rows.slots]

    @property
    def memory(self) -> Tensor:
        """The low-rank terms of all slots, `[slots + 1, size]`; another tensor whenever it had to grow."""
        return self._lora.buffer

    def prefix_view(self, rows: RowSlots, positions: Tensor) -> PrefixView | None:
        """What rows see in a full forward beside their own tokens; None where no row has a prefix."""
        return None if self._prefix is None else self._prefix.view(rows.slots, positions)

    def prefix_length(self, slot: int | None) -> int:
        """How many positions the prefix in a slot takes; 0 without one."""
        return 0 if slot is None or self._prefix is None else self._prefix.lengths[slot]

    def prefix(self, slot: int | None) -> Tensor | None:
        """The prefix in a slot, `[layers, 2, kv_heads, length, head_dim]`; None without one."""
        if slot is None or self._prefix is None or not self._prefix.lengths[slot]:
            return None
        return self._prefix.keys_values(slot)

    def has_head(self, slot: int) -> bool:
        """Whether the adapter in a slot predicts labels; otherwise it writes."""
        return slot in self._heads

    def head(self, slot: int) -> HeadWeights:
        """The head in a slot. Raises AdapterError where its adapter has none."""
        if slot not in self._heads:
            raise AdapterError(f"the adapter in slot {slot} has no head; it writes text")
        return self._heads[slot]

    def adapter(self, slot: int) -> Adapter:
        """What was loaded into a slot; its tensors only where the slots train."""
        return self._loaded[slot].adapter

    def content(self, slot: int | None) -> Hashable:
        """Stands for the weights in a slot, and changes with them; None for the base alone."""
        return None if slot is None else self._contents[slot]

    def lora_terms(self, slot: int) -> Mapping[str, LoraTerm]:
        """Names of the tensors of its low-rank terms by the path of the layer, where the slots train."""
        return self._loaded[slot].terms

    def set_lora(self, slot: int, layout: Layout, buffer: Tensor) -> None:
        """Overwrite the low-rank terms in a slot. layout: of the loaded adapter; buffer: `[layout.size]`."""
        self._contents[slot] = object()
        self._lora.put(slot, layout, buffer, {})

    def set_prefix(self, slot: int, table: Tensor) -> None:
        """Overwrite the prefix in a slot, `[length, width]`."""
        self._contents[slot] = object()
        if self._prefix is not None:
            self._prefix.put(slot, table)

    def take_lora_gradient(self, slot: int, layout: Layout) -> Tensor:
        """The gradient that the last backwards left for a slot's low-rank terms, `[layout.size]`; it is zero then."""
        return self._lora.take_gradient(slot, layout)

    def take_prefix_gradient(self, slot: int) -> Tensor | None:
        """The same for its prefix, `[length, width]`; None before the first backward."""
        return None if self._prefix is None else self._prefix.take_gradient(slot)

    def _forget(self, slot: int) -> None:
        """Let go of what a slot holds, but for what lies in the memory of all."""
        if not 0 <= slot < self.count:
            raise IndexError(f"slot {slot} of {self.count}")
        self._planned = None
        if slot in self._large:
            with self.base.lock:
                self._large.pop(slot).stack.close()
        if self._prefix is not None:
            self._prefix.clear(slot)
        self._heads.pop(slot, None)
        self._loaded.pop(slot, None)
        self._contents.pop(slot, None)

    @contextmanager
    def _doing(self, planned: "list[_Planned]") -> Iterator[None]:
        outer = [(stack, stack.rows) for stack, _ in planned]
        for stack, plan in planned:
            stack.rows = plan
        try:
            yield
        finally:
            for stack, before in outer:
                stack.rows = before
            for _, plan in planned:
                if plan is not None:
                    plan.scratch.forget()

    def _plan(self, rows: RowSlots, dropout: Mapping[int, Dropout]) -> "list[_Planned]":
        """What of a step each stack does; the shared one comes first. Kept for as long as the rows stay."""
        if self._planned is not None and self._planned[0] is rows and self._planned[1] == dropout:
            return self._planned[2]
        used = self._used(rows)
        shared = {slot: slot for slot in used - self._large.keys() if self._rank(slot)}
        planned: list[_Planned] = [(self._lora, self._rows(rows, shared, self._scratch, dropout))]
        for slot in sorted(used & self._large.keys()):
            own = self._large[slot]
            planned.append((own.stack, self._rows(rows, {slot: 0}, own.scratch, {})))
        self._planned = (rows, dropout, planned)
        return planned

    def _used(self, rows: RowSlots) -> set[int]:
        """The slots of rows. Raises AdapterError where one is empty."""
        used = {slot for slot in rows.slots if slot is not None}
        if empty := sorted(used - self._loaded.keys()):
            raise AdapterError(f"no adapter is loaded in slot {empty[0]}; load one before rows use it")
        return used

    def _rows(
        self, rows: RowSlots, places: Mapping[int, int], scratch: Scratch, dropout: Mapping[int, Dropout]
    ) -> LoraRows | None:
        """The plan of one stack. places: where in it each slot's terms lie; None where no row has any there."""
        if not places:
            return None
        adapted = RowSlots(tuple(None if slot is None else places.get(slot) for slot in rows.slots))
        count = self.count if scratch is self._scratch else 1
        highest = max(map(self._rank, places))
        dora = any(map(self._dora, places))
        return LoraRows(adapted.segments, count, highest, self.base.device, scratch, dropout, dora)

    def _stack(self, count: int) -> LoraStack:
        base = self.base
        return LoraStack(base.linears, base.input_groups, count, base.device, self.dtype, self.trains, add)

    def _rank(self, slot: int) -> int:
        layout = self._loaded[slot].layout
        return 0 if layout is None else layout.rank

    def _dora(self, slot: int) -> bool:
        method = self._loaded[slot].adapter.method
        return isinstance(method, Lora) and method.dora
