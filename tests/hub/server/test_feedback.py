"""The loop by HTTP: answers that are logged, what users did, @live, placement, and who may tell what."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from adapters import Base, Limits
from hub import Hub, Registry
from hub.errors import BadFeedback, FeedbackError, NotInHub
from hub.feedback import Feedback, Loop, canary
from hub.feedback.tables import impressions, outcomes, shown
from hub.registry.explaining import Explaining
from hub.registry.requests import Recommend
from hub.server import Bounds, Keys, Scope, create_app
from tests.adapters import models
from tests.clock import Clock
from tests.hub.feedback.made import NOW, stored
from tests.hub.feedback.test_loop import ranker
from tests.hub.voices import voice

NAME = "acme/spring/recommendation"
OTHER = "globex/launch/recommendation"
ASKED = {"user": "likes tea", "ads": ["tea", "rum"]}


class Served:
    """An application, its log, and a key of each client."""

    def __init__(self, hub: Hub, base: Base, folder: Path, url: str | None = None) -> None:
        self.hub, self.clock = hub, Clock(NOW)
        self.log = Feedback(hub, url, clock=self.clock, patience=0.5 if url else 60.0)
        self.registry = Registry(hub, base)
        keys = Keys(folder / "keys")
        self.app = create_app(self.registry, keys, log=lambda: self.log)
        made = {client: keys.new(client, Scope.operate)[1] for client in ("acme", "globex")}
        made["guest"] = keys.new("guest", Scope.infer, shared=["acme/spring"])[1]
        made["admin"] = keys.new("ops", Scope.admin)[1]
        self.keys = made
        self.http = TestClient(self.app, base_url="http://127.0.0.1")

    def ask(self, path: str, body: Any, who: str = "acme") -> Any:
        return self.http.post(path, json=body, headers={"authorization": f"Bearer {self.keys[who]}"})

    def shown(self, who: str = "acme", **given: Any) -> str:
        """The id of an impression."""
        asked = ASKED | {"reference": OTHER if who == "globex" else NAME, "log": True} | given
        return str(self.ask("/v1/recommend", asked, who).json()["impression"])


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    base = models.base("llama")
    hub = Hub(tmp_path / "hub")
    for seed, name in enumerate((NAME, OTHER)):
        hub.publish(ranker(base, seed, features=[]), name)
    hub.publish(voice(base, 2), "acme/spring/behavior")
    hub.set_alias(NAME, "production", 1)
    found = Served(hub, base, tmp_path)
    yield found
    found.registry.close()
    found.log.close()


def test_an_answer_is_logged_where_that_is_asked_and_its_id_comes_back(served: Served) -> None:
    plain = served.ask("/v1/recommend", ASKED | {"reference": NAME}).json()
    logged = served.ask(
        "/v1/recommend",
        ASKED | {"reference": NAME, "log": True, "user_key": "u-1", "top": 2, "consent": False},
    ).json()
    assert plain["impression"] is None
    assert [each["ad"] for each in plain["ranked"]] == [each["ad"] for each in logged["ranked"]]
    (row,) = stored(served.log, impressions)
    assert row["seconds"] > 0
    assert row["id"] == logged["impression"] and row["consent"] is False
    assert row["user_key"] == served.log.user_key("acme", "u-1")
    assert [each["probability"] for each in stored(served.log, shown)] == [
        each["probability"] for each in logged["ranked"]
    ]
    analysed = served.ask(
        "/v1/analyze", {"reference": "acme/spring/behavior", "texts": ["so late"], "log": True}
    )
    told = {"impression": analysed.json()["impression"], "kind": "label", "text": "glad"}
    assert served.ask("/v1/feedback", told).json()["taken"] == 1


def test_a_batch_logs_what_asks_for_it(served: Served) -> None:
    entries = [
        ASKED | {"call": "recommend", "reference": NAME, "log": log, "user_key": key}
        for log, key in ((True, "u"), (False, "u"), (True, ""))
    ]
    answers = served.ask("/v1/batch", {"requests": entries}).json()["answers"]
    assert [bool(each["answer"] and each["answer"]["impression"]) for each in answers] == [
        True,
        False,
        False,
    ]
    assert "user_key" in answers[2]["error"]["message"]
    assert len(stored(served.log, impressions)) == 1


def test_an_event_changes_nothing_when_it_is_told_again_and_is_refused_with_another_value(
    served: Served,
) -> None:
    event = {"impression": served.shown(), "kind": "conversion", "value": 49.0}
    statuses = [served.ask("/v1/feedback", event).json()["events"][0]["status"] for _ in range(2)]
    assert statuses == ["taken", "known"]
    other = served.ask("/v1/feedback", event | {"value": 50.0})
    assert other.status_code == 400 and "another value" in other.json()["error"]["message"]
    assert [each["value"] for each in stored(served.log, outcomes)] == [49.0]


def test_of_many_events_each_is_taken_or_refused_by_itself(served: Served) -> None:
    first, second = served.shown(), served.shown()
    events = [
        {"impression": second, "kind": "conversion", "value": 3.5, "at": NOW + 60, "event": "o-1"},
        {"impression": first, "kind": "click", "at": NOW - 10},
        {"impression": second, "kind": "click", "at": "2027-01-15T08:00:00+00:00"},
        {"impression": first, "kind": "click", "at": NOW + 86_400},
        {"impression": first, "kind": ["click"]},
        {"impression": "nobody's", "kind": "click"},
        {"impression": first, "kind": "click", "position": 9},
        {"impression": first},
        {"impression": first, "kind": "conversion", "vlaue": 3},
        {"impression": second, "kind": "conversion", "value": 3.5, "at": NOW + 60, "event": "o-1"},
    ]
    found = served.ask("/v1/feedback", {"events": events}).json()
    assert [each["status"] for each in found["events"]] == ["taken"] * 3 + ["refused"] * 6 + ["known"]
    assert (found["taken"], found["refused"], found["known"]) == (3, 6, 1)
    whys = [each["why"] for each in found["events"] if each["status"] == "refused"]
    for why, word in zip(whys, ("future", "kind", "no impression", "position", "kind", "vlaue"), strict=True):
        assert word in why
    assert served.ask("/v1/feedback", {"events": [], "kind": "click"}).status_code == 400
    assert served.ask("/v1/feedback", {"events": [{}] * 1001}).status_code == 400
    assert served.ask("/v1/feedback", {}).status_code == 400


@pytest.mark.parametrize("log", [False, True])
def test_near_names_are_read_beside_the_loop(
    served: Served, log: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub may be far, and everybody else's requests run on the loop."""
    search, on_loop = served.hub.search, []

    def looked() -> Any:
        on_loop.append(asyncio._get_running_loop() is not None)
        return search()

    monkeypatch.setattr(served.hub, "search", looked)
    assert "error" in served.ask("/v1/recommend", ASKED | {"reference": OTHER, "log": log}).json()
    assert on_loop == [False]


def test_a_key_learns_nothing_of_another_clients_impressions(served: Served) -> None:
    own = served.shown("acme")
    for who in ("globex", "guest", "admin"):
        told = [
            served.ask("/v1/feedback", {"impression": id, "kind": "click", "event": who}, who)
            for id in (own, "0" * 32)
        ]
        if who == "globex":
            assert [each.status_code for each in told] == [400, 400]
            assert told[0].json() == json.loads(told[1].text.replace("0" * 32, own))
        else:
            assert [each.status_code for each in told] == [200, 400], "theirs too, and that of all clients"
    refused = served.ask("/v1/recommend", ASKED | {"reference": NAME, "log": True}, "globex")
    gone = served.ask("/v1/recommend", ASKED | {"reference": f"{NAME}@live", "user_key": "u"}, "globex")
    placed = served.ask("/v1/place", ASKED | {"reference": NAME}, "globex")
    assert {refused.status_code, gone.status_code, placed.status_code} == {404}
    assert len(stored(served.log, impressions)) == 1


def test_live_goes_by_the_users_key(served: Served) -> None:
    served.hub.publish(ranker(served.registry.base, 5, features=[]), NAME)
    canary.start(served.hub, served.log, NAME, 2, share=0.5)
    for number in range(12):
        served.shown(reference=f"{NAME}@live", user_key=f"u-{number}")
    served.shown(reference=f"{NAME}@live")
    arms = [(row["arm"], row["version"], row["user_key"]) for row in stored(served.log, impressions)]
    assert {(arm, version) for arm, version, _ in arms} == {("canary", 2), ("production", 1)}
    assert arms[-1] == ("production", 1, None)


def test_a_canary_that_refuses_is_answered_by_production_and_counted(served: Served) -> None:
    served.hub.publish(ranker(served.registry.base, 5, features=["season"]), NAME)
    canary.start(served.hub, served.log, NAME, 2, share=0.5)
    found = [
        served.ask("/v1/recommend", ASKED | {"reference": f"{NAME}@live", "user_key": f"u-{n}", "log": True})
        for n in range(12)
    ]
    assert {each.status_code for each in found} == {200}
    rows = stored(served.log, impressions)
    failed = [row for row in rows if row["chooser"] == "failed"]
    assert 0 < len(failed) < 12 and {row["arm"] for row in failed} == {"canary"}
    assert len(rows) - len(failed) == 12 and {row["version"] for row in rows} == {None, 1}


def test_a_shadow_answers_after_the_answer_was_sent(served: Served) -> None:
    served.hub.publish(ranker(served.registry.base, 5, features=[]), NAME)
    canary.start(served.hub, served.log, NAME, 2, shadow=True)
    served.shown(reference=f"{NAME}@live", user_key="u-1")
    placed = served.ask("/v1/place", ASKED | {"reference": f"{NAME}@live", "user_key": "u-1"}).json()
    rows = stored(served.log, impressions)
    assert [(row["arm"], row["version"]) for row in rows] == [("production", 1), ("shadow", 2)] * 2
    assert rows[2]["id"] == placed["impression"]


def test_ads_are_placed_and_logged_with_their_propensity(served: Served) -> None:
    ads = ["tea", {"ad": "rum", "bid": 0.5, "cap": 1}, {"ad": {"ad": "mug"}, "eligible": False}]
    asked = {"reference": NAME, "user": "likes tea", "ads": ads, "k": 3, "user_key": "u-1"}
    found = served.ask("/v1/place", asked).json()
    (row,) = stored(served.log, impressions)
    assert row["seconds"] > 0
    assert row["id"] == found["impression"] and row["chooser"] == "thompson"
    assert [each["propensity"] for each in stored(served.log, shown)] == [
        each["propensity"] for each in found["placed"]
    ]
    assert {each["ad"] for each in found["placed"]} == {"tea", "rum"}
    assert found["usage"]["prompt_tokens"] > 0
    again = served.ask("/v1/place", asked | {"policy": "ucb"}).json()
    assert [each["ad"] for each in again["placed"]] == ["tea"], "rum is capped"
    nothing = served.ask("/v1/place", asked | {"ads": [ads[2]]}).json()
    assert nothing["placed"] == [] and nothing["impression"] is None
    for wrong in ({"k": 0}, {"ads": [{"ad": "tea", "price": 3}]}, {"shares": {"new": 2.0}}, {"user_key": ""}):
        assert served.ask("/v1/place", asked | wrong).status_code == 400
    assert served.ask("/v1/place", asked | {"user_key": None}).status_code == 400


def test_a_probability_is_explained(served: Served) -> None:
    asked = {"reference": NAME, "user": "likes tea; bought rum", "ad": "tea, hot"}
    found = served.ask("/v1/explain", asked).json()
    fields = {each["field"]: each["by"] for each in found["moved"] if each["phrase"] is None}
    assert set(fields) == {"user", "ad"} and found["reason"] == "the model's reason, not the customer's"
    ranked = served.ask("/v1/recommend", {"reference": NAME, "user": asked["user"], "ads": ["tea, hot"]})
    assert found["probability"] == pytest.approx(ranked.json()["ranked"][0]["probability"], abs=1e-5)
    assert served.ask("/v1/explain", asked, "globex").status_code == 404
    assert served.ask("/v1/explain", {"reference": NAME, "ad": ""}).status_code == 400
    large = served.ask("/v1/explain", {"reference": NAME, "ad": "a;" * 100_000})
    assert large.status_code == 400 and large.json()["error"]["code"] == "too_large"


def test_a_ranking_says_why_also_in_a_batch_and_what_is_too_much_is_told_before_it_is_logged(
    served: Served,
) -> None:
    asked = {"reference": f"{NAME}@live", "user": "likes tea; bought rum", "ads": ["tea", "rum, 20% off"]}
    reply = served.ask("/v1/recommend", asked | {"explain": True, "log": True, "user_key": "u"}).json()
    alone = served.ask("/v1/explain", {**asked, "reference": NAME, "ads": None, "ad": "rum, 20% off"}).json()
    (found,) = [each["explained"] for each in reply["ranked"] if each["ad"] == "rum, 20% off"]
    assert found["reason"] == "the model's reason, not the customer's" and reply["impression"]
    assert [(each["field"], each["phrase"]) for each in found["moved"]] == [
        (each["field"], each["phrase"]) for each in alone["moved"]
    ]
    plain = served.ask("/v1/recommend", asked).json()
    assert plain["usage"]["total_tokens"] < reply["usage"]["total_tokens"]
    assert all(each["explained"] is None for each in plain["ranked"])
    entry = asked | {"call": "recommend", "log": True, "explain": True}
    many = [entry, entry | {"ads": ["tea, rum, gin"] * 150}, entry | {"ads": [""], "user": ""}]
    good, large, empty = served.ask("/v1/batch", {"requests": many}).json()["answers"]
    assert good["answer"]["ranked"][0]["explained"]["moved"]
    assert "fewer ads" in large["error"]["message"] and "columns" in empty["error"]["message"]
    assert len(stored(served.log, impressions)) == 2


def test_a_batch_whose_reasons_are_more_than_may_wait_is_explained_in_turns(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "hub")
    hub.publish(ranker(models.base("llama"), 0, features=[]), NAME)
    registry = Registry(hub, models.base("llama"), limits=Limits(waiting=100))
    http = TestClient(
        create_app(registry, Keys(tmp_path / "keys"), Bounds(texts=60)), base_url="http://127.0.0.1"
    )
    entry = {"call": "recommend", "reference": NAME, "user": "tea; " * 40, "ads": ["tea"], "explain": True}
    many = [*[entry] * 5, entry | {"ads": ["tea", "rum"]}, entry | {"user": "rum; gin"}]
    answers = http.post("/v1/batch", json={"requests": many}).json()["answers"]
    *good, large, small = answers
    assert all(len(each["answer"]["ranked"][0]["explained"]["moved"]) == 42 for each in good)
    assert "fewer ads" in large["error"]["message"] and small["answer"]["ranked"][0]["explained"]["moved"]
    registry.close()


def test_what_cannot_be_explained_is_not_logged_as_shown(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Recommend("acme/spring/gone", "", ["tea"])
    monkeypatch.setattr(Explaining, "request", lambda self, reference=None: gone)
    asked = ASKED | {"reference": NAME, "log": True, "explain": True, "on_disk": True}
    assert served.ask("/v1/recommend", asked).status_code == 404
    assert not stored(served.log, impressions)
    loop = Loop(served.registry, served.log)
    with pytest.raises(NotInHub):
        loop.recommend(NAME, "likes tea", ["tea"], explain=True, on_disk=True)
    assert not stored(served.log, impressions)


def test_of_a_batch_who_sees_is_checked_whatever_else_is_logged(served: Served) -> None:
    odd = ASKED | {"reference": NAME, "call": "recommend", "user_key": ""}
    for other in ({}, {"log": True}):
        answers = served.ask(
            "/v1/batch", {"requests": [odd, ASKED | other | {"reference": NAME, "call": "recommend"}]}
        )
        first, second = answers.json()["answers"]
        assert "user_key" in first["error"]["message"] and second["answer"]["ranked"]


def test_metrics_count_what_was_written_and_dropped(served: Served) -> None:
    def figures() -> dict[str, float]:
        text = served.http.get("/metrics", headers={"authorization": f"Bearer {served.keys['acme']}"}).text
        lines = [line.split() for line in text.splitlines() if line.startswith("repertoire_feedback")]
        return {name: float(value) for name, value in lines}

    assert figures() == {}, "no log was needed yet"
    id = served.shown()
    served.ask("/v1/feedback", {"impression": id, "kind": "click"})
    found = figures()
    assert found["repertoire_feedback_written_total"] == 2
    served.log.close()
    assert served.ask("/v1/recommend", ASKED | {"reference": NAME, "log": True}).json()["impression"] is None
    assert figures()["repertoire_feedback_dropped_total"] == 1


def test_a_log_that_cannot_be_opened_is_told_and_the_rest_is_answered(served: Served) -> None:
    def closed() -> Feedback:
        raise FeedbackError("the feedback log does not answer (no such host)")

    http = TestClient(
        create_app(served.registry, Keys(Path(served.hub.address) / "none"), log=closed),
        base_url="http://127.0.0.1",
    )
    assert http.post("/v1/recommend", json=ASKED | {"reference": NAME}).status_code == 200
    for path, body in (
        ("/v1/recommend", ASKED | {"reference": NAME, "log": True}),
        ("/v1/feedback", {"impression": "a", "kind": "click"}),
        ("/v1/place", ASKED | {"reference": NAME}),
    ):
        answer = http.post(path, json=body)
        assert answer.status_code == 503 and answer.json()["error"]["code"] == "feedback_unreachable"


def test_outcomes_may_be_held_to_names_of_any_kind(served: Served) -> None:
    id = served.shown()
    assert served.log.feedback(id, "click", client=("globex", "acme/spring"))
    for names in ("acm", ("globex",), ()):
        with pytest.raises(BadFeedback, match="no impression"):
            served.log.feedback(id, "click", client=names)
