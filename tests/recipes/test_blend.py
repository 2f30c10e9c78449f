"""Blends: the weight is found again, and a baseline that knows nothing gets none."""

import numpy as np
import pytest
from scipy.special import expit, logit

from recipes.blend import blend, fit_weight


def drawn(weight: float, rows: int = 20_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two models' probabilities, and labels that follow their blend: [rows, 2] each."""
    draw = np.random.default_rng(0)
    own, other = 2 * draw.normal(size=(2, rows))
    clicked = draw.random(rows) < expit((1 - weight) * own + weight * other)
    return pair(expit(own)), pair(expit(other)), pair(clicked)


def pair(second: np.ndarray) -> np.ndarray:
    return np.stack([1 - second, second], axis=1)


def test_log_odds_are_mixed() -> None:
    mixed = blend([[0.2, 0.8]], [[0.6, 0.4]], 0.25)
    assert logit(mixed[0, 1]) == pytest.approx(0.75 * logit(0.8) + 0.25 * logit(0.4))
    assert blend([[0.2, 0.8]], [[0.6, 0.4]], 0.0) == pytest.approx(np.array([[0.2, 0.8]]))
    assert blend([[0.2, 0.8]], [[0.6, 0.4]], 1.0) == pytest.approx(np.array([[0.6, 0.4]]))
    several = blend([[0.2, 0.8]], [[0.6, 0.4]], 0.5, multi_label=True)
    assert logit(several[0, 0]) == pytest.approx((logit(0.2) + logit(0.6)) / 2)


def test_three_labels_stay_a_distribution_and_a_sure_zero_stays_finite() -> None:
    mixed = blend([[0.5, 0.3, 0.2]], [[1.0, 0.0, 0.0]], 0.5)
    assert mixed.sum() == pytest.approx(1) and np.isfinite(mixed).all() and mixed[0, 0] > 0.9


@pytest.mark.parametrize("weight", [0.3, 0.7])
def test_the_weight_that_labels_follow_is_found_again(weight: float) -> None:
    own, other, truth = drawn(weight)
    assert fit_weight(own, other, truth, np.ones(len(own)))[0] == pytest.approx(weight, abs=0.03)


def test_a_baseline_that_knows_nothing_more_gets_nothing() -> None:
    own, other, truth = drawn(0.0)
    weight, loss = fit_weight(own, other, truth, np.ones(len(own)))
    assert weight < 0.03
    assert loss <= fit_weight(own, own, truth, np.ones(len(own)))[1]
