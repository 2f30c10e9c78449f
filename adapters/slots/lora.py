"""LoRA rows: what a row's own low-rank term adds to a linear layer of the base.

The base product runs once over all rows, so that a quantized weight is unpacked once a batch. Then each row adds
`B (A x)` of its own adapter (`adapters.kernels`). A slot holds the terms of all layers side by side in one buffer, so
that an adapter moves in with one copy:

    slot 0   [ A q | A k | A v | B q | B k | B v | A o | B o | ... | A down | B down ]
    slot 1   [ A q | A k | ...                                                       ]
    empty    [ 0 0 0 ...                                                             ]    for rows without LoRA

Each layer sees its own columns of all slots as `a [slots + 1, rank, in]` and `b [slots + 1, rank, out]`. B lies
transposed: with one token a row, `[1, rank] @ [rank, out]` runs about four times as fast on a CPU.
"""

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from adapters.kernels.plan import InputGroup, LoraRows, Weights
from adapters.slots.layout import Layout

Add = Callable[[Tensor, Tensor, Weights, Tensor | None, LoraRows], Tensor]
"""A kernel: output, x, weights, bias and rows to the output with the rows' terms; see `adapters.kernels.add`."""
_orphaned: list[RemovableHandle] = []  # hooks of stacks that were dropped and not closed


class LoraStack:
    """The low-rank terms of all slots, and the hooks that add them to the base's layers while `rows` is set.

    The last slot stays zero: it is the slot of rows without LoRA. Where a slot's adapter does not touch a layer, or has
    a lower rank, zeros fill the rest, so that it adds exactly nothing. The buffer grows when an adapter needs room
    that no earlier one did.

    Args:
        linears: the base's layers by their path.
        input_groups: for each layer the first one that reads the same input.
        slots: how many adapters fit.
        device: of the base.
        dtype: of the stacks.
        trains: whether the weights are PEFT's own, with their scaling beside them, and gradients gather in a buffer of
            the same layout; otherwise B has its scaling folded in.
        add: the kernel that the hooks call.
    """

    def __init__(
        self,
        linears: Mapping[str, nn.Linear],
        input_groups: Mapping[str, str],
        slots: int,
        device: torch.device,
        dtype: torch.dtype,
        trains: bool,
        add: Add,
    ) -> None:
        self.linears = linears
        self.input_groups = input_groups
        self.layout = Layout()
        self.buffer = torch.zeros(slots + 1, 0, device=device, dtype=dtype)
        self.gradient = torch.zeros(slots + 1, 0, device=device, dtype=dtype)
        self.layers: dict[str, Weights] = {}
        self.filled: set[int] = set()
        self.trains = trains
        self.rows: LoraRows | None = None
        self._add = add
        self._handles: dict[str, RemovableHandle] = {}
        weakref.finalize(self, _orphaned.extend, self._handles.values()).atexit = False
        remove_orphans()

    def reserve(self, layout: Layout) -> None:
        """Make room for adapters of a layout."""
        joined = self.layout.join(layout, self.input_groups)
        if joined != self.layout:
            self._grow(joined)

    def put(self, slot: int, layout: Layout, buffer: Tensor, scaling: Mapping[str, float]) -> None:
        """Copy one adapter's buffer `[layout.size]` into a slot, over what it held."""
        if layout != self.layout:
            self.clear(slot)
            self.reserve(layout)
        self.filled.add(slot)
        with torch.no_grad():
            if layout == self.layout:
                self.buffer[slot].copy_(buffer, non_blocking=True)
            else:
                own = layout.views(buffer.to(self.buffer.device, self.buffer.dtype, non_blocking=True)[None])
                _fill(self.layout.views(self.buffer[slot : slot + 1]), own)
        for path, factor in scaling.items():
            layer_scaling = self.layers[path].scaling
            if layer_scaling is not None:
                layer_scaling[slot] = factor

    def take_gradient(self, slot: int, layout: Layout) -> Tensor:
        """The gradient of a slot, in an adapter's own layout, `[layout.size]`; the slot's is zero then."""
        with torch.no_grad():
            own = self.gradient[slot : slot + 1]
            if layout == self.layout:
                taken = own[0].clone()
            else:
                taken = own.new_zeros(layout.size)
                _cut(layout.views(taken[None]), self.layout.views(own))
            own.zero_()
        return taken

    def clear(self, slot: int) -> None:
        """Zero a slot that holds anything."""
        if slot not in self.filled:
            return
        self.filled.remove(slot)
        with torch.no_grad():
            self.buffer[slot].zero_()
            self.gradient[slot].zero_()

    def close(self) -> None:
        """Take every hook off the base."""
        for handle in self._handles.values():
            handle.remove()
        self._handles.clear()
        remove_orphans()
        self.layers.clear()

    def _grow(self, layout: Layout) -> None:
        with torch.inference_mode(False), torch.no_grad():
            buffer = self.buffer.new_zeros(self.buffer.shape[0], layout.size)
            _fill(layout.views(buffer), self.layout.views(self.buffer))
        self.layout, self.buffer = layout, buffer
        views = layout.views(buffer)
        if self.trains:
            self._give_gradients(views)
        for path, weights in views.items():
            self.layers[path] = weights
            if path not in self._handles:
                hook = _Hook(weakref.ref(self), path, self.linears[path].bias, self._add)
                self._handles[path] = self.linears[path].register_forward_hook(hook)

    def _give_gradients(self, views: Mapping[str, Weights]) -> None:
        """Make leaves of what the layers see, their gradients side by side in a buffer of the same layout."""
        self.gradient = torch.zeros_like(self.buffer)
        groups: dict[str, InputGroup] = {}
        for path, own in self.layout.views(self.gradient).items():
            weights, old, name = views[path], self.layers.get(path), own.group.name
            if name not in groups:
                leaf = _leaf(weights.group.a, own.group.a)
                groups[name] = InputGroup(leaf, weights.group.rank, name)
            weights.group = groups[name]
            weights.b = _leaf(weights.b, own.b)
            if weights.gain is not None and own.gain is not None:
                weights.gain = _leaf(weights.gain, own.gain)
            weights.scaling = old.scaling if old else self.buffer.new_zeros(len(self.buffer))


@dataclass(frozen=True, slots=True)
class _Hook:
    """Adds a stack's terms to what a layer gives; weakly, since a base outlives what runs on it."""

    stack: "weakref.ref[LoraStack]"
    path: str
    bias: Tensor | None
    add: Add

    def __call__(self, _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        stack = self.stack()
        if stack is None or stack.rows is None:
            return None
        return self.add(output, inputs[0], stack.layers[self.path], self.bias, stack.rows)


def remove_orphans() -> None:
    """Take the hooks of dropped stacks off their bases. Not done when a stack is collected: that may come in the middle
    of a forward, which goes over them."""
    while _orphaned:
        _orphaned.pop().remove()


def _leaf(values: Tensor, gradient: Tensor) -> Tensor:
    """Values that autograd sees, and where it puts their gradient."""
    leaf = values.detach().requires_grad_()
    leaf.grad = gradient
    return leaf


def _fill(target: Mapping[str, Weights], source: Mapping[str, Weights]) -> None:
    """Copy what one layout holds into the larger shares of another."""
    for path, own in source.items():
        room, rank = target[path], own.a.shape[1]
        room.a[: len(own.a), :rank] = own.a
        room.b[: len(own.b), :rank] = own.b
        if own.gain is not None and room.gain is not None:
            room.gain[: len(own.gain)] = own.gain


def _cut(target: Mapping[str, Weights], source: Mapping[str, Weights]) -> None:
    """Copy of a layout what a smaller one has room for."""
    for path, own in target.items():
        room, rank = source[path], own.a.shape[1]
        own.a[:] = room.a[:, :rank]
        own.b[:] = room.b[:, :rank]
        if own.gain is not None and room.gain is not None:
            own.gain[:] = room.gain
