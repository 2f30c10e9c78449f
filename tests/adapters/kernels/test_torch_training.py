"""Training gives the definition's values and gradients."""

import pytest
import torch

from adapters.kernels import torch_reference, torch_training
from adapters.kernels.plan import Dropout, Weights
from tests.adapters.kernels.layers import INPUTS, NARROW, SLOTS, WIDE, plan, weights


def leaves(layers: dict[str, Weights], training: bool) -> None:
    """Let gradients flow, into one buffer where the training kernel is to put them."""
    for layer in layers.values():
        layer.group.a.requires_grad_()
        layer.b.requires_grad_()
        if training:
            layer.group.a.grad = torch.zeros_like(layer.group.a)
            layer.b.grad = torch.zeros_like(layer.b)
        layer.scaling = torch.arange(1.0, SLOTS + 2)


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize(
    "slots",
    [
        [2],
        [0, 0, 1, 1],
        [0, 0, 0, 0, None, None, 3, 3],
        [None, 3, 0, 0, None],
        [1, 0, 1],
        [None, 2, None, None, 2],
    ],
)
def test_training_gives_the_definitions_values_and_gradients(slots: list[int | None], dropped: bool) -> None:
    found = []
    for kernel in (torch_reference.segments, torch_training.add):
        layers, rows = weights("cpu", dora=False), plan(slots)
        leaves(layers, kernel is torch_training.add)
        if dropped:
            for segment in rows.active:
                count = segment.stop - segment.start
                keys = tuple(7 * segment.start + i for i in range(count))
                rows.dropout[segment.slot] = Dropout(0.4, keys, (2,) * count, left=True)  # type: ignore[index]
        draw = torch.Generator().manual_seed(3)
        x = torch.randn(len(slots), 3, INPUTS, generator=draw, requires_grad=True)
        results = []
        for path, width in (("q", WIDE), ("k", NARROW)):
            given = torch.randn(len(slots), 3, width, generator=draw, requires_grad=True)
            own = (None,) if kernel is torch_reference.segments else ()
            output = kernel(given, x, layers[path], *own, rows)
            output.square().sum().backward(retain_graph=True)
            results += [output.detach(), given.grad, layers[path].b.grad]
        found.append([*results, x.grad, layers["q"].group.a.grad])
    for mine, its in zip(*found, strict=True):
        assert mine is not None and its is not None
        assert float((mine - its).abs().max()) <= 1e-5 * float(mine.abs().max())


@pytest.mark.parametrize(
    ("slots", "blocks"),
    [
        ([3, 3, 3], [3]),
        ([2, 2, 2, 2, 0, 0], [2, 2, 0]),
        ([2, 2, 2, 0, 0], [2, 2, 2, 0, 0]),
        ([None, 1, 1, None, None, 4, 4, None], [1, SLOTS, 4]),
    ],
)
def test_rows_of_one_slot_are_one_matrix_where_all_runs_can_be_cut_alike(
    slots: list[int | None], blocks: list[int]
) -> None:
    rows = plan(slots)
    assert torch.arange(SLOTS + 1)[rows.blocks].tolist() == blocks
    assert rows.block * len(blocks) == len(rows.slots)


def test_weights_of_neighbours_in_order_are_not_gathered() -> None:
    assert plan([1, 1, 2, 2, 3, 3]).blocks == slice(1, 4)
    assert isinstance(plan([1, 1, 3, 3]).blocks, torch.Tensor)
