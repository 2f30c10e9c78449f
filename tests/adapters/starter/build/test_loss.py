"""The training loss in pieces."""

import pytest
import torch

from adapters.starter.build.loss import _NextTokenLoss, training_loss
from adapters.starter.build.model import make_model


def test_loss_in_pieces_is_the_cross_entropy_and_has_its_gradient() -> None:
    torch.manual_seed(0)
    hidden, weight = torch.randn(600, 32, requires_grad=True), torch.randn(50, 32, requires_grad=True)
    targets = torch.randint(0, 50, (600,))
    loss = _NextTokenLoss.apply(hidden, weight, targets)
    loss.backward()
    plain, heavy = hidden.detach().clone().requires_grad_(), weight.detach().clone().requires_grad_()
    expected = torch.nn.functional.cross_entropy(plain @ heavy.T, targets)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=5e-3)  # bf16 products
    assert (
        hidden.grad is not None
        and plain.grad is not None
        and weight.grad is not None
        and heavy.grad is not None
    )
    assert torch.nn.functional.cosine_similarity(hidden.grad.flatten(), plain.grad.flatten(), dim=0) > 0.999
    assert torch.nn.functional.cosine_similarity(weight.grad.flatten(), heavy.grad.flatten(), dim=0) > 0.999


def test_answers_add_their_own_mean_loss() -> None:
    model, ids = make_model(0), torch.tensor([[5, 6, 7, 8]])
    plain = training_loss(model, ids)
    with torch.no_grad():
        scores = model(ids).logits[0].log_softmax(-1)
    asked = training_loss(model, ids, torch.tensor([7]))
    assert (asked - plain).item() == pytest.approx(-scores[1, 7].item(), rel=2e-2)
    assert training_loss(model, ids, torch.tensor([999])).item() == pytest.approx(plain.item(), rel=1e-6)
