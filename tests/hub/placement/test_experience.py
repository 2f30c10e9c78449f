"""What the log taught of a name, in SQLite and in PostgreSQL."""

import numpy as np
import pytest

from hub.feedback import Feedback, Outcome
from hub.placement.experience import Experience
from hub.placement.residual import log_odds_of
from tests.clock import Clock
from tests.hub.feedback.conftest import clock, log, postgres, url
from tests.hub.feedback.made import NAME, NOW, impression

__all__ = ["clock", "log", "postgres", "url"]

HOUR = 3600.0


def said(experience: Experience, *ads: str, odds: float = -2.0) -> list[float]:
    columns = [{"ad": ad} for ad in ads]
    return experience.probabilities({"user": "likes tea"}, columns, np.full(len(ads), odds)).tolist()


def clicked(log: Feedback, ads: tuple[str, ...], count: int, every: int = 2, **given: object) -> list[str]:
    """So many impressions of the first of some ads; every second one is clicked."""
    made = [impression(ads, at=log.now() + at * 1e-3, **given) for at in range(count)]
    log.add_all(made)
    log.feedback_all([Outcome(each.id, "click", each.at + 1) for each in made[::every]])
    return [each.id for each in made]


def test_rows_teach_when_their_outcome_had_its_time_and_count_before(log: Feedback, clock: Clock) -> None:
    experience = Experience(log, NAME, "click")
    clicked(log, ("sweet tea", "dry rum"), 60)
    experience.read()
    (key,) = experience.evidence.young
    assert experience.evidence.young[key] == (60, 30, pytest.approx(0.1)) and not experience.evidence.counts
    plain = said(experience, "sweet tea")
    shown, hits, predicted = experience.evidence.of([key], log_odds_of([0.2]) - log_odds_of([0.1]))
    assert (shown.tolist(), hits.tolist()) == ([60], [30]) and predicted[0] == pytest.approx(0.2)
    clock.move(2 * HOUR)
    for _ in range(2):
        experience.read()
        count, hit, mean = experience.evidence.counts[key]
        assert (count, hit, experience.evidence.young, experience.evidence.seen) == (60, 30, {}, 60)
    assert 0.1 < mean < 0.5, "as it was predicted while it was learned"
    assert said(experience, "sweet tea")[0] > plain[0] + 0.1
    assert said(experience, "sweet cake")[0] > plain[0] + 0.05, "of words that both have"


def test_who_did_not_agree_counts_and_does_not_teach_and_shadows_do_neither(
    log: Feedback, clock: Clock
) -> None:
    clicked(log, ("sweet tea",), 60, consent=False)
    clicked(log, ("dry rum",), 60, arm="shadow")
    clock.move(2 * HOUR)
    experience = Experience(log, NAME, "click")
    experience.read()
    assert [count for count, _, _ in experience.evidence.counts.values()] == [60]
    assert said(experience, "sweet tea") == said(Experience(log, NAME, "click"), "sweet tea")


def test_rows_without_a_probability_count(log: Feedback, clock: Clock) -> None:
    from hub.feedback import Candidate, Place

    made = [
        impression(candidates=[Candidate("a", {"ad": "tea"}, None)], places=[Place(1, "a", None, 0.5)])
        for _ in range(3)
    ]
    log.add_all(made)
    clock.move(2 * HOUR)
    experience = Experience(log, NAME, "click")
    experience.read()
    shown, hits, predicted = experience.evidence.of(["a", "new"])
    assert (shown.tolist(), hits.tolist(), np.isnan(predicted).tolist()) == ([3, 0], [0, 0], [True, True])


def test_outcomes_that_are_told_late_begin_it_anew(log: Feedback, clock: Clock) -> None:
    made = [impression(("sweet tea",), at=NOW + at * 1e-3) for at in range(60)]
    log.add_all(made)
    clock.move(2 * HOUR)
    experience = Experience(log, NAME, "click")
    experience.read()
    clock.move(601)
    assert not experience.is_late()
    log.feedback_all([Outcome(each.id, "dislike", each.at + 1) for each in made])
    log.feedback_all([Outcome(made[0].id, "click", made[0].at + 2 * HOUR)])
    assert not experience.is_late(), "another outcome, or one that does not count"
    log.feedback_all([Outcome(each.id, "click", each.at + 1) for each in made[1:]])
    assert experience.is_late()
    again = Experience(log, NAME, "click")
    again.read()
    assert [hits for _, hits, _ in again.evidence.counts.values()] == [59]
    assert said(again, "sweet tea") > said(experience, "sweet tea") and not again.is_late()


def test_where_it_learns_from_no_words_the_adapter_stands(log: Feedback, clock: Clock) -> None:
    clicked(log, ("sweet tea",), 60)
    clock.move(2 * HOUR)
    experience = Experience(log, NAME, "click", learns=False)
    experience.read()
    assert said(experience, "sweet tea", odds=0.5) == [pytest.approx(1 / (1 + np.exp(-0.5)))]
    assert list(experience.evidence.counts.values()) == [(60, 30, pytest.approx(0.1))]
