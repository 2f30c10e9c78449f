"""Choices and their propensities, and beliefs."""

import numpy as np
import pytest

from hub.placement.choosing import Choosing, choose
from hub.placement.posterior import USUAL_STRENGTH, Posterior, fit_strength, posterior


def beliefs(rates: list[float], shown: int = 200, strength: float = 50.0) -> Posterior:
    seen = np.full(len(rates), float(shown))
    return posterior(rates, seen, seen * rates, rates, strength)


@pytest.mark.parametrize("policy", ["thompson", "ucb", "epsilon"])
def test_propensities_are_the_frequencies_of_what_is_shown(policy: str) -> None:
    """The mean of 1/propensity of an ad's choices is 1 for every ad, at every place, as an honest log needs."""
    random = np.random.default_rng(0)
    choice = Choosing(policy, floor=0.05, draws=50)  # type: ignore[arg-type]
    tries, sums = 4000, np.zeros((2, 3))
    for _ in range(tries):
        for place, (ad, propensity) in enumerate(
            choose(beliefs([0.1, 0.12, 0.14]), np.ones(3), 2, choice, 600, random)
        ):
            assert 0.05 - 1e-12 <= propensity <= 1
            sums[place, ad] += 1 / propensity
    assert np.abs(sums / tries - 1).max() < 0.15


def test_the_better_ad_is_shown_more_and_a_bid_counts() -> None:
    random = np.random.default_rng(0)

    def share(bids: list[float], policy: str = "thompson") -> float:
        found = [
            choose(beliefs([0.05, 0.15]), np.array(bids), 1, Choosing(policy), 400, random)[0][0]  # type: ignore[arg-type]
            for _ in range(300)
        ]
        return float(np.mean(found))

    assert share([1.0, 1.0]) > 0.9
    assert share([10.0, 1.0]) < 0.1
    assert share([1.0, 1.0], "ucb") > 0.9 and share([1.0, 1.0], "epsilon") > 0.85


def test_a_place_has_each_ad_once_and_more_places_than_ads_are_not_filled() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        found = choose(beliefs([0.1, 0.1, 0.1]), np.ones(3), 5, Choosing(draws=20), 0, random)
        assert sorted(ad for ad, _ in found) == [0, 1, 2]
    ((ad, propensity),) = choose(beliefs([0.1]), np.ones(1), 1, Choosing(), 0, random)
    assert (ad, propensity) == (0, pytest.approx(1.0))


def test_many_ads_share_half_of_the_traffic_at_the_most() -> None:
    random = np.random.default_rng(0)
    found = [
        choose(beliefs([0.1] * 199 + [0.9]), np.ones(200), 1, Choosing(draws=50), 0, random)[0]
        for _ in range(400)
    ]
    assert all(propensity >= 0.5 / 200 - 1e-12 for _, propensity in found)
    assert 0.4 < np.mean([ad == 199 for ad, _ in found]) < 0.6


def test_exposure_is_shared_and_the_propensities_know() -> None:
    random = np.random.default_rng(0)
    tries, first, sums = 1500, np.zeros(2), np.zeros(2)
    for _ in range(tries):
        ((ad, propensity),) = choose(
            beliefs([0.10, 0.12]),
            np.ones(2),
            1,
            Choosing(draws=100, floor=0.02),
            400,
            random,
            ["x", "y"],
            {"x": 0.5},
        )
        first[ad] += 1
        sums[ad] += 1 / propensity
    assert 0.45 < first[0] / tries < 0.55
    assert np.abs(sums / tries - 1).max() < 0.1


def test_a_new_ad_starts_from_what_the_model_reads_in_it() -> None:
    found = posterior([0.2], [0], [0], [0], 50)
    assert found.mean()[0] == pytest.approx(0.2)
    assert (found.clicks[0], found.others[0]) == (pytest.approx(10), pytest.approx(40))


def test_clicks_move_the_belief_and_the_user_moves_it_on() -> None:
    found = posterior([0.1, 0.1], [1000, 1000], [200, 100], [0.1, 0.1], 100)
    assert found.mean()[0] == pytest.approx((10 + 200) / 1100) and found.mean()[1] == pytest.approx(0.1)
    keen = posterior([0.2], [1000], [100], [0.1], 100)
    assert keen.mean()[0] == pytest.approx(0.2), "the ad does as predicted, so that the prediction stands"
    worse = posterior([0.2], [1000], [50], [0.1], 100)
    assert worse.mean()[0] < 0.12, "the ad does half as well as predicted"


@pytest.mark.parametrize("truth", [30.0, 300.0])
def test_the_strength_is_found(truth: float) -> None:
    random = np.random.default_rng(0)
    mean = random.uniform(0.02, 0.2, 2000)
    rates = random.beta(truth * mean, truth * (1 - mean))
    found = fit_strength(np.full(2000, 500), random.binomial(500, rates), mean)
    assert found == pytest.approx(truth, rel=0.15)
    assert fit_strength(np.full(5, 500), np.ones(5), mean[:5]) == USUAL_STRENGTH
    assert fit_strength(np.zeros(50), np.zeros(50), mean[:50]) == USUAL_STRENGTH
