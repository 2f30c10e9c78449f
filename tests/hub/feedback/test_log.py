"""What the log takes, refuses, keeps and erases, in SQLite and in PostgreSQL."""

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.errors import BadFeedback
from hub.feedback import Feedback, Impression, Outcome
from hub.feedback.tables import clients, impressions, outcomes, shown
from tests.clock import Clock
from tests.hub.feedback.made import NAME, NOW, impression, stored


def noted(log: Feedback, **given: Any) -> str:
    made = impression(**given)
    assert log.add(made, on_disk=True) == made.id
    return made.id


def test_an_impression_is_kept_whole_and_its_numbers_unrounded(log: Feedback) -> None:
    third = 1 / 3 + 1e-17
    made = impression(top=2, user="u" * 64, consent=True, columns={"user": "喜欢 tea \x00 \ud83d"})
    places = [type(place)(place.position, place.ad, third, math.nextafter(third, 1)) for place in made.places]
    made = type(made)(**{**vars(made), "places": places})
    log.add(made)
    (row,) = stored(log, impressions)
    assert row == made.row() and row["client"] == "acme" and row["at"] == NOW
    assert [each["probability"] for each in stored(log, shown)] == [third, third]
    assert stored(log, shown)[1]["propensity"] == math.nextafter(third, 1)


def test_outcomes_come_late_out_of_order_and_again(log: Feedback, clock: Clock) -> None:
    one = noted(log)
    clock.move(86_400)
    assert log.feedback(one, "conversion", value=49.0, at=NOW + 80_000)
    assert log.feedback(one, "click", at=datetime.fromtimestamp(NOW + 5, UTC))
    assert not log.feedback(one, "click", at=NOW + 6), "it was told already"
    assert log.feedback(one, "conversion", value=50.0, event="order-2", at="2027-01-15T09:00:00+00:00")
    found = {(row["kind"], row["event"]): (row["at"], row["value"]) for row in stored(log, outcomes)}
    assert found["click", ""] == (NOW + 5, None)
    assert found["conversion", ""] == (NOW + 80_000, 49.0)
    assert found["conversion", "order-2"][1] == 50.0


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"impression": "nothing"}, "there is no impression 'nothing'"),
        ({"impression": 7}, "impression is 7"),
        ({"impression": "a\x00b"}, "impression is"),
        ({"client": "globex"}, "there is no impression"),
        ({"kind": "accepted"}, "accepted is no outcome of recommendation"),
        ({"kind": "bought"}, "kind is 'bought'"),
        ({"at": NOW + 301}, "301 s in the future"),
        ({"at": NOW - 301}, "301 s before its impression"),
        ({"at": "2027-01-15T08:00:00"}, "time zone"),
        ({"at": "yesterday"}, "ISO 8601"),
        ({"at": math.nan}, "seconds since 1970"),
        ({"at": -1}, "seconds since 1970"),
        ({"at": 1e300}, "seconds since 1970"),
        ({"value": math.inf}, "value is inf"),
        ({"value": "12"}, "value is '12'"),
        ({"value": 10**400}, "value is"),
        ({"value": True}, "value is True"),
        ({"position": 2}, "has 1 positions, and no position 2"),
        ({"position": 0}, "position is 0"),
        ({"position": True}, "position is True"),
        ({"event": "e" * 201}, "event is"),
        ({"kind": "edited"}, "edited needs the final text"),
        ({"text": "\ud800"}, "whole characters"),
        ({"text": "a" * 20_001}, "text is"),
    ],
)
def test_what_is_wrong_with_an_outcome_is_told_and_the_others_are_taken(
    log: Feedback, given: dict[str, Any], told: str
) -> None:
    one, other = noted(log), noted(log)
    wrong = Outcome(**{"impression": one, "kind": "click"} | given)
    found = log.feedback_all([Outcome(other, "click"), wrong, Outcome(one, "dislike")])
    assert [each.status for each in found] == ["taken", "refused", "taken"]
    assert told in found[1].why
    with pytest.raises(BadFeedback) as raised:
        log.feedback(**{"impression": one, "kind": "click"} | given)
    assert raised.value.problems == (found[1].why,)
    assert len(stored(log, outcomes)) == 2


def test_the_same_with_another_value_is_refused_also_within_one_call(log: Feedback) -> None:
    one = noted(log)
    found = log.feedback_all(
        [
            Outcome(one, "conversion", value=1.0),
            Outcome(one, "conversion", value=2.0),
            Outcome(one, "conversion", value=1.0),
        ]
    )
    assert [each.status for each in found] == ["taken", "refused", "known"]
    assert "event" in found[1].why


def test_clocks_may_differ_by_minutes(log: Feedback) -> None:
    one = noted(log)
    assert log.feedback(one, "click", at=NOW - 299)
    assert log.feedback(one, "dislike", at=NOW + 299)


def test_each_task_has_its_own_outcomes(log: Feedback) -> None:
    copy = noted(log, task="ad-copy", name="acme/spring/ad-copy")
    assert log.feedback(copy, "edited", text="Call 202-555-0143 for 茶")
    mood = noted(log, task="behavior", name="acme/spring/behavior")
    assert log.feedback(mood, "label", text="glad")
    with pytest.raises(BadFeedback, match="there may come of it: label"):
        log.feedback(mood, "click")
    assert stored(log, outcomes)[0]["text"] == '"Call <phone> for \\u8336"', "what is private is masked"


def test_many_threads_and_two_logs_write_at_once_and_nothing_is_lost(
    log: Feedback, url: str, tmp_path: Path, clock: Clock
) -> None:
    other = Feedback(tmp_path / "hub", url, clock=clock)
    made = [impression(at=NOW) for _ in range(200)]

    def one(index: int) -> None:
        mine, theirs = (log, other) if index % 2 else (other, log)
        assert mine.add(made[index], on_disk=True)
        assert theirs.feedback(made[index].id, "click", at=NOW)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(200)))
    assert len(stored(log, impressions)) == len(stored(log, outcomes)) == 200
    other.close()


def test_user_keys_are_hashed_with_the_clients_own_secret(log: Feedback, url: str, tmp_path: Path) -> None:
    mine = log.user_key("acme", "u-17")
    assert mine != log.user_key("globex", "u-17") and mine != log.user_key("acme", "u-18")
    assert len(mine) == 64 and "u-17" not in mine
    again = Feedback(tmp_path / "hub", url)
    assert again.user_key("acme", "u-17") == mine, "also in another process"
    again.close()
    assert len(stored(log, clients)) == 2


def test_what_is_past_its_days_is_erased_and_no_more(log: Feedback, clock: Clock) -> None:
    old, kept = noted(log, expires=NOW + 10), noted(log)
    log.feedback(old, "click")
    log.feedback(kept, "click")
    clock.move(11)
    assert log.expire() == 1
    assert [row["id"] for row in stored(log, impressions)] == [kept]
    assert [row["impression"] for row in stored(log, shown)] == [kept]
    assert [row["impression"] for row in stored(log, outcomes)] == [kept]
    with pytest.raises(BadFeedback, match="there is no impression"):
        log.feedback(old, "click")


def test_it_is_erased_without_being_asked(log: Feedback, clock: Clock) -> None:
    noted(log, expires=NOW + 10)
    clock.move(3601)
    kept = noted(log, at=NOW + 3601)
    assert [row["id"] for row in stored(log, impressions)] == [kept]


def test_a_purge_erases_one_client_and_proves_it(log: Feedback, url: str, tmp_path: Path) -> None:
    secret = "a word that nobody else uses"
    mine = noted(log, columns={"user": secret})
    theirs = noted(log, name="globex/launch/recommendation")
    for each in (mine, theirs):
        log.feedback(each, "click")
    key = log.user_key("acme", "u")
    erased = {
        "impressions": 1,
        "shown": 1,
        "outcomes": 1,
        "clients": 1,
        "canaries": 0,
        "challenged": 0,
    }
    assert log.purge("acme", dry_run=True) == erased
    assert log.purge("acme") == erased
    assert set(log.count("acme").values()) == {0}
    assert [row["id"] for row in stored(log, impressions)] == [theirs]
    assert len(stored(log, outcomes)) == 1
    if url.startswith("sqlite"):
        held = b"".join(path.read_bytes() for path in tmp_path.glob("log.sqlite*"))
        assert secret.encode() not in held and theirs.encode() in held
    assert log.user_key("acme", "u") != key, "a new secret"
    assert log.purge("nobody") == {
        "impressions": 0,
        "shown": 0,
        "outcomes": 0,
        "clients": 0,
        "canaries": 0,
        "challenged": 0,
    }


def test_its_state_is_told(log: Feedback) -> None:
    noted(log)
    assert isinstance(impression(), Impression)
    state = log.state()
    assert (state["written"], state["dropped"], state["waiting"], state["trouble"]) == (1, 0, 0, "")
    assert NAME not in state["address"]


def test_a_client_is_erased_from_the_log_of_a_hub_by_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub import Hub
    from hub.feedback import purge_feedback

    monkeypatch.delenv("REPERTOIRE_FEEDBACK", raising=False)
    hub = Hub(tmp_path / "own")
    assert purge_feedback(hub.address, "acme") is None, "it has no log, and none is made"
    assert not list(tmp_path.glob("*.sqlite"))
    own = Feedback(hub)
    own.add(impression(), on_disk=True)
    own.close()
    hub.purge("acme")
    would = purge_feedback(hub.address, "acme", dry_run=True)
    erased = purge_feedback(hub.address, "acme")
    assert erased == would and erased is not None and erased["impressions"] == 1
    left = purge_feedback(hub.address, "acme")
    assert left is not None and not any(left.values())
