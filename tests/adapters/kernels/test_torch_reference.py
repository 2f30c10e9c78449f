"""The definition has a gradient of its own."""

import torch

from adapters.kernels import torch_reference
from tests.adapters.kernels.layers import INPUTS, WIDE, plan, weights


def test_a_gradient_flows_through_the_definition() -> None:
    layers, rows = weights("cpu", dora=False), plan([0, 0, 1, None])
    x = torch.randn(4, 3, INPUTS, requires_grad=True)
    given = torch.randn(4, 3, WIDE)
    layers["q"].group.a.requires_grad_()
    torch_reference.segments(given, x, layers["q"], None, rows).square().sum().backward()
    assert x.grad is not None and x.grad[:3].abs().min() > 0 and x.grad[3].abs().max() == 0
    gradient = layers["q"].group.a.grad
    assert gradient is not None
    assert [bool(part.any()) for part in gradient] == [True, True, False, False, False, False]
