"""Which field or phrase moved a score: against Shapley's own formula, and rows that were asked one by one."""

import tracemalloc
from dataclasses import replace
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import Any

import pytest

from adapters import Base
from adapters.errors import RequestError
from hub import Hub, Registry
from hub.feedback import Feedback
from hub.placement import explain
from hub.registry.explaining import NOTHING, Explaining
from hub.registry.requests import REASON, Ranked, Recommend
from tests.hub.feedback.test_loop import NAME, ranker

USER, AD = "likes tea; bought socks", "Trail shoes for mud, 20% off. New!"


@pytest.fixture
def hub(base: Base, tmp_path: Path) -> Hub:
    hub = Hub(tmp_path / "hub")
    hub.publish(ranker(base, 0), NAME)
    return hub


def test_fields_have_their_shapley_values_and_phrases_what_goes_without_them(registry: Registry) -> None:
    features = {"season": "May"}
    found = explain(registry, NAME, USER, AD, features)

    def p(user: str, ad: str, season: str) -> float:
        return registry.recommend(NAME, user, [ad], {"season": season})[0].probability

    whole = {"user": USER, "ad": AD, "season": "May"}
    assert found.probability == pytest.approx(p(**whole), abs=1e-5) and found.reason == REASON
    for name in whole:
        others = [each for each in whole if each != name]
        value = 0.0
        for size in range(3):
            for kept in combinations(others, size):
                with_it = {each: whole[each] if each in (*kept, name) else NOTHING for each in whole}
                weight = factorial(size) * factorial(2 - size) / factorial(3)
                value += weight * (p(**with_it) - p(**{**with_it, name: NOTHING}))
        (own,) = [each for each in found.moved if each.field == name and each.phrase is None]
        assert own.by == pytest.approx(value, abs=1e-5)
    phrases = {each.phrase: each.by for each in found.moved if each.phrase is not None}
    assert set(phrases) == {"likes tea;", "bought socks", "Trail shoes for mud,", "20% off.", "New!"}
    without = p("likes tea; bought socks", "Trail shoes for mud, New!", "May")
    assert phrases["20% off."] == pytest.approx(found.probability - without, abs=1e-5)


@pytest.mark.parametrize("fields", [2, 5, 8])
def test_of_an_additive_score_every_field_has_its_own_weight(fields: int) -> None:
    weights = {f"f{at}": 0.01 * (at + 1) * (-1) ** at for at in range(fields)}
    asked = Explaining(Recommend(NAME, "", [{name: "said" for name in weights}]))
    request = asked.request()
    assert len(request.ads) == asked.size
    (found,) = asked.read([Ranked(ad, score(ad, weights)) for ad in reversed(request.ads)])
    assert {each.field: each.by for each in found.moved} == pytest.approx(weights)
    sizes = [abs(each.by) for each in found.moved]
    assert sizes == sorted(sizes, reverse=True)


def score(ad: Any, weights: dict[str, float]) -> float:
    return 0.5 + sum(weight for name, weight in weights.items() if ad[name] != NOTHING)


def test_what_cannot_be_explained_is_told(registry: Registry) -> None:
    odd: Any
    for odd in ({"user": None}, {"ad": 7}, {"features": ["season"]}):
        with pytest.raises(RequestError, match="expected"):
            explain(registry, NAME, **{"ad": AD, **odd})
    for user, ad in (("", ""), ("", {f"f{at}": "x" for at in range(21)}), ("a; " * 101, "tea")):
        with pytest.raises(RequestError, match="columns"):
            Explaining(Recommend(NAME, user, [ad]))
    with pytest.raises(RequestError, match="season"):
        explain(registry, NAME, USER, AD)


def test_what_is_too_much_to_explain_takes_no_memory_to_tell() -> None:
    """One row for each of the phrases of a text would be the square of it."""
    long = [{"ad": "a;" * 50_000}]
    many = [{f"f{at}": "said" for at in range(20)} for _ in range(1000)]
    tracemalloc.start()
    try:
        with pytest.raises(RequestError, match="more than 100 phrases"):
            Explaining(Recommend(NAME, "", long))
        assert Explaining(Recommend(NAME, "", many)).size > 500_000
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()


def test_a_ranking_says_why_of_every_ad_and_may_be_logged_too(base: Base, tmp_path: Path) -> None:
    hub = Hub(tmp_path / "hub")
    hub.publish(ranker(base, 0), NAME)
    hub.set_alias(NAME, "production", 1)
    log = Feedback(hub)
    registry = Registry(hub, base, log=log)
    asked: dict[str, Any] = {"user": USER, "ads": [AD, {"ad": "tea"}, AD], "features": {"season": "May"}}
    plain = registry.recommend(NAME, **asked)
    found = registry.recommend(NAME, **asked, explain=True)
    logged: Any = registry.recommend(f"{NAME}@live", **asked, explain=True, log=True, user_key="u-1")
    for ranked in (found, logged):
        assert [(each.ad, each.probability) for each in ranked] == [
            (each.ad, pytest.approx(each.probability, abs=1e-5)) for each in plain
        ]
        for each in ranked:
            text = each.ad if isinstance(each.ad, str) else each.ad["ad"]
            alone = explain(registry, NAME, USER, text, {"season": "May"})
            assert each.explained.reason == "the model's reason, not the customer's"
            assert each.explained.probability == pytest.approx(each.probability, abs=1e-5)
            assert {(one.field, one.phrase): one.by for one in each.explained.moved} == pytest.approx(
                {(one.field, one.phrase): one.by for one in alone.moved}, abs=1e-5
            )
    assert registry.feedback(logged.impression, "click") and not registry.feedback(logged.impression, "click")
    assert log.summary()[0]["impressions"] == log.summary()[0]["outcomes"] == 1
    registry.close()
    log.close()


def test_without_a_log_that_is_told_and_so_is_a_user_of_an_answer_that_is_not_logged(
    registry: Registry,
) -> None:
    for call in (
        lambda: registry.recommend(NAME, USER, [AD], {"season": "May"}, log=True),
        lambda: registry.feedback("id", "click"),
    ):
        with pytest.raises(RequestError, match=r"Registry\(hub, log=Feedback\(hub\)\)"):
            call()
    with pytest.raises(RequestError, match="user_key says who sees"):
        registry.recommend(NAME, USER, [AD], {"season": "May"}, user_key="u-1")


def test_an_adapter_of_one_ready_text_is_explained_by_its_text(base: Base, tmp_path: Path) -> None:
    made = ranker(base, 3, features=[])
    info = {**made.info, "data": {"roles": ["text"]}}
    hub = Hub(tmp_path / "hub")
    hub.publish(replace(made, info=info), NAME)
    registry = Registry(hub, base)
    (found,) = registry.recommend(NAME, ads=["User likes tea. Ad: tea, 20% off"], explain=True)
    assert found.explained is not None
    assert {each.field for each in found.explained.moved} == {"ad"} and len(found.explained.moved) == 4
    registry.close()
