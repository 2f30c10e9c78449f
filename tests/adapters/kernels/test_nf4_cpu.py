"""Products with 4-bit weights on a CPU, beside bitsandbytes' own unpacking."""

from collections.abc import Iterator
from ctypes import CDLL
from typing import Any

import bitsandbytes as bnb
import pytest
import torch
from torch import Tensor
from torch.nn.functional import linear

from adapters.kernels.compiled import CompileFault, compiled
from adapters.kernels.nf4_cpu import FEW_ROWS, SOURCE, Nf4Weight, declared

# Instructions that this processor may have and others lack.
VARIANTS = {
    "native": [],
    "avx2": ["-mno-avx512f"],
    "no fma": ["-mno-avx512f", "-mno-fma"],
    "portable": ["-mno-avx512f", "-mno-avx2", "-mno-fma"],
}


@pytest.fixture
def library() -> CDLL:
    """Compiled for all that this processor has."""
    return made("native")


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> CDLL:
    """The library, compiled for fewer instructions than there are."""
    return made(request.param)


def made(variant: CDLL) -> CDLL:
    try:
        return declared(compiled(SOURCE, VARIANTS[variant]))
    except CompileFault as fault:
        pytest.skip(str(fault))


def packed(
    library: CDLL,
    outputs: int,
    inputs: int,
    block: int = 64,
    kind: str = "nf4",
    double: bool = True,
    seed: int = 0,
) -> tuple[Nf4Weight, Tensor]:
    """A random weight in 4 bits, and the floats that these stand for."""
    weight = torch.randn(outputs, inputs, generator=torch.Generator().manual_seed(seed)) / 3
    codes, state = bnb.functional.quantize_4bit(
        weight, blocksize=block, compress_statistics=double, quant_type=kind
    )
    nested: Any = None
    scales = state.absmax
    if double:
        second = state.state2
        nested = (second.code, second.absmax, second.blocksize, float(state.offset))
        scales = bnb.functional.dequantize_blockwise(state.absmax, second) + state.offset
    indices = torch.stack([codes.flatten() >> 4, codes.flatten() & 15], -1).long()
    plain = state.code[indices].view(-1, block) * scales[:, None]
    return (
        Nf4Weight(library, (outputs, inputs), codes, state.code, block, state.absmax, nested),
        plain.view(outputs, inputs),
    )


@pytest.mark.parametrize(
    ("outputs", "inputs"),
    [(1, 64), (3, 64), (4, 192), (5, 1024), (7, 1088), (130, 2112), (96, 576), (2, 4096)],
)
@pytest.mark.parametrize("double", [True, False])
def test_equal_to_the_unpacked_product_for_all_shapes(
    variant: CDLL, outputs: int, inputs: int, double: bool
) -> None:
    weight, plain = packed(variant, outputs, inputs, double=double)
    assert torch.equal(weight.unpack(torch.empty(outputs, inputs)), plain), "to the last bit"
    for rows in (1, 2, 3, 4, 5, 7, 16, FEW_ROWS, FEW_ROWS + 1):
        x = torch.randn(rows, inputs, generator=torch.Generator().manual_seed(rows))
        expected = x.double() @ plain.double().T
        bound = 1e-6 * (x.double().abs() @ plain.double().abs().T)
        assert ((weight.multiply(x) - expected).abs() <= bound).all()


@pytest.mark.parametrize("block", [32, 64, 128, 256, 512, 1024, 2048, 4096])
@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_every_block_size_and_both_codes(variant: CDLL, block: int, kind: str) -> None:
    weight, plain = packed(variant, 9, max(block, 512), block, kind, seed=block)
    assert torch.equal(weight.unpack(torch.empty(plain.shape)), plain)
    x = torch.randn(3, plain.shape[1])
    assert torch.allclose(weight.multiply(x), linear(x, plain), rtol=1e-5, atol=1e-4)


def test_what_is_unpacked_is_what_bitsandbytes_unpacks(library: CDLL) -> None:
    weight = torch.randn(48, 640)
    codes, state = bnb.functional.quantize_4bit(weight, compress_statistics=True, quant_type="nf4")
    second = state.state2
    nested = (second.code, second.absmax, second.blocksize, float(state.offset))
    own = Nf4Weight(library, (48, 640), codes, state.code, state.blocksize, state.absmax, nested)
    assert torch.equal(own.unpack(torch.empty(48, 640)), bnb.functional.dequantize_4bit(codes, state))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_as_many_threads_as_torch_has_give_the_same(variant: CDLL, threads: int, several: None) -> None:
    weight, plain = packed(variant, 513, 1024)
    x = torch.randn(9, 1024)
    alone = weight.multiply(x)
    torch.set_num_threads(threads)
    assert torch.equal(weight.multiply(x), alone)
    assert torch.equal(weight.unpack(torch.empty(513, 1024)), plain)


@pytest.fixture
def several() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("rows", [1, FEW_ROWS, 3 * FEW_ROWS])
def test_gradients_are_those_of_the_unpacked_product(rows: int, library: CDLL) -> None:
    weight, plain = packed(library, 96, 192)
    found, expected = [], []
    for product, gradients in ((weight.product, found), (lambda x: linear(x, plain), expected)):
        x = torch.randn(2, rows, 192, generator=torch.Generator().manual_seed(1), requires_grad=True)
        product(x).square().sum().backward()
        gradients.append(x.grad)
    assert torch.allclose(found[0], expected[0], rtol=1e-4, atol=1e-4)


def test_rows_may_be_views_and_none(library: CDLL) -> None:
    weight, plain = packed(library, 6, 64)
    x = torch.randn(64, 5).T
    assert torch.allclose(weight.multiply(x), linear(x, plain), rtol=1e-5, atol=1e-5)
    assert weight.multiply(torch.empty(0, 3, 64)).shape == (0, 3, 6)
    assert torch.isnan(weight.multiply(torch.full((1, 64), torch.nan))).all()


def test_what_does_not_fit_is_refused(library: CDLL) -> None:
    codes, code, scales = torch.zeros(64, dtype=torch.uint8), torch.zeros(16), torch.ones(2)
    for inputs, block in ((96, 64), (63, 64), (48, 16), (96, 96)):
        with pytest.raises(ValueError, match="inputs in blocks"):
            Nf4Weight(library, (2, inputs), codes, code, block, scales)
    with pytest.raises(ValueError, match="of another size"):
        Nf4Weight(library, (2, 64), codes[:10], code, 64, scales)
    with pytest.raises(ValueError, match="of another type"):
        Nf4Weight(library, (2, 64), codes, code.half(), 64, scales)
    with pytest.raises(ValueError, match="not in order"):
        Nf4Weight(library, (2, 64), codes, torch.zeros(32)[::2], 64, scales)
