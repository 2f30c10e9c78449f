"""One adapter's weights while it is trained: what an optimizer holds, and how it moves to and from the adapter's slot.

    parameters --update--> slot --forward, backward--> the slot's gradient --take_gradients--> parameters' gradients

The optimizer has a few flat tensors of its own, so that a step on hundreds of small matrices is one operation, and what
a slot's neighbours need (a higher rank, another layer) never shows in it.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from adapters.format.names import TABLE, head_names
from adapters.slots.adalora_terms import as_lora, count, split_gradient
from adapters.slots.layout import Layout
from adapters.slots.packed import raw_lora, with_factors
from adapters.slots.slots import Slots

LORA, VALUES = "lora", "values"


class Trained:
    """The weights of the adapter in a slot of slots that train.

    Args:
        slots: that train.
        slot: in which the adapter lies, with its tensors.
        as_triplets: train AdaLoRA's triplets (see `adapters.slots.adalora_terms`): A and B are Q and P, and there are
            `values` too, which start at 0.
        first_halves: of each term train only the first half of the ranks, and leave the others where they are.

    Attributes:
        parameters: `lora`, all low-rank terms, `[layout.size]` in the adapter's own layout, with DoRA's magnitudes
            where its factors will be; the prefix table `[length, width]` and the head's tensors under PEFT's names.
        layout: of `lora`.
        head_names: of the head's parameters.
    """

    def __init__(
        self, slots: Slots, slot: int, as_triplets: bool = False, first_halves: bool = False
    ) -> None:
        adapter, device = slots.adapter(slot), slots.base.device
        self._slots, self._slot = slots, slot
        self._terms = slots.lora_terms(slot)
        self.layout = Layout()
        self._norms: dict[str, Tensor] = {}
        start: dict[str, Tensor] = {}
        if self._terms:
            self.layout, start[LORA] = raw_lora(adapter, self._terms, slots.base)
        self._still: Tensor | None = None
        if first_halves and self._terms:
            self._still = _second_halves(self.layout).to(device)
            self._held = start[LORA].to(device, slots.dtype, copy=True)
        if as_triplets:
            start[VALUES] = torch.zeros(count(self.layout))
        if TABLE in adapter.tensors:
            start[TABLE] = adapter.tensors[TABLE]
        self.head_names = tuple(name for name in head_names(adapter.tensors) or () if name)
        start |= {name: adapter.tensors[name] for name in self.head_names}
        self.parameters = {
            name: nn.Parameter(value.to(device, slots.dtype, copy=True)) for name, value in start.items()
        }
        self.update()

    def take_gradients(self, keep: bool = True) -> None:
        """Add what the backwards since the last call left in the slot to the parameters' gradients; without `keep`,
        throw it away."""
        found: dict[str, Tensor | None] = {}
        if self._terms:
            lora = found[LORA] = self._slots.take_lora_gradient(self._slot, self.layout)
            views = self.layout.views(lora[None]) if self._norms else {}
            for path, norms in self._norms.items():
                gain = views[path].gain
                assert gain is not None
                gain[0] /= norms
            if self._still is not None:
                lora.masked_fill_(self._still, 0.0)
            if VALUES in self.parameters:
                own, values = self.parameters[LORA].detach(), self.parameters[VALUES].detach()
                found[VALUES] = split_gradient(self.layout, own, values, lora)
        if TABLE in self.parameters:
            found[TABLE] = self._slots.take_prefix_gradient(self._slot)
        for name, leaf in self._head_leaves().items():
            found[name], leaf.grad = leaf.grad, None
        for name, gradient in found.items() if keep else ():
            parameter = self.parameters[name]
            if gradient is not None:
                parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)

    @torch.no_grad()
    def update(self) -> None:
        """Copy the parameters into the slot."""
        if self._still is not None:  # weights decay without a gradient, too
            lora = self.parameters[LORA]
            lora.copy_(torch.where(self._still, self._held, lora))
        if self._terms:
            raw = self._plain({name: each.detach() for name, each in self.parameters.items()})
            buffer, self._norms = with_factors(self.layout, raw, self._terms, self._slots.base)
            self._slots.set_lora(self._slot, self.layout, buffer)
        if TABLE in self.parameters:
            self._slots.set_prefix(self._slot, self.parameters[TABLE])
        for name, leaf in self._head_leaves().items():
            leaf.copy_(self.parameters[name])

    def tensors(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Values of the parameters as the adapter's tensors under PEFT's names, float32 on the CPU."""
        named = {name: value for name, value in values.items() if name not in (LORA, VALUES)}
        for path, weights in self.layout.views(self._plain(values)[None]).items() if self._terms else ():
            term = self._terms[path]
            named |= {term.a: weights.a[0], term.b: weights.b[0].T}
            if term.magnitude is not None and weights.gain is not None:
                named[term.magnitude] = weights.gain[0]
        return {name: value.detach().float().cpu().contiguous().clone() for name, value in named.items()}

    def _plain(self, values: Mapping[str, Tensor]) -> Tensor:
        """The low-rank terms as LoRA has them, `[layout.size]`."""
        lora = values[LORA]
        return as_lora(self.layout, lora, values[VALUES]) if VALUES in values else lora

    def _head_leaves(self) -> dict[str, Tensor]:
        if not self.head_names:
            return {}
        return dict(zip(self.head_names, self._slots.head(self._slot).leaves, strict=True))


def _second_halves(layout: Layout) -> Tensor:
    """Which numbers of a layout are of the second half of the ranks of their term, `[layout.size]`."""
    found = torch.zeros(1, layout.size, dtype=torch.bool)
    for weights in layout.views(found).values():
        half = weights.a.shape[1] // 2
        weights.a[0, half:] = True
        weights.b[0, half:] = True
    return found[0]
