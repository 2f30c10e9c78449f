"""Two layers that read the same input, in five slots: what the kernels' tests compute on."""

from itertools import groupby
from types import ModuleType

import torch

from adapters.kernels import torch_reference
from adapters.kernels.plan import LoraRows, Scratch, Segment, Weights
from adapters.slots.layout import Layout, Term

SLOTS = 5
"""Of which the last has no weights; one more stays empty."""
INPUTS, WIDE, NARROW = 24, 40, 16


def weights(device: str, dora: bool = True) -> dict[str, Weights]:
    """Two layers that read the same input, of ranks 5 and 3, in five slots of one buffer; slot 4 is zero."""
    layout = Layout.of(
        [Term("q", 5, INPUTS, WIDE, dora), Term("k", 3, INPUTS, NARROW, False)], {"q": "q", "k": "q"}
    )
    buffer = torch.randn(SLOTS + 1, layout.size, generator=torch.Generator().manual_seed(0))
    buffer[SLOTS - 1 :] = 0
    return layout.views(buffer.to(device))


def plan(slots: list[int | None], rank: int = 5, device: str = "cpu") -> LoraRows:
    """The plan of rows with these slots."""
    segments, start = [], 0
    for slot, run in groupby(slots):
        stop = start + len(list(run))
        segments.append(Segment(slot, start, stop))
        start = stop
    return LoraRows(segments, SLOTS, rank, torch.device(device), Scratch())


def compare(kernel: ModuleType, slots: list[int | None], tokens: int, device: str, bias: bool) -> None:
    """Hold a kernel for serving to the definition, on both layers."""
    layers, rows = weights(device), plan(slots, device=device)
    draw = torch.Generator().manual_seed(tokens)
    x = torch.randn(len(slots), tokens, INPUTS, generator=draw).to(device)
    for path, width in (("q", WIDE), ("k", NARROW)):
        given = torch.randn(len(slots), tokens, width, generator=draw).to(device)
        own = torch.randn(width, generator=draw).to(device) if bias else None
        expected = torch_reference.segments(given, x, layers[path], own, rows)
        found = kernel.add(given.clone(), x, layers[path], own, rows)
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4)
        for row, slot in enumerate(slots):
            if slot in (None, SLOTS - 1):
                assert torch.equal(found[row], given[row]), (
                    "a row without LoRA, or a slot of zeros, adds nothing"
                )
