"""Serving with churn, for seconds: `benchmarks/soak.py` does the same for as long as it is told."""

import random

import pytest

import benchmarks.soak
from benchmarks.soak import Counted, Soaked, soak
from benchmarks.soak_requests import Question
from hub import Analyze


def test_every_answer_is_right_beside_a_hub_that_changes() -> None:
    found = soak(4, rounds=2, threads=6)
    assert found.sound, found.to_dict()
    assert found.requests["answered (wait)"] and found.operations
    assert len(found.rounds) == 2


def test_a_wrong_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(shop: object, stream: random.Random) -> Question:
        return Question(Analyze("fixed/a0/behavior", ["glad"]), ([0.5, 0.5],))

    monkeypatch.setattr(benchmarks.soak, "draw", asked)
    found = soak(0.1, rounds=1, threads=1)
    assert not found.sound and "was answered" in found.wrong[0] and found.counts["wrong"]


def test_what_grows_is_found() -> None:
    first = Counted(0, 8, 5, 6, 1000, 10**8)
    found = Soaked(rounds=[first, first, Counted(3, 9, 5, 6, 1000, 2 * 10**8)])
    assert [told.split(":")[0] for told in found.leaks()] == ["tickets", "hooks", "memory"]
    assert not found.sound
    assert not Soaked(rounds=[first, first, Counted(0, 8, 5, 6, 9000, 10**8 + 1000)]).leaks()
