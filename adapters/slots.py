"""Slots: where resident adapters' weights lie, stacked, so that every row of a batch can use another one.

The base stays as it is: LoRA terms are added by hooks on its linear layers, prefixes inside its attention, and both do
nothing outside `using`. Serving copies finished adapters in; training reads and writes the same stacks through
`parameters`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from adapters.base import Base
from adapters.config import Adapter, Lora
from adapters.errors import AdapterError, WrongBase
from adapters.files import head_names
from adapters.heads import HeadWeights, head_weights
from adapters.lora import Dropout, LoraLayer, LoraRows, lora_terms
from adapters.prefix import TABLE, PrefixRows, PrefixStack
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
        self.trains = trains
        self._place = (base.device, dtype or base.dtype)
        self._lora: dict[str, LoraLayer] = {}
        self._prefix: PrefixStack | None = None
        self._heads: dict[int, HeadWeights] = {}
        self._loaded: dict[int, Adapter] = {}
        self._terms: dict[int, dict[str, tuple[str, str, float]]] = {}

    def load(self, slot: int, adapter: Adapter) -> None:
        """Check an adapter against the base, strictly, and copy it into a slot.

        Raises WrongBase or BadAdapter and then leaves the slot empty.
        """
        self.clear(slot)
        check_base(adapter, self.base)
        head = head_weights(adapter, self.base.width, *self._place)
        if isinstance(adapter.method, Lora):
            self._terms[slot] = lora_terms(adapter, self.base.linears)
            for path, (a, b, scaling) in self._terms[slot].items():
                if path not in self._lora:
                    layer = LoraLayer(self.base.linears[path], self.count, *self._place)
                    layer.a.requires_grad_(self.trains)
                    layer.b.requires_grad_(self.trains)
                    self._lora[path] = layer
                self._lora[path].load(slot, adapter.tensors[a], adapter.tensors[b], scaling)
        else:
            if self._prefix is None:
                self._prefix = PrefixStack(self.base.attention, self.count, *self._place)
                self._prefix.table.requires_grad_(self.trains)
            self._prefix.load(slot, adapter)
        if head is not None:
            self._heads[slot] = head
        self._loaded[slot] = adapter

    def clear(self, slot: int) -> None:
        """Empty a slot."""
        if not 0 <= slot < self.count:
            raise IndexError(f"slot {slot} of {self.count}")
        for layer in self._lora.values():
            layer.clear(slot)
        if self._prefix is not None:
            self._prefix.clear(slot)
        self._heads.pop(slot, None)
        self._terms.pop(slot, None)
        self._loaded.pop(slot, None)

    def close(self) -> None:
        """Take every hook off the base."""
        for layer in self._lora.values():
            layer.handle.remove()
        self._lora.clear()
        self._heads.clear()
        self._terms.clear()
        self._loaded.clear()
        self._prefix = None

    @contextmanager
    def using(
        self, rows: Rows, dropout: Mapping[int, Dropout] | None = None, cached: bool = False
    ) -> Iterator[None]:
        """While active, row i of every forward of the base uses slot `rows.slots[i]`.

        cached: prefixes lie in the KV cache already (see `cache`) and do not enter attention a second time.
        """
        with self.base.lock:
            plan = self._lora_rows(rows, dropout or {})
            prefix = None if cached else self.prefix_rows(rows)
            for layer in self._lora.values():
                layer.rows = plan
            try:
                if self._prefix is None:
                    yield
                else:
                    with self._prefix.inside_attention(prefix):
                        yield
            finally:
                for layer in self._lora.values():
                    layer.rows = None

    def prefix_rows(self, rows: Rows) -> PrefixRows | None:
        """Each row's prefix; None where no row has one."""
        return None if self._prefix is None else self._prefix.rows(rows.slots)

    def prefix_length(self, slot: int | None) -> int:
        """How many positions the prefix in a slot takes; 0 without one."""
        return 0 if slot is None or self._prefix is None else self._prefix.lengths[slot]

    def has_head(self, slot: int) -> bool:
        """Whether the adapter in a slot predicts labels; otherwise it writes."""
        return slot in self._heads

    def cache(self, rows: Rows) -> DynamicCache:
        """A KV cache seeded with each row's prefix."""
        return (
            DynamicCache()
            if self._prefix is None
            else self._prefix.seed(self.prefix_rows(rows), self.base.dtype)
        )

    def head(self, slot: int) -> HeadWeights:
        """The head in a slot. Raises AdapterError where its adapter has none."""
        if slot not in self._heads:
            raise AdapterError(f"the adapter in slot {slot} has no head; it writes text")
        return self._heads[slot]

    def parameters(self, slot: int) -> dict[str, nn.Parameter]:
        """The trainable weights of one slot under PEFT's names, as views of the stacks: an optimizer step on them is a
        step on the stacks. Call it after every adapter is loaded: a stack that grows moves."""
        adapter = self._loaded[slot]
        views: dict[str, Tensor] = {}
        if isinstance(adapter.method, Lora):
            for path, (a, b, _) in self._terms[slot].items():
                rank = adapter.tensors[a].shape[0]
                views[a] = self._lora[path].a.data[slot, :rank]
                views[b] = self._lora[path].b.data[slot, :, :rank]
        elif self._prefix is not None:
            views[TABLE] = self._prefix.table.data[slot, : adapter.method.length]
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
            adapter = self._loaded[slot]
            if isinstance(adapter.method, Lora):
                for path, (a, b, _) in self._terms[slot].items():
                    layer, rank = self._lora[path], adapter.tensors[a].shape[0]
                    if layer.a.grad is not None and layer.b.grad is not None:
                        _accumulate(parameters[a], layer.a.grad[slot, :rank])
                        _accumulate(parameters[b], layer.b.grad[slot, :, :rank])
            elif self._prefix is not None and self._prefix.table.grad is not None:
                _accumulate(parameters[TABLE], self._prefix.table.grad[slot, : adapter.method.length])
        for layer in self._lora.values():
            layer.a.grad = layer.b.grad = None
        if self._prefix is not None:
            self._prefix.table.grad = None

    def _lora_rows(self, rows: Rows, dropout: Mapping[int, Dropout]) -> LoraRows | None:
        empty = sorted({slot for slot in rows.slots if slot is not None and slot not in self._loaded})
        if empty:
            raise AdapterError(f"no adapter is loaded in slot {empty[0]}; load one before rows use it")
        adapted = [
            s if s is not None and isinstance(self._loaded[s].method, Lora) else None for s in rows.slots
        ]
        if all(slot is None for slot in adapted):
            return None
        own = Rows(tuple(adapted))
        return LoraRows(own.segments, own.index(self.count, self.base.device), dropout)


def check_base(adapter: Adapter, base: Base) -> None:
    """Raise WrongBase where an adapter was made for another base. Adapters of stock PEFT carry no fingerprint: for them
    names and shapes decide."""
    made_for = adapter.base
    if made_for.fingerprint is not None and made_for.fingerprint != base.fingerprint:
        raise WrongBase(
            f"it was made for {made_for.id} (fingerprint {made_for.fingerprint[:12]}), but the loaded base is "
            f"{base.id} (fingerprint {base.fingerprint[:12]}); load that base, or train the adapter on this one"
        )


def _accumulate(parameter: nn.Parameter, gradient: Tensor) -> None:
    parameter.grad = gradient.clone() if parameter.grad is None else parameter.grad + gradient
