"""The losses of models that only count."""

import pytest
import torch

from adapters.starter.build.held_out import count_losses


def test_counting_models_give_the_losses_of_their_formulas() -> None:
    train, held_out = torch.tensor([[5, 6, 5, 7]]), torch.tensor([[5, 6, 9]])
    u = {6: (1 + 1) / (4 + 8192), 9: (0 + 1) / (4 + 8192)}
    unigram, bigram = count_losses(train, held_out)
    assert unigram == pytest.approx(-(torch.tensor([u[6], u[9]], dtype=torch.float64).log().mean().item()))
    expected = [(1 + 2 * u[6]) / (2 + 2), (0 + 1 * u[9]) / (1 + 1)]  # 5 was followed by 6 and 7; 6 by 5 alone
    assert bigram == pytest.approx(-(torch.tensor(expected, dtype=torch.float64).log().mean().item()))
