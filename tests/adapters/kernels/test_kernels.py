"""Every way of computing low-rank terms gives what the definition gives."""

import os
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.kernels import (
    Dropout,
    LoraRows,
    Scratch,
    Segment,
    Weights,
    torch_inplace,
    torch_reference,
    torch_training,
)
from adapters.kernels.dropout import drawn
from adapters.slots.lora import Layout, Term

SLOTS = 5  # of which the last has no weights, and one more that stays empty
INPUTS, WIDE, NARROW = 24, 40, 16
CUDA = pytest.param(
    "cuda",
    marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")],
)


def weights(device: str, dora: bool = True) -> dict[str, Weights]:
    """Two layers that read the same input, of ranks 5 and 3, in five slots of one buffer; slot 4 is zero."""
    layout = Layout.of(
        [Term("q", 5, INPUTS, WIDE, dora), Term("k", 3, INPUTS, NARROW, False)], {"q": "q", "k": "q"}
    )
    buffer = torch.randn(SLOTS + 1, layout.size, generator=torch.Generator().manual_seed(0))
    buffer[SLOTS - 1 :] = 0
    return layout.views(buffer.to(device))


def plan(slots: list[int | None], rank: int = 5, device: str = "cpu") -> LoraRows:
    segments, start = [], 0
    for slot, run in groupby(slots):
        stop = start + len(list(run))
        segments.append(Segment(slot, start, stop))
        start = stop
    return LoraRows(segments, SLOTS, rank, torch.device(device), Scratch())


def compare(kernel: ModuleType, slots: list[int | None], tokens: int, device: str, bias: bool) -> None:
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


ROWS = st.lists(st.none() | st.integers(0, SLOTS - 1), min_size=1, max_size=9).filter(
    lambda slots: any(slot is not None for slot in slots)
)


@settings(max_examples=150)
@given(slots=ROWS, tokens=st.sampled_from([1, 2, 7, 17]), bias=st.booleans())
def test_serving_in_place_equals_the_definition(slots: list[int | None], tokens: int, bias: bool) -> None:
    compare(torch_inplace, slots, tokens, "cpu", bias)


@pytest.fixture(scope="module")
def triton_grouped() -> ModuleType:
    """The CUDA kernels; without a GPU, run by Triton's interpreter (see `conftest`)."""
    pytest.importorskip("triton", reason="Triton is not installed")
    from adapters.kernels import triton_grouped

    return triton_grouped


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("tokens", [1, 5, 17])
@pytest.mark.parametrize(
    "slots", [[2, 2, 2, 1, None, 4], [0, 1, 2, 3, 4, None], [3] * 6, [None, 0, None, 1, 1, None]]
)
def test_triton_equals_the_definition(
    slots: list[int | None], tokens: int, device: str, triton_grouped: ModuleType
) -> None:
    compare(triton_grouped, slots, tokens, device, bias=tokens == 5)


COMPILE = """
from adapters.kernels import triton_grouped as kernels
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

SHAPES = {"SPLIT": 4, "RANK": 16, "INPUTS": 128, "OUTPUTS": 128, "SCALED": False, "GAIN": True, "BIAS": True}
for tokens in (1, 16):
    for kernel in (kernels._shrink, kernels._expand):
        fixed = {name: value for name, value in (SHAPES | {"TOKENS": tokens}).items() if name in kernel.arg_names}
        types = {"low": "*fp32", "slots": "*i32", "starts": "*i32", "stops": "*i32", "a_slot": "i64", "b_slot": "i64"}
        for name in ("x", "a", "b", "output", "scaling", "gain", "bias"):
            types[name] = "*bf16"
        signature = {name: "constexpr" if name in fixed else types.get(name, "i32") for name in kernel.arg_names}
        source = ASTSource(fn=kernel, signature=signature, constexprs=fixed)
        assert triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["cubin"]
"""


def test_triton_kernels_compile_for_a_gpu_that_is_not_here(tmp_path: Path) -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    settings = os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", COMPILE], env=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_gradient_flows_through_the_definition_only() -> None:
    layers, rows = weights("cpu", dora=False), plan([0, 0, 1, None])
    x = torch.randn(4, 3, INPUTS, requires_grad=True)
    given = torch.randn(4, 3, WIDE)
    layers["q"].source.a.requires_grad_()
    torch_reference.segments(given, x, layers["q"], None, rows).square().sum().backward()
    assert x.grad is not None and x.grad[:3].abs().min() > 0 and x.grad[3].abs().max() == 0
    gradient = layers["q"].source.a.grad
    assert gradient is not None
    assert [bool(part.any()) for part in gradient] == [True, True, False, False, False, False]


def leaves(layers: dict[str, Weights], training: bool) -> None:
    """Let gradients flow, into one buffer where the training kernel is to put them."""
    for weights in layers.values():
        weights.source.a.requires_grad_()
        weights.b.requires_grad_()
        if training:
            weights.source.a.grad = torch.zeros_like(weights.source.a)
            weights.b.grad = torch.zeros_like(weights.b)
        weights.scaling = torch.arange(1.0, SLOTS + 2)


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize(
    "slots", [[2], [0, 0, 1, 1], [None, 3, 0, 0, None], [1, 0, 1], [None, 2, None, None, 2]]
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
        found.append([*results, x.grad, layers["q"].source.a.grad])
    for mine, its in zip(*found, strict=True):
        assert mine is not None and its is not None
        assert float((mine - its).abs().max()) <= 1e-5 * float(mine.abs().max())


def test_a_rows_dropout_is_its_own_whatever_its_neighbours_and_its_padding() -> None:
    alone, beside = plan([2]), plan([1, 2, 2])
    alone.dropout[2] = Dropout(0.5, (11,), (2,), left=True)  # type: ignore[index]
    beside.dropout[2] = Dropout(0.5, (12, 11), (3, 2), left=True)  # type: ignore[index]
    one, others = drawn(alone, "q", torch.ones(1, 2, 64)), drawn(beside, "q", torch.ones(3, 4, 64))
    assert one is not None and others is not None
    assert torch.equal(one[0][0], others[0][2, 2:])
    assert not others[0][2, :2].any() and not others[0][0].any(), "padding and other slots drop nothing"
    assert not torch.equal(others[0][1, 2:], others[0][2, 2:]), "another key draws otherwise"
    other_layer = drawn(alone, "o", torch.ones(1, 2, 64))
    assert other_layer is not None and not torch.equal(other_layer[0], one[0])


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_dropout_drops_its_share_and_keeps_the_mean(share: float) -> None:
    rows = plan([0])
    rows.dropout[0] = Dropout(share, (5,), (100,), left=False)  # type: ignore[index]
    found = drawn(rows, "q", torch.ones(1, 100, 1000))
    assert found is not None
    dropped, factor = found
    assert float(dropped.float().mean()) == pytest.approx(
        share, abs=0.004
    )  # 5 standard errors of 100,000 draws
    assert float(factor) == pytest.approx(1 / (1 - share), rel=1e-3)
