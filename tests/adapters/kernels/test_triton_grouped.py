"""The CUDA kernels give what the definition gives, on a GPU or in Triton's interpreter."""

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests.adapters.kernels.layers import compare

CUDA = pytest.param(
    "cuda",
    marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")],
)


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
for tokens, told in ((1, "*i32"), (16, "*i32"), (1, "*i64")):
    for kernel in (kernels._shrink, kernels._expand):
        fixed = {name: value for name, value in (SHAPES | {"TOKENS": tokens}).items() if name in kernel.arg_names}
        types = {"low": "*fp32", "slots": told, "starts": told, "stops": told, "a_slot": "i64", "b_slot": "i64"}
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
