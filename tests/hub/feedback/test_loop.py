"""Answers that are logged: what is stored of them, and what never is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters import Adapter, Base, BaseId, Head, Lora
from adapters.errors import RequestError
from hub import Hub, Registry
from hub.feedback import Feedback, Loop, Seen
from hub.feedback.tables import impressions, shown
from tests.adapters import models
from tests.clock import Clock
from tests.hub.feedback.made import NOW, stored
from tests.hub.voices import voice

NAME = "acme/spring/recommendation"


def ranker(base: Base, seed: int, **data: Any) -> Adapter:
    """Ranks, with a recipe of its own."""
    made = voice(base, seed)
    recipe = {
        "task": "recommendation",
        "lora": {"rank": 2, "alpha": 4.0, "targets": ["q_proj"]},
        "data": {"features": ["season"], **data},
        "feedback": {"retention_days": 2.0},
    }
    info = {"recipe": recipe, "data": {"roles": ["user", "ad", "season"]}}
    head = Head(("not clicked", "clicked"), "last")
    id = BaseId(base.id, base.revision, base.fingerprint)
    return Adapter(Lora(2, 4.0, ("q_proj",)), head, made.tensors, id, "recommendation", info)


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama")


@pytest.fixture
def loop(base: Base, tmp_path: Path) -> Iterator[Loop]:
    hub = Hub(tmp_path / "hub")
    hub.publish(ranker(base, 0), NAME)
    hub.publish(ranker(base, 1, pii="allow"), "acme/open/recommendation")
    hub.publish(voice(base, 2), "acme/spring/behavior")
    loop = Loop(Registry(hub, base), Feedback(hub, clock=Clock(NOW)))
    yield loop
    loop.close()


def test_a_recommendation_is_logged_as_it_was_answered(loop: Loop) -> None:
    ads = ["tea sale", {"ad": "rum sale", "price": 3}]
    said = {"user": "likes tea", "ads": ads, "features": {"season": "May", "internal": "margin 40 %"}}
    ranked = loop.recommend(NAME, **said, user_key="u-17", top=2, consent=True)
    alone = loop.registry.recommend(NAME, **said)
    assert [each.ad for each in ranked] == [each.ad for each in alone]
    (row,) = stored(loop.log, impressions)
    version = loop.registry.hub.resolve(NAME)
    assert row["id"] == ranked.impression and row["at"] == NOW
    told = {key: row[key] for key in ("client", "name", "task", "reference", "version", "digest")}
    assert told == {
        "client": "acme",
        "name": NAME,
        "task": "recommendation",
        "reference": NAME,
        "version": 1,
        "digest": version.digest,
    }
    assert row["user_key"] == loop.log.user_key("acme", "u-17") and row["consent"] is True
    assert row["expires"] == NOW + 2 * 86_400
    assert row["seconds"] > 0 and row["refused"] is None
    assert json.loads(row["columns"]) == {"user": "likes tea", "season": "May"}, (
        "what the model does not read is not kept"
    )
    found = {columns["ad"]: probability for _, columns, probability in json.loads(row["candidates"])}
    assert found == {
        each.ad["ad"] if isinstance(each.ad, dict) else each.ad: each.probability for each in ranked
    }, "unrounded"
    places = stored(loop.log, shown)
    assert [(each["position"], each["probability"], each["propensity"]) for each in places] == [
        (1, ranked[0].probability, 1.0),
        (2, ranked[1].probability, 1.0),
    ]
    assert loop.feedback(ranked.impression, "click", position=2)


def test_what_is_private_is_masked_before_it_is_stored_unless_the_recipe_allows_it(loop: Loop) -> None:
    private = {
        "user": "ann@example.com likes tea",
        "ads": ["call 202-555-0143"],
        "features": {"season": ["a@b.org"]},
    }
    loop.recommend(NAME, **private)
    loop.recommend("acme/open/recommendation", **private)
    masked, kept = stored(loop.log, impressions)
    text = masked["columns"] + masked["candidates"]
    assert "<email> likes tea" in text and "<phone>" in text
    assert not any(each in text for each in ("ann@", "0143", "a@b.org"))
    assert "ann@example.com" in kept["columns"] and "0143" in kept["candidates"]


def test_of_an_ensemble_the_strictest_recipe_holds(loop: Loop) -> None:
    names = [NAME, "acme/open/recommendation"]
    loop.recommend(names, "ann@example.com", ["tea"], {"season": "May"})
    (row,) = stored(loop.log, impressions)
    assert "ann@" not in row["columns"] and row["reference"] == " + ".join(names)
    assert row["version"] is None and row["digest"].count("+") == 1


def test_analyses_are_logged_and_corrected(loop: Loop) -> None:
    found = loop.analyze("acme/spring/behavior", ["so late", "thank you"])
    (row,) = stored(loop.log, impressions)
    assert [columns for _, columns, _ in json.loads(row["candidates"])] == [
        {"text": each.text, "answered": each.label} for each in found
    ]
    assert loop.feedback(found.impression, "label", text="glad", position=2)


def test_without_the_log_nothing_is_stored_and_errors_are_not_logged(loop: Loop) -> None:
    ranked = loop.recommend(NAME, "likes tea", ["tea"], {"season": "May"}, log=False)
    assert ranked.impression is None
    with pytest.raises(RequestError, match="season"):
        loop.recommend(NAME, "likes tea", ["tea"])
    assert stored(loop.log, impressions) == []


@pytest.mark.parametrize(
    "wrong", [{"top": 0}, {"top": True}, {"user_key": 7}, {"user_key": ""}, {"consent": "yes"}]
)
def test_who_sees_an_answer_is_checked_before_it_is_given(loop: Loop, wrong: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match=next(iter(wrong))):
        loop.recommend(NAME, "likes tea", ["tea"], {"season": "May"}, **wrong)
    assert stored(loop.log, impressions) == []


def test_an_answer_that_was_waited_for_elsewhere_is_noted(loop: Loop) -> None:
    from hub import Recommend

    pending = loop.registry.submit(Recommend(NAME, "likes tea", ["tea", "rum"], {"season": "May"}))
    loop.registry.publish(ranker(loop.registry.base, 5), NAME)
    noted = loop.note(pending, pending.result(), Seen(on_disk=True))
    (row,) = stored(loop.log, impressions)
    assert row["id"] == noted and row["version"] == 1, (
        "the version that answered, not the one that is there now"
    )
