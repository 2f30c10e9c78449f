"""Confidence sequences: against known figures, and that they hold at all times as often as they say."""

import math

import numpy as np
import pytest

from hub.feedback.sequences import apart, edge, mean, rate


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
    for end in (found.low, found.high):
        ratio = log_mixture - hits * math.log(end) - (trials - hits) * math.log1p(-end)
        assert ratio == pytest.approx(math.log(1 / 0.05), abs=1e-6)
    assert rate(0, 10).low == 0.0 and rate(10, 10).high == 1.0 and rate(0, 10).high < 0.6
    assert math.isnan(rate(0, 0).value) and (rate(0, 0).low, rate(0, 0).high) == (0.0, 1.0)


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_the_evidence_of_equal_arms_is_rarely_high_through_seasons_and_unlike_users(share: float) -> None:
    """1,000 A/A tests, looked at after every user; users of one test differ, and the rate moves with the season."""
    random, tries, wrong = np.random.default_rng(3), 1000, [0, 0]
    for _ in range(tries):
        first = random.random(1000) < share
        hits = random.random(1000) < (0.15 + 0.1 * np.sin(np.arange(1000) / 60)) * random.uniform(
            0.5, 1.5, 1000
        )
        wrong[0] += edge(first, hits, share) >= 20
        wrong[1] += edge(first, ~hits, share) >= 20
    assert max(wrong) <= 50


def test_an_arm_that_is_no_better_is_rarely_said_to_be_and_one_that_is_soon() -> None:
    random = np.random.default_rng(4)
    worse = [
        edge(first, random.random(1000) < np.where(first, 0.15, 0.2), 0.3) >= 20
        for first in (random.random((300, 1000)) < 0.3)
    ]
    assert sum(worse) <= 15
    better = [
        edge(first, random.random(1000) < np.where(first, 0.3, 0.15), 0.3) >= 20
        for first in (random.random((100, 1000)) < 0.3)
    ]
    assert sum(better) >= 95
    nobody = np.zeros(0, dtype=bool)
    assert edge(nobody, nobody, 0.3) == 1.0


def test_the_evidence_is_the_product_of_the_formula() -> None:
    first, hits = np.array([True, False, True]), np.array([True, False, False])
    product = []
    for ratio in (1.1, 1.25, 1.5, 2.0, 3.0, 5.0):
        found = 1.0
        for own, hit, rate_ in ((True, True, 0.5), (False, False, 0.5), (True, False, 0.25)):
            mine = ratio * rate_ / (1 - rate_) / (1 + ratio * rate_ / (1 - rate_))
            mixed = 0.4 * mine + 0.6 * rate_
            said = mine if own else rate_
            found *= said / mixed if hit else (1 - said) / (1 - mixed)
            product.append(found)
    steps = np.array(product).reshape(6, 3).mean(axis=0)
    assert edge(first, hits, 0.4) == pytest.approx(max(1.0, steps.max()))
