"""What is true now, against markets whose truth is known: rates, delays, drift and its absence."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hub.feedback import Candidate, Feedback, Impression, Outcome, Place
from hub.feedback.canary import Canary
from hub.feedback.delays import fit_delay
from hub.feedback.drift import drift
from hub.feedback.live import live
from hub.feedback.observed import Observed
from hub.hub import Hub
from tests.clock import Clock
from tests.hub.conftest import Run
from tests.hub.feedback.made import NAME, NOW
from tests.hub.tiny import lora

DAY = 86_400.0


def served(
    at: float, probability: float, version: int = 1, arm: str | None = None, user: str | None = None
) -> Impression:
    place = Place(1, "ad", probability, 1.0)
    candidate = Candidate("ad", {"ad": "tea"}, probability)
    return Impression(
        at,
        NAME,
        "recommendation",
        NAME,
        version,
        "ab",
        {"user": "likes tea"},
        [candidate],
        [place],
        arm=arm,
        user=user,
    )


def fill(log: Feedback, made: Sequence[Impression], clicked: Sequence[bool], delay: float = 60.0) -> None:
    log.add_all(made)
    hits = [
        Outcome(each.id, "click", each.at + delay) for each, hit in zip(made, clicked, strict=True) if hit
    ]
    assert all(taken.status == "taken" for taken in log.feedback_all(hits))


def test_figures_are_those_of_the_rows(log: Feedback, clock: Clock) -> None:
    random = np.random.default_rng(0)
    probabilities = random.uniform(0.05, 0.4, 600)
    made = [served(NOW - 2 * DAY + 60 * at, p, 1 + at % 2) for at, p in enumerate(probabilities)]
    clicked = random.random(600) < probabilities
    fill(log, made, clicked.tolist())
    log.add_all([served(NOW - 60, 0.1)])
    found = live(log, NAME)
    assert (found.impressions, found.immature) == (601, 1)
    first, second = found.versions
    assert (first.of, first.impressions, first.hits) == ("@1", 300, int(clicked[::2].sum()))
    assert first.rate.low < first.rate.value < first.rate.high
    assert first.off is not None and first.off.low < 0 < first.off.high, "the predictions are true"
    assert second.auc is not None and 0.55 < second.auc < 0.85
    assert second.entropy is not None and second.entropy < 1.02
    assert sum(day.impressions for day in found.days) == 600
    assert found.drift == [] and found.sample_ratio is None


def test_an_outcome_that_comes_too_late_does_not_count_and_nothing_is_no_error(log: Feedback) -> None:
    assert live(log, NAME).versions == []
    fill(log, [served(NOW - DAY, 0.1)], [True], delay=4000)
    (only,) = live(log, NAME).versions
    assert (only.hits, only.auc) == (0, None)
    assert live(log, NAME, window=4000).versions[0].hits == 1


def test_delays_are_found_and_what_is_to_come_is_told() -> None:
    random = np.random.default_rng(0)
    rows, p, mean = 20_000, 0.2, 3 * DAY
    age = random.uniform(0, 10 * DAY, rows)
    delay = np.where(random.random(rows) < p, random.exponential(mean, rows), np.inf)
    left = (delay > age) & np.isfinite(delay)
    found = fit_delay(np.where(delay > age, np.inf, delay), age)
    assert found is not None
    assert found.mean == pytest.approx(mean, rel=0.1) and found.rate == pytest.approx(p, rel=0.05)
    assert found.to_come == pytest.approx(left.sum(), rel=0.15)
    assert fit_delay(np.array([1.0, np.inf]), np.array([2.0, 2.0])) is None


def test_a_canary_that_loses_users_is_told_and_an_honest_one_is_not(log: Feedback) -> None:
    made = [
        served(NOW - DAY, 0.1, arm="canary" if at % 20 == 0 else "production", user=f"{at}")
        for at in range(2000)
    ]
    fill(log, made, [False] * 2000)
    before = [served(NOW - 2 * DAY, 0.1, arm="production", user=f"before-{at}") for at in range(2000)]
    fill(log, before, [False] * 2000)
    canary = Canary(NAME, 2, 1, NOW - DAY, share=0.05)
    assert live(log, NAME, canary=canary).sample_ratio is None, "since it began"
    assert live(log, NAME, canary=replace(canary, share=0.10, shadow=True)).sample_ratio is None
    told = live(log, NAME, canary=replace(canary, share=0.10)).sample_ratio
    assert told is not None and "5.00% of 2,000 users and should have 10.00%" in told


def world(seed: int, rows: int = 3000, shift: str = "") -> tuple[Observed, np.ndarray]:
    """Two weeks of traffic; in its last quarter something moves."""
    random = np.random.default_rng(seed)
    late = np.arange(rows) >= 0.7 * rows
    p = random.beta(2, 12, rows)
    if shift == "scores":
        p[late] = random.beta(6, 6, late.sum())
    truth = np.where(late, np.clip(2.5 * p, 0, 1), p) if shift == "residuals" else p
    columns = [
        {
            "user": "wer sucht dieses schöne Fahrrad für die Kinder"
            if shift == "languages" and is_late
            else "somebody who is looking for a nice bicycle and shoes",
            "city": "Oslo" if shift == "categories" and is_late else ("Lyon", "Turin")[at % 2],
        }
        for at, is_late in enumerate(late)
    ]
    seen = Observed(
        NOW - NOW % DAY + np.arange(rows) * 14 * DAY / rows,
        np.ones(rows, int),
        p,
        np.full(rows, np.inf),
        [""] * rows,
        [""] * rows,
        columns,
        np.full(rows, np.nan),
        np.full(rows, np.nan),
    )
    return seen, random.random(rows) < truth


@pytest.mark.parametrize(
    ("shift", "told"),
    [
        ("scores", "the adapter's probabilities moved since 2027"),
        ("residuals", "what happens moved against what is predicted since 2027-01-2"),
        ("languages", "the languages moved since 2027"),
        ("categories", "`city` has new values since 2027"),
    ],
)
def test_what_moved_is_told_with_since_when(shift: str, told: str) -> None:
    rows, hits = world(0, shift=shift)
    found = drift(rows, np.ones(len(rows), bool), hits)
    assert any(told in sentence for sentence in found), found


def test_a_client_of_few_users_is_told_what_happens_too() -> None:
    rows, hits = world(0, 1000, shift="residuals")
    (told,) = drift(rows, np.ones(len(rows), bool), hits)
    assert "what happens moved" in told
    quiet = [world(seed, 1000) for seed in range(30)]
    assert sum(bool(drift(rows, np.ones(len(rows), bool), hits)) for rows, hits in quiet) <= 1


def told_days(seed: int, turn: int = 30) -> list[int]:
    """The days of a month on which the scores are said to have moved: half of the ads are new every week, weekends are
    lower, and from a day on all are."""
    random, weeks = np.random.default_rng(seed), np.random.default_rng(seed).normal(-1, 0.7, (7, 10))
    told, at, said = [], np.array([]), np.array([])
    for day in range(30):
        ads = weeks[day // 7 : day // 7 + 2].ravel()
        odds = (
            random.choice(ads, 300) + random.normal(0, 0.5, 300) - 0.8 * (day % 7 >= 5) - 2.0 * (day >= turn)
        )
        said = np.append(said, 1 / (1 + np.exp(-odds)))
        at = np.append(at, NOW - NOW % DAY + day * DAY + np.arange(300))
        count = len(said)
        rows = Observed(
            at, np.ones(count, int), said, np.full(count, np.inf), [""] * count, [""] * count,
            [{}] * count, np.full(count, np.nan), np.full(count, np.nan),
        )  # fmt: skip
        found = drift(rows, np.zeros(count, bool), np.zeros(count, bool))
        told += [day] * any("probabilities moved" in sentence for sentence in found)
    return told


def test_weekends_and_new_ads_every_week_are_no_news() -> None:
    quiet = [told_days(seed) for seed in range(4)]
    new = sum(day - 1 not in told for told in quiet for day in told)
    assert new <= len(quiet) / 2, quiet


def test_scores_that_moved_for_good_are_told_within_days() -> None:
    for seed in range(2):
        told = [day for day in told_days(seed, turn=15) if day >= 15]
        assert told and told[0] <= 18 and told[-1] > 20


def test_quiet_days_are_quiet() -> None:
    alarms = 0
    for seed in range(30):
        rows, hits = world(seed, 2000)
        alarms += bool(drift(rows, np.ones(len(rows), bool), hits))
    assert alarms <= 1


def test_it_is_told_on_the_command_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPERTOIRE_FEEDBACK", raising=False)
    Hub("campaigns").publish(lora(), NAME)
    assert "Nothing of" in run("live", NAME)[1]
    log = Feedback(Path("campaigns"))
    now = log.now()
    fill(log, [served(now - 2 * DAY + at, 0.2) for at in range(100)], [at % 5 == 0 for at in range(100)])
    log.close()
    code, out, _ = run("live", NAME)
    assert code == 0 and "@1" in out and "0.2000 (" in out
    assert json.loads(run("live", NAME, "--json", "--days", "30")[1])["versions"][0]["hits"] == 20
    assert run("live", "acme")[0] == 2


def test_users_that_a_canary_should_have_and_has_not_are_told_on_the_command_line(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REPERTOIRE_FEEDBACK", raising=False)
    hub = Hub("campaigns")
    for seed in (0, 1):
        hub.publish(lora(seed), NAME)
    hub.set_alias(NAME, "production", 1)
    run("canary", "start", NAME, "--version", 2, "--share", 0.5)
    log = Feedback(hub)
    log.add_all([served(log.now(), 0.2, arm="production", user=f"{at}") for at in range(100)])
    log.close()
    assert "Alarm: the canary has 0.00% of 100 users and should have 50.00%" in run("live", NAME)[1]
    run("canary", "stop", NAME)
    assert "Alarm" not in run("live", NAME)[1]
