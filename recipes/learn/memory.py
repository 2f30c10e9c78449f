"""How many tokens one forward and backward may hold at once: measured on the base that is there."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from adapters import Adapter, Base
from adapters.base import free_memory
from adapters.slots import RowSlots, Slots, forward, pad

if TYPE_CHECKING:
    from recipes.recipe import Recipe

_PROBE = 64  # tokens of the forward that is measured
_SHARE = 0.5  # of the free memory
_TEMPORARY = 2.0  # the backward's own tensors, beside what the forward saved
_COPIES = 4.0  # of an adapter in training: slot, its gradient, parameter, gradient
_MOMENTS: Mapping[str, float] = {"adamw": 2.0, "adamw8bit": 0.5}
_WORTH = 2.0  # AdaLoRA's two numbers for each weight


def token_budget(base: Base, slots: Slots, slot: int, most: int) -> int:
    """Tokens of a pass that half of the free memory holds, at most `most`. slot: of an adapter to measure with."""
    each = bytes_per_token(base, slots, slot)
    return max(_PROBE, min(most, int(_SHARE * free_memory(base.device) / (_TEMPORARY * each))))


def bytes_per_token(base: Base, slots: Slots, slot: int) -> float:
    """What a forward keeps for its backward, the logits over the vocabulary for every token included."""
    with saved_bytes() as saved:
        states = forward(base, slots, pad(base, [[0] * _PROBE]), RowSlots((slot,))).states
    logits = 3 * 4 * base.vocabulary if base.kind == "decoder" else 0
    del states
    return saved[0] / _PROBE + logits


@contextmanager
def saved_bytes() -> Iterator[list[int]]:
    """Counts the bytes that autograd saves inside, each storage once, without those of leaves."""
    total, seen = [0], set()

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if not tensor.is_leaf and storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            total[0] += storage.nbytes()
        # Not itself: a step that keeps what it gave would hold itself for ever, and the collector does not see it.
        return tensor.detach()

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield total


def job_bytes(recipe: "Recipe", adapter: Adapter) -> int:
    """What an adapter in training takes, beside what its rows do in a pass."""
    worth = _WORTH if recipe.method == "lora" and recipe.lora.adalora is not None else 0.0
    copies = _COPIES + _MOMENTS[recipe.train.optimizer] + worth
    return int(4 * copies * sum(tensor.numel() for tensor in adapter.tensors.values()))


def slots_that_fit(largest: int, device: torch.device) -> int:
    """How many jobs of at most so many bytes may train at once in a quarter of the free memory; one at least."""
    return max(1, int(free_memory(device) / 4 / max(1, largest)))
