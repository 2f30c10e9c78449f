"""Ads placed by a registry with its log."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters import Base
from adapters.errors import RequestError
from hub import Choosing, Feedback, Hub, Loop, Offer, Placer, Registry
from hub.feedback.canary import start
from hub.feedback.tables import impressions, shown
from tests.adapters import models
from tests.clock import Clock
from tests.hub.feedback.made import NOW, stored
from tests.hub.feedback.test_loop import NAME, ranker

MORNING = NOW - NOW % 86_400 + 6 * 3600


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama")


@pytest.fixture
def clock() -> Clock:
    return Clock(MORNING)


@pytest.fixture
def loop(base: Base, tmp_path: Path, clock: Clock) -> Iterator[Loop]:
    hub = Hub(tmp_path / "hub")
    hub.publish(ranker(base, 0, features=[]), NAME)
    loop = Loop(Registry(hub, base), Feedback(hub, clock=clock))
    yield loop
    loop.close()


def test_what_was_chosen_is_logged_with_its_propensity(loop: Loop) -> None:
    placed = Placer(loop, seed=1).place(NAME, "likes tea", ["tea", "rum", "mug"], k=2, user_key="u-1")
    (row,) = stored(loop.log, impressions)
    assert row["id"] == placed.impression and row["chooser"] == "thompson"
    assert [
        (each["position"], each["probability"], each["propensity"]) for each in stored(loop.log, shown)
    ] == [(at, each.probability, each.propensity) for at, each in enumerate(placed, 1)]
    assert loop.feedback(placed.impression, "click", position=2)


def test_clicks_decide_in_time(loop: Loop, clock: Clock) -> None:
    placer = Placer(loop, Choosing(draws=200), seed=0)
    for _ in range(12):
        for _ in range(10):
            (each,) = placed = placer.place(NAME, "likes tea", ["tea", "rum"])
            if each.offer.ad == "rum":
                loop.feedback(placed.impression or "", "click")
        clock.move(11)
    last = [placer.place(NAME, "likes tea", ["tea", "rum"])[0].offer.ad for _ in range(20)]
    assert last.count("rum") >= 15


def test_what_users_do_teaches_of_other_ads_with_the_same_words(loop: Loop, clock: Clock) -> None:
    placer, user, wanted = Placer(loop, Choosing(draws=200), seed=0), "likes tea", list[str]()
    for at in range(120):
        ads = [f"black tea {at}", f"white rum {at}"]
        (each,) = placed = placer.place(NAME, user, ads)
        if str(each.offer.ad).startswith("white"):
            loop.feedback(placed.impression or "", "click")
        clock.move(600)
        wanted.append(str(each.offer.ad))
    assert sum(ad.startswith("white") for ad in wanted[-30:]) >= 25, "each ad is new"
    last = placer.place(NAME, user, ["black tea", "white rum"], k=2)
    rum, tea = sorted(last, key=lambda each: -each.expected)
    assert rum.offer.ad == "white rum" and tea.expected < min(rum.expected, tea.probability)
    still = Placer(loop, Choosing(learns=False)).place(NAME, user, ["red tea", "dark rum"], k=2)
    assert {each.offer.ad: each.expected for each in still} == pytest.approx(
        {each.offer.ad: each.probability for each in still}
    )


def test_a_shadow_answers_too_and_production_is_shown(loop: Loop, base: Base) -> None:
    hub = loop.registry.hub
    hub.publish(ranker(base, 1, features=[]), NAME)
    hub.set_alias(NAME, "production", 1)
    start(hub, loop.log, NAME, 2, shadow=True)
    placed = Placer(loop).place(f"{NAME}@live", "likes tea", ["tea", "rum", "mug"], k=2, user_key="u")
    rows = stored(loop.log, impressions)
    assert [(row["arm"], row["version"]) for row in rows] == [("production", 1), ("shadow", 2)]
    assert rows[0]["id"] == placed.impression
    assert {each["impression"]: each["probability"] for each in stored(loop.log, shown)}.keys() == {
        row["id"] for row in rows
    }


def test_caps_budgets_and_eligibility_keep_ads_out(loop: Loop, clock: Clock) -> None:
    placer = Placer(loop, seed=0)
    assert list(placer.place(NAME, ads=[Offer("tea", eligible=False)])) == []
    assert placer.place(NAME, ads=[Offer("tea", eligible=False)]).impression is None
    offers = [Offer("tea", cap=2), Offer("rum", eligible=False)]
    seen = [len(placer.place(NAME, ads=offers, user_key="u")) for _ in range(3)]
    assert seen == [1, 1, 0] and len(placer.place(NAME, ads=offers, user_key="other")) == 1
    clock.move(86_401)
    assert len(placer.place(NAME, ads=offers, user_key="u")) == 1
    with pytest.raises(RequestError, match="user_key"):
        placer.place(NAME, ads=offers)
    priced = [Offer("mug", bid=2.0, budget=10.0)]
    for _ in range(2):
        loop.feedback(placer.place(NAME, ads=priced).impression or "", "click")
    assert len(placer.place(NAME, ads=priced)) == 0, "4.00 were spent by a quarter of the day, of 2.50"
    clock.move(4 * 3600)
    assert len(placer.place(NAME, ads=priced)) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"k": 0}, "k is 0"),
        ({"ads": []}, "give 1 to"),
        ({"ads": [Offer("a", bid=0)]}, "bid is 0"),
        ({"ads": [Offer("a", bid=float("nan"))]}, "bid is nan"),
        ({"ads": [Offer("a", bid=10**400)]}, "bid is 1000"),
        ({"ads": [Offer("a", budget=-1)]}, "budget is -1"),
        ({"ads": [Offer("a", budget=10**400)]}, "budget is 1000"),
        ({"ads": [Offer("a", cap=1.5)]}, "cap is 1.5"),
        ({"ads": ["a"], "shares": {"x": 0.8, "y": 0.4}}, "at most 1 together"),
    ],
)
def test_what_is_wrong_with_an_offer_is_told(loop: Loop, given: dict[str, Any], told: str) -> None:
    with pytest.raises(RequestError, match=told):
        Placer(loop).place(NAME, **{"ads": ["tea"]} | given)
