"""How many tokens one forward and backward may hold at once: measured on the base that is there."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from adapters import Base
from adapters.forward import forward, pad
from adapters.memory import free_memory
from adapters.rows import Rows
from adapters.slots import Slots

_PROBE = 64  # tokens of the forward that is measured
_SHARE = 0.5  # of the free memory
_TEMPORARY = 2.0  # the backward's own tensors, beside what the forward saved
_JOB_COPIES = 6  # of an adapter in training: slot, its gradient, parameter, gradient, two moments


def token_budget(base: Base, slots: Slots, slot: int, most: int) -> int:
    """Tokens of a pass that half of the free memory holds, at most `most`. slot: of an adapter to measure with."""
    each = bytes_per_token(base, slots, slot)
    return max(_PROBE, min(most, int(_SHARE * free_memory(base.device) / (_TEMPORARY * each))))


def bytes_per_token(base: Base, slots: Slots, slot: int) -> float:
    """What a forward keeps for its backward, the logits over the vocabulary for every token included."""
    with saved_bytes() as saved:
        states = forward(base, slots, pad(base, [[0] * _PROBE]), Rows((slot,))).states
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
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield total


def places(job_bytes: int, device: torch.device) -> int:
    """How many adapters of so many bytes may train at once in a quarter of the free memory; one at least."""
    return max(1, int(free_memory(device) / 4 / (_JOB_COPIES * max(1, job_bytes))))
