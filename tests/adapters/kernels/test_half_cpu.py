"""Products with weights of 16 bits, beside those of the floats that they are."""

import pytest
import torch
from torch.nn.functional import linear

from adapters.base.cpu_head import half_library
from adapters.kernels.half_cpu import FEW_ROWS, halved, multiply


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("outputs", [1, 3, 4, 5, 130])
@pytest.mark.parametrize("inputs", [1, 7, 64, 577])
def test_equal_to_the_product_of_floats_for_all_shapes(outputs: int, inputs: int) -> None:
    library = half_library()
    if library is None:
        pytest.skip("no C compiler")
    weight = numbers(outputs, inputs).bfloat16()
    for rows in range(1, FEW_ROWS + 1):
        x = numbers(rows, inputs, seed=rows)
        found = multiply(library, x, weight)
        bound = 1e-6 * (x.double().abs() @ weight.double().abs().T) + 1e-12
        assert ((found - x.double() @ weight.double().T).abs() <= bound).all()
    x = numbers(2, 2, inputs)[:, ::2]
    assert torch.allclose(multiply(library, x, weight), linear(x, weight.float()), atol=1e-5), "with gaps"
    assert multiply(library, x[:0], weight).shape == (0, 1, outputs)


def test_a_weight_is_halved_only_where_that_loses_nothing() -> None:
    weight = numbers(300, 40).bfloat16().float()
    half = halved(weight)
    assert half is not None and torch.equal(half.float(), weight)
    weight[299, 39] += 1e-4
    assert halved(weight) is None
    assert halved(weight.double()) is None and halved(half.float().T) is None and halved(half) is None
    assert halved(torch.full((2, 2), torch.inf)) is not None and halved(torch.full((2, 2), torch.nan)) is None
