"""What a log cannot use, and a database that is away: nothing that was accepted is lost, and what is refused is told,
in Python and by HTTP, in SQLite and in PostgreSQL."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from hub import Feedback, Hub
from hub.errors import BadFeedback, FeedbackError
from hub.feedback import Place
from hub.feedback.tables import outcomes
from tests.adapters import models
from tests.clock import Clock, until
from tests.hub.feedback.made import NAME, NOW, impression, stored
from tests.hub.feedback.server import Postgres
from tests.hub.feedback.test_loop import ranker
from tests.hub.server.test_feedback import OTHER, Served


@pytest.fixture
def served(url: str, tmp_path: Path) -> Iterator[Served]:
    base, hub = models.base("llama"), Hub(tmp_path / "hub")
    for seed, name in enumerate((NAME, OTHER)):
        hub.publish(ranker(base, seed, features=[]), name)
    found = Served(hub, base, tmp_path, url)
    yield found
    found.registry.close()
    found.log.close()


def test_each_bad_event_is_refused_by_http_with_its_reason_and_the_good_ones_are_kept(served: Served) -> None:
    mine, theirs = served.shown(), served.shown("globex")
    unknown = f"there is no impression {mine!r}".replace(mine, "{}")
    bad: list[tuple[dict[str, Any], str]] = [
        ({"impression": "0" * 32}, unknown.format("0" * 32)),
        ({"impression": "'; DROP TABLE outcomes; --"}, "there is no impression"),
        ({"impression": "a\x00b"}, "impression is"),
        ({"impression": theirs}, unknown.format(theirs)),
        ({"at": NOW - 301}, "before its impression"),
        ({"at": NOW + 301}, "in the future"),
        ({"at": "2027-01-15T08:00:00"}, "time zone"),
        ({"at": -5}, "seconds since 1970"),
        ({"at": 10**400}, "at"),
        ({"value": "49"}, "value"),
        ({"kind": "accepted"}, "no outcome of recommendation"),
        ({"position": 2}, "no position 2"),
        ({"position": 2**70}, "no position"),
        ({"event": "\ud800"}, "event"),
        ({"text": "\ud800"}, "whole characters"),
    ]
    events = [{"impression": mine, "kind": "dislike"} | given for given, _ in bad]
    good = {"impression": mine, "kind": "click", "at": NOW + 299}
    found = served.http.post(
        "/v1/feedback",
        content=json.dumps({"events": [good, *events, good]}),
        headers={"authorization": f"Bearer {served.keys['acme']}", "content-type": "application/json"},
    ).json()
    statuses = ["taken", *(["refused"] * len(bad)), "known"]
    assert [each["status"] for each in found["events"]] == statuses
    for (given, told), each in zip(bad, found["events"][1:], strict=False):
        assert told in each["why"], given
    again = {"impression": mine, "kind": "conversion", "value": 1.0}
    both = served.ask("/v1/feedback", {"events": [again, again | {"value": 2.0}]}).json()["events"]
    assert [each["status"] for each in both] == ["taken", "refused"] and "event" in both[1]["why"]
    assert len(stored(served.log, outcomes)) == 2


def test_a_clock_that_goes_back_and_outcomes_of_before_and_after_are_taken(served: Served) -> None:
    before = served.shown()
    served.clock.move(-200)  # mended by another machine's time
    after = served.shown()
    events = [{"impression": each, "kind": "click"} for each in (before, after)]
    assert served.ask("/v1/feedback", {"events": events}).json()["taken"] == 2


@pytest.mark.parametrize("wrong", [0, 0.0, -0.1, 1.1, math.nan, math.inf, "0.5", True])
def test_a_propensity_or_probability_that_is_none_is_refused(log: Feedback, wrong: Any) -> None:
    made = impression()
    other = impression()
    odd = replace(made, places=[Place(1, made.places[0].ad, 0.1, wrong)])
    for call in (lambda: log.add(odd), lambda: log.add_all([other, odd])):
        with pytest.raises(BadFeedback, match="a propensity is"):
            call()
    if wrong != 0:
        with pytest.raises(BadFeedback, match="a probability is"):
            log.add(replace(made, places=[Place(1, made.places[0].ad, wrong, 1.0)]))
    with pytest.raises(BadFeedback, match="seconds since 1970"):
        log.add(replace(made, at=math.nan))
    assert log.count("acme")["impressions"] == 0
    unknown = replace(made, places=[Place(1, made.places[0].ad, None, None)])
    assert log.add(unknown, on_disk=True) == made.id, "nobody knows it: that can be told"


def test_tables_that_are_locked_are_waited_for(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.database()
    log = Feedback(tmp_path, url, clock=Clock(NOW), patience=0.2)
    first, second = impression(), impression()
    log.add(first, on_disk=True)
    engine = create_engine(url)
    with engine.begin() as other:
        other.execute(text("LOCK TABLE impressions, outcomes IN ACCESS EXCLUSIVE MODE"))
        assert log.add(second) == second.id, "nobody waits"
        with pytest.raises(FeedbackError, match="again"):
            log.feedback(first.id, "click")
    engine.dispose()
    until(lambda: not log.state()["waiting"])
    assert not log.feedback(first.id, "click"), "it was accepted, and written when the lock was gone"
    assert log.feedback(second.id, "click")
    log.close()


def test_a_server_whose_database_is_gone_says_so_and_takes_the_same_again(
    postgres: Postgres, tmp_path: Path
) -> None:
    base, hub = models.base("llama"), Hub(tmp_path / "hub")
    hub.publish(ranker(base, 0, features=[]), NAME)
    served = Served(hub, base, tmp_path, postgres.database())
    event = {"impression": served.shown(), "kind": "click"}
    served.log.flush()
    postgres.stop("immediate")
    try:
        answer = served.ask("/v1/feedback", event)
        assert answer.status_code >= 500 and "again" in answer.json()["error"]["message"]
        meanwhile = served.shown()
        assert len(meanwhile) == 32, "answers go on"
    finally:
        postgres.start()
    until(lambda: not served.log.state()["waiting"])
    assert served.ask("/v1/feedback", event).json()["known"] == 1
    assert served.ask("/v1/feedback", event | {"impression": meanwhile}).json()["taken"] == 1
    served.registry.close()
    served.log.close()


def test_a_file_that_is_taken_away_or_replaced_loses_nothing_that_is_acknowledged_then(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log.sqlite"
    log = Feedback(tmp_path, f"sqlite:///{path}", clock=Clock(NOW))
    first, second, third = (impression() for _ in range(3))
    log.add(first, on_disk=True)
    for each in tmp_path.glob("log.sqlite*"):
        each.rename(each.with_name(f"away-{each.name}"))
    assert log.add(second) == second.id
    until(lambda: "taken away" in log.state()["trouble"])
    assert log.state()["waiting"] == 1, "it is not said to be written"
    Feedback(tmp_path, f"sqlite:///{path}").close()  # another one stands there now
    assert log.add(third, on_disk=True) == third.id
    log.close()
    again = Feedback(tmp_path, f"sqlite:///{path}", clock=Clock(NOW))
    assert [again.feedback(each.id, "click") for each in (second, third)] == [True, True]
    again.close()


@pytest.mark.parametrize("name", ["a?b", "a%20b", "a#b", "ü &c"])
def test_the_log_lies_beside_a_hub_of_any_name(tmp_path: Path, name: str) -> None:
    log = Feedback(Hub(tmp_path / name))
    log.add(impression(), on_disk=True)
    log.close()
    assert {each.name for each in tmp_path.iterdir()} == {name, f"{name}.feedback.sqlite"}
