"""Which field or phrase moved a score: against Shapley's own formula, and rows that were asked one by one."""

from collections.abc import Iterator
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import Any

import pytest

from adapters import Base
from adapters.errors import RequestError
from hub import Hub, Registry
from hub.placement import explain
from hub.placement.explaining import NOTHING, REASON, Explaining
from hub.registry.requests import Ranked
from tests.adapters import models
from tests.hub.feedback.test_loop import NAME, ranker

USER, AD = "likes tea; bought socks", "Trail shoes for mud, 20% off. New!"


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama")


@pytest.fixture
def registry(base: Base, tmp_path: Path) -> Iterator[Registry]:
    hub = Hub(tmp_path / "hub")
    hub.publish(ranker(base, 0), NAME)
    registry = Registry(hub, base)
    yield registry
    registry.close()


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
    asked = Explaining("", {name: "said" for name in weights})
    request = asked.request(NAME)
    found = asked.read([Ranked(ad, score(ad, weights)) for ad in reversed(request.ads)])
    assert {each.field: each.by for each in found.moved} == pytest.approx(weights)
    sizes = [abs(each.by) for each in found.moved]
    assert sizes == sorted(sizes, reverse=True)


def score(ad: Any, weights: dict[str, float]) -> float:
    return 0.5 + sum(weight for name, weight in weights.items() if ad[name] != NOTHING)


def test_what_cannot_be_explained_is_told(registry: Registry) -> None:
    for user, ad in (("", ""), ("", {f"f{at}": "x" for at in range(21)}), ("a; " * 101, "tea")):
        with pytest.raises(RequestError, match="columns"):
            Explaining(user, ad)
    with pytest.raises(RequestError, match="season"):
        explain(registry, NAME, USER, AD)
