"""Slots: where resident adapters' weights lie, stacked, so that every row of a batch can use another one.

The base stays as it is: LoRA terms are added by hooks on its linear layers, prefixes inside its attention, and both do
nothing outside `using`. Serving copies finished adapters in; training reads and writes the same stacks through
`parameters`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from adapters.base import Base
from adapters.config import Adapter, Lora
from adapters.errors import AdapterError
from adapters.files import head_names
from adapters.heads import HeadWeights
from adapters.kernels import Dropout, LoraRows, Scratch
from adapters.lora import LoraStack
from adapters.packed import LoraTerm, Packed, lora_terms, pack
from adapters.prefix import TABLE, PrefixStack, PrefixView
from adapters.rows import Rows


class Slots:
    """`count` places for adapters on one base.

    dtype: of the stacks; None takes the base's own, training uses float32. With `trains`, gradients flow into
    the stacks and `collect_gradients` hands them to `parameters`.
    """

    def __init__(
        self, base: Base, count: int, dtype: torch.dtype | None = None, trains: bool = False
    ) -> None:
        self.base = base
        self.count = count
        self.dtype = dtype or base.dtype
        self.trains = trains
        self._lora = LoraStack(base.linears, base.sources, count, base.device, self.dtype, trains)
        self._prefix: PrefixStack | None = None
        self._heads: dict[int, HeadWeights] = {}
        self._loaded: dict[int, Packed] = {}
        self._scratch = Scratch()
        self._planned: tuple[Rows, LoraRows | None] | None = None

    def load(self, slot: int, adapter: Adapter) -> None:
        """Check an adapter against the base and copy it into a slot: `pack` and `place`.

        Raises WrongBase or BadAdapter and then leaves the slot empty.
        """
        self.clear(slot)
        if self.trains and isinstance(adapter.method, Lora) and adapter.method.dora:
            raise AdapterError("DoRA is served but not trained here yet; train it with PEFT")
        self.place(slot, pack(adapter, self.base, self.dtype, self.trains))

    def place(self, slot: int, packed: Packed) -> None:
        """Copy a packed adapter into a slot, over what was there."""
        self.clear(slot)
        with self.base.lock:  # a layer may get its hook now
            if packed.lora is not None and packed.layout is not None:
                self._lora.place(slot, packed.layout, packed.lora, packed.scaling)
            if packed.prefix is not None:
                if self._prefix is None:
                    self._prefix = PrefixStack(self.base.attention, self.count, self.base.device, self.dtype)
                    self._prefix.table.requires_grad_(self.trains)
                self._prefix.place(slot, packed.prefix)
        if packed.head is not None:
            self._heads[slot] = packed.head.to(self.base.device)
        self._loaded[slot] = packed.bare()

    def clear(self, slot: int) -> None:
        """Empty a slot."""
        if not 0 <= slot < self.count:
            raise IndexError(f"slot {slot} of {self.count}")
        self._planned = None
        if slot not in self._loaded:
            return
        self._lora.clear(slot)
        if self._prefix is not None:
            self._prefix.clear(slot)
        self._heads.pop(slot, None)
        del self._loaded[slot]

    def close(self) -> None:
        """Take every hook off the base."""
        with self.base.lock:
            self._lora.close()
        self._heads.clear()
        self._loaded.clear()
        self._prefix = self._planned = None

    @contextmanager
    def using(self, rows: Rows, dropout: Mapping[int, Dropout] | None = None) -> Iterator[None]:
        """While active, row i of every forward of the base adds the low-rank terms of slot `rows.slots[i]`."""
        with self.base.lock:
            self._lora.rows = self._plan(rows, dropout or {})
            try:
                yield
            finally:
                self._lora.rows = None
                self._scratch.forget()

    def prefix_view(self, rows: Rows, positions: Tensor) -> PrefixView | None:
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

    def parameters(self, slot: int) -> dict[str, nn.Parameter]:
        """The trainable weights of one slot under PEFT's names, as views of the stacks: an optimizer step on them is a
        step on the stacks. Call it after every adapter is loaded: a stack that grows moves."""
        adapter = self._loaded[slot].adapter
        views: dict[str, Tensor] = {}
        for path, term in self._terms(adapter).items():
            weights, rank = self._lora.layers[path], adapter.tensors[term.a].shape[0]
            views[term.a] = weights.a.data[slot, :rank]
            views[term.b] = weights.b.data[slot, :rank].T
        if self._prefix is not None and TABLE in adapter.tensors:
            views[TABLE] = self._prefix.table.data[slot, : self._prefix.lengths[slot]]
        parameters = {name: nn.Parameter(view) for name, view in views.items()}
        if (names := head_names(adapter.tensors)) is not None:
            head = self._heads[slot]
            head.weight = parameters[names[0]] = nn.Parameter(head.weight.detach())
            if names[1] and head.bias is not None:
                head.bias = parameters[names[1]] = nn.Parameter(head.bias.detach())
        return parameters

    def collect_gradients(self, owners: Sequence[tuple[int, Mapping[str, nn.Parameter]]]) -> None:
        """After a backward: add the stacks' gradients to the parameters of their slots, then forget them."""
        for slot, parameters in owners:
            adapter = self._loaded[slot].adapter
            for path, term in self._terms(adapter).items():
                weights, rank = self._lora.layers[path], adapter.tensors[term.a].shape[0]
                if weights.a.grad is not None and weights.b.grad is not None:
                    _accumulate(parameters[term.a], weights.a.grad[slot, :rank])
                    _accumulate(parameters[term.b], weights.b.grad[slot, :rank].T)
            if TABLE in parameters and self._prefix is not None and self._prefix.table.grad is not None:
                length = self._prefix.lengths[slot]
                _accumulate(parameters[TABLE], self._prefix.table.grad[slot, :length])
        for weights in self._lora.layers.values():
            weights.a.grad = weights.b.grad = None
        if self._prefix is not None:
            self._prefix.table.grad = None

    def _terms(self, adapter: Adapter) -> dict[str, LoraTerm]:
        return lora_terms(adapter, self.base.linears) if isinstance(adapter.method, Lora) else {}

    def _plan(self, rows: Rows, dropout: Mapping[int, Dropout]) -> LoraRows | None:
        """The plan of a step's low-rank terms; None where no row has any. Kept for as long as the rows stay."""
        if self._planned is not None and self._planned[0] is rows and not dropout:
            return self._planned[1]
        empty = sorted({slot for slot in rows.slots if slot is not None and slot not in self._loaded})
        if empty:
            raise AdapterError(f"no adapter is loaded in slot {empty[0]}; load one before rows use it")
        ranks = {slot: self._rank(slot) for slot in rows.slots if slot is not None}
        adapted = Rows(tuple(slot if slot is not None and ranks[slot] else None for slot in rows.slots))
        plan = None
        if any(ranks.values()):
            highest = max(ranks.values())
            plan = LoraRows(adapted.segments, self.count, highest, self.base.device, self._scratch, dropout)
        self._planned = (rows, plan)
        return plan

    def _rank(self, slot: int) -> int:
        layout = self._loaded[slot].layout
        return 0 if layout is None else layout.rank


def _accumulate(parameter: nn.Parameter, gradient: Tensor) -> None:
    parameter.grad = gradient.clone() if parameter.grad is None else parameter.grad + gradient
