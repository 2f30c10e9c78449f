"""What users do beyond what the adapter says, learned outcome by outcome."""

import numpy as np
import pytest

from hub.placement.residual import Residual, log_odds_of, row_of

USERS = ("likes tea and old books", "likes rum and loud music")
ADS = ("Tea on sale, today", "Rum on sale, today", "Tea, a new leaf", "Rum, a new cask")


def adapter(user: str, ad: str) -> float:
    """Its log-odds: what is liked, on sale."""
    return -1.5 + 1.5 * (ad.split()[0].strip(",").lower() in user) + 1.5 * ("sale" in ad)


def turned(user: str, ad: str) -> float:
    """The truth after the taste has turned: what is on sale is no longer clicked."""
    return -1.5 + 1.5 * (ad.split()[0].strip(",").lower() in user) - 1.5 * ("sale" in ad)


def taught(truth, rows: int, seed: int = 0, residual: Residual | None = None) -> Residual:  # type: ignore[no-untyped-def]
    """What so many rows of a truth teach, shown at random."""
    random, own = np.random.default_rng(seed), residual or Residual()
    for _ in range(rows):
        user, ad = USERS[random.integers(2)], ADS[random.integers(4)]
        said = adapter(user, ad)
        hit = random.random() < 1 / (1 + np.exp(-truth(user, ad)))
        own.learn(row_of({"user": user}, {"ad": ad}, said), said, bool(hit))
    return own


def ranked(residual: Residual, user: str) -> list[str]:
    said = {ad: adapter(user, ad) for ad in ADS}
    own = {ad: residual.probability(row_of({"user": user}, {"ad": ad}, said[ad]), said[ad]) for ad in ADS}
    return sorted(ADS, key=lambda ad: -own[ad])


def test_before_anything_is_learned_it_is_the_adapter() -> None:
    residual = Residual()
    for said in (-5.0, -1.0, 0.0, 3.0):
        p = residual.probability(row_of({"user": USERS[0]}, {"ad": ADS[0]}, said), said)
        assert p == pytest.approx(1 / (1 + np.exp(-said)), abs=0.005)


def test_a_taste_that_turns_is_learned_for_users_and_ads_that_share_words() -> None:
    assert ranked(Residual(), USERS[0])[0] == "Tea on sale, today"
    residual = taught(turned, 400)
    assert ranked(residual, USERS[0])[0] == "Tea, a new leaf"
    assert ranked(residual, USERS[1])[0] == "Rum, a new cask"
    said = adapter(USERS[0], "Socks on sale")
    new = residual.probability(row_of({"user": USERS[0]}, {"ad": "Socks on sale"}, said), said)
    assert new < 1 / (1 + np.exp(-said)) - 0.1, "an ad that nobody saw starts from its words"


def test_an_adapter_that_is_right_is_left_alone() -> None:
    residual = taught(adapter, 2000)
    for user in USERS:
        for ad in ADS:
            said = adapter(user, ad)
            p = residual.probability(row_of({"user": user}, {"ad": ad}, said), said)
            assert p == pytest.approx(1 / (1 + np.exp(-said)), abs=0.08)


def test_what_was_true_for_long_is_unlearned_when_it_no_longer_is() -> None:
    long = taught(turned, 4000)
    assert ranked(taught(adapter, 500, 1, long), USERS[0])[0] == "Tea on sale, today"


def test_it_says_what_it_said_before_an_outcome_and_moves_towards_it() -> None:
    residual = taught(turned, 50)
    row = row_of({"user": USERS[0]}, {"ad": ADS[0]}, 0.0)
    before = residual.probability(row, 0.0)
    assert residual.learn(row, 0.0, True) == pytest.approx(before)
    after = residual.probability(row, 0.0)
    residual.learn(row, 0.0, False)
    assert before < after and residual.probability(row, 0.0) < after


def test_words_are_those_of_every_script_and_of_every_column() -> None:
    tea, rum = (row_of({"user": "喜欢红茶"}, {"ad": ad}, 0.0)[0].tolist() for ad in ("红茶上新", "朗姆酒"))
    other = row_of({"user": "喜欢朗姆"}, {"ad": "红茶上新"}, 0.0)[0].tolist()
    assert len(set(tea) & set(rum)) < len(set(tea) & set(other)) < len(tea)
    apart = [row_of({}, columns, 0.0)[0].tolist() for columns in ({"ad": "tea"}, {"brand": "tea"})]
    assert apart[0] != apart[1], "the same word of another column is another one"
    for odd in ("", "!!!", "\ud800", "x" * 100_000, "a " * 100_000):
        at, x = row_of({"user": odd, "age": 7}, {"ad": odd, "price": None}, 50.0)
        assert len(at) == len(x) < 1000 and np.isfinite(x).all() and len(set(at.tolist())) == len(at)


def test_probabilities_of_0_and_1_have_log_odds_and_teach() -> None:
    residual = Residual()
    for p in log_odds_of([0.0, 1.0]):
        row = row_of({"user": "u"}, {"ad": "a"}, p)
        for hit in (True, False) * 20:
            assert 0 < residual.learn(row, p, hit) < 1
        assert 0 < residual.probability(row, p) < 1
