"""What is dropped depends on a row's own key and the layer, and on nothing else."""

import pytest
import torch

from adapters.kernels.dropout import drawn
from adapters.kernels.plan import Dropout
from tests.adapters.kernels.layers import plan


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
