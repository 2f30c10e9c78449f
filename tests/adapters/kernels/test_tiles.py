"""Kernels that are told each row's slot by a tensor which is filled in place, over shapes at random."""

from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.kernels import torch_inplace, torch_reference
from adapters.kernels.plan import LoraRows, Scratch, Segment, Tiles, Weights
from adapters.slots.layout import Layout, Term

SLOTS = 6
_KERNELS: list[ModuleType] = [torch_inplace]
if not torch.cuda.is_available():  # else Triton compiles, and these tensors lie on the CPU
    try:
        from adapters.kernels import triton_grouped

        _KERNELS.append(triton_grouped)
    except ImportError:
        pass


@pytest.mark.parametrize("kernel", _KERNELS, ids=lambda kernel: kernel.__name__.rpartition(".")[2])
@settings(max_examples=15)
@given(
    inputs=st.integers(1, 300),
    outputs=st.integers(1, 300),
    ranks=st.tuples(st.integers(1, 20), st.integers(1, 9)),
    dora=st.booleans(),
    bias=st.booleans(),
    steps=st.lists(st.lists(st.integers(0, SLOTS), min_size=4, max_size=4), min_size=1, max_size=3),
)
def test_one_plan_for_rows_of_any_slots(
    kernel: ModuleType,
    inputs: int,
    outputs: int,
    ranks: tuple[int, int],
    dora: bool,
    bias: bool,
    steps: list[list[int]],
) -> None:
    layers = weights(inputs, outputs, ranks, dora)
    slots, each = torch.zeros(4, dtype=torch.long), torch.arange(5)
    segments = [Segment(SLOTS, 0, 4)]
    fixed = LoraRows(
        segments, SLOTS, max(ranks), each.device, Scratch(), tiles=Tiles(slots, each[:-1], each[1:], 1)
    )
    draw = torch.Generator().manual_seed(1)
    for step in steps:
        slots.copy_(torch.tensor(step))
        told = [Segment(slot, row, row + 1) for row, slot in enumerate(step)]
        usual = LoraRows(told, SLOTS, max(ranks), each.device, Scratch())
        x, own = torch.randn(4, 1, inputs, generator=draw), torch.randn(outputs, generator=draw)
        for layer in layers.values():
            given = torch.randn(4, 1, outputs, generator=draw)
            expected = torch_reference.segments(given, x, layer, own if bias else None, usual)
            found = kernel.add(given.clone(), x, layer, own if bias else None, fixed)
            assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4)
            for row, slot in enumerate(step):
                if slot == SLOTS:
                    assert torch.equal(found[row], given[row]), "the slot of zeros adds nothing"
        fixed.scratch.forget()


def weights(inputs: int, outputs: int, ranks: tuple[int, int], dora: bool) -> dict[str, Weights]:
    """Two layers that read the same input."""
    layout = Layout.of(
        [Term("q", ranks[0], inputs, outputs, dora), Term("k", ranks[1], inputs, outputs, False)],
        {"q": "q", "k": "q"},
    )
    buffer = torch.randn(SLOTS + 1, layout.size, generator=torch.Generator().manual_seed(0)) * 0.1
    buffer[SLOTS] = 0
    return layout.views(buffer)
