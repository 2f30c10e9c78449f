"""Serving with churn, for seconds: `benchmarks/soak.py` does the same for as long as it is told."""

from benchmarks.soak import Counted, Soaked, _hold, soak
from benchmarks.soak_requests import Question
from hub import Analysis, Analyze
from hub.errors import NotInHub


def test_every_answer_is_right_beside_a_hub_that_changes() -> None:
    found = soak(4, rounds=2, threads=6)
    assert found.sound, (found.wrong, found.lost, found.stuck, found.leaks(), found.rounds)
    assert found.requests["answered (wait)"] and found.operations
    assert len(found.rounds) == 2


def test_a_wrong_answer_is_found() -> None:
    found, asked = Soaked(), Analyze("fixed/a0/behavior", ["glad"])
    answer = [Analysis("glad", ("glad",), {"glad": 0.75, "mad": 0.25})]
    _hold(found, Question(asked, ([0.75, 0.25],)), answer)
    assert found.sound
    for wrong in (Question(asked, ([0.5, 0.5],)), Question(asked, ([0.75, 0.25],), way="cancel")):
        _hold(found, wrong, answer if wrong.way == "wait" else NotInHub("gone"))
    assert not found.sound and found.counts["wrong"] == 2 and "was answered" in found.wrong[0]


def test_what_grows_is_found() -> None:
    first = Counted(0, 8, 5, 6, 1000, 10**8)
    found = Soaked(rounds=[first, first, Counted(3, 9, 5, 6, 1000, 2 * 10**8)])
    assert [told.split(":")[0] for told in found.leaks()] == ["tickets", "memory"]
    assert not found.sound
    assert not Soaked(rounds=[first, first, Counted(0, 8, 5, 6, 9000, 10**8 + 1000)]).leaks()
