"""Confidence sequences: against known figures, and that they hold at all times as often as they say."""

import math

import numpy as np
import pytest

from hub.feedback.sequences import apart, mean, rate


@pytest.mark.parametrize("truth", [0.02, 0.3])
def test_the_truth_is_ever_left_out_no_more_often_than_is_said(truth: float) -> None:
    random, tries, missed = np.random.default_rng(0), 200, 0
    looks = np.unique(np.geomspace(1, 3000, 60).astype(int))
    for _ in range(tries):
        hits = np.cumsum(random.random(3000) < truth)
        found = [rate(int(hits[look - 1]), int(look)) for look in looks]
        missed += any(not each.low <= truth <= each.high for each in found)
    assert missed <= 0.05 * tries


def test_means_hold_too_and_become_sharp() -> None:
    random, tries, missed = np.random.default_rng(1), 100, 0
    for _ in range(tries):
        values = random.beta(2, 6, 1500)
        found = [mean(values[:look]) for look in (1, 2, 5, 10, 50, 100, 300, 800, 1500)]
        missed += any(not each.low <= 0.25 <= each.high for each in found)
        assert found[-1].high - found[-1].low < 0.07
    assert missed <= 5


def test_two_equal_arms_are_rarely_told_apart_however_often_one_looks() -> None:
    """A/A: a share of 5 % and the rest, looked at every day."""
    random, tries, wrong = np.random.default_rng(2), 1000, 0
    for _ in range(tries):
        days = np.cumsum(random.binomial([50, 950], 0.1, size=(14, 2)), axis=0)
        wrong += any(
            apart((int(a), 50 * (day + 1)), (int(b), 950 * (day + 1))) for day, (a, b) in enumerate(days)
        )
    assert wrong <= 50


def test_what_differs_is_told_apart_in_time() -> None:
    assert apart((300, 1000), (2000, 19_000)) == 1
    assert apart((20, 1000), (2000, 19_000)) == -1
    assert apart((11, 100), (1000, 10_000)) == 0
    assert apart((0, 0), (1000, 10_000)) == 0


def test_the_edges_are_what_the_formula_says() -> None:
    """At the edge the mixture's likelihood ratio is 1 / alpha."""
    hits, trials = 30, 400
    found = rate(hits, trials)
    log_mixture = (
        math.lgamma(hits + 0.5)
        + math.lgamma(trials - hits + 0.5)
        - math.lgamma(trials + 1)
        - math.log(math.pi)
    )
    for edge in (found.low, found.high):
        ratio = log_mixture - hits * math.log(edge) - (trials - hits) * math.log1p(-edge)
        assert ratio == pytest.approx(math.log(1 / 0.05), abs=1e-6)
    assert rate(0, 10).low == 0.0 and rate(10, 10).high == 1.0 and rate(0, 10).high < 0.6
    assert math.isnan(rate(0, 0).value) and (rate(0, 0).low, rate(0, 0).high) == (0.0, 1.0)
