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

from adapters.kernels import LoraRows, Scratch, Segment, Weights, torch_inplace, torch_reference
from adapters.lora import Layout, Term

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


@settings(max_examples=150, deadline=None)
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
    layers["q"].a.requires_grad_()
    torch_reference.segments(given, x, layers["q"], None, rows).square().sum().backward()
    assert x.grad is not None and x.grad[:3].abs().min() > 0 and x.grad[3].abs().max() == 0
    gradient = layers["q"].a.grad
    assert gradient is not None
    assert [bool(part.any()) for part in gradient] == [True, True, False, False, False, False]
