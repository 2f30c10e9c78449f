"""What the loop decides in the market of `benchmarks.market_world`, without an adapter: bad candidates, equal ones, and
drift in a quiet month. What is shown comes from a ranking that is right but for some noise, which does what the first
adapter does; figures are judged by `hub.feedback.comparing.judged` each night, as `canary decide` does.

bad         a candidate that was trained on flipped labels: it shows what production would show last
equal       an A/A test, for 14 nights, with all guardrails: seconds, refused texts, dislikes, groups, calibration
replaced    a month in which an equal candidate takes the undecided canary's place every third night
quiet       30 days without a shift, looked at each night: new alarms of `repertoire live`
turned      the same with the taste turned on day 15: after how many days that is told
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np

from benchmarks.market_world import DAY, START, Size, Visit, visits
from hub.feedback import Canary
from hub.feedback.comparing import Compared, judged
from hub.feedback.drift import drift
from hub.feedback.observed import Observed

_NOISE = 1.0  # in logits
_NIGHTS = 14
_CANARY = Canary("acme/market/recommendation", 2, 1, START, share=0.5)
_NEVER = np.inf

Shown = tuple[float, float]
"""The true probability of what was shown, and what was predicted of it."""


def bad(size: Size, tries: int) -> dict[str, Any]:
    """How often a bad candidate is promoted and rolled back, and after how many users of its own."""
    days = _days(size)
    found = [_one(days, at, flipped=True) for at in range(tries)]
    back = [each.outcome[0].of for each in found if each.decision == "roll back"]
    return _counts(found) | {"its users until rolled back, median": median(back) if back else None}


def equal(size: Size, tries: int) -> dict[str, Any]:
    """How often two equal versions are told apart."""
    days = _days(size)
    return _counts([_one(days, at, flipped=False) for at in range(tries)])


def replaced(size: Size, tries: int) -> dict[str, Any]:
    """How often one of ten equal candidates is promoted, each of which has three days."""
    days, promoted = _days(size), 0
    for at in range(tries):
        for turn in range(10):
            begun = replace(_CANARY, version=2 + turn, turn=1 + turn)
            if _one(days[:3], 10 * at + turn, False, begun).decision == "promote":
                promoted += 1
                break
    return {"tries": tries, "promoted": promoted}


def quiet(size: Size, tries: int, of: int = 30) -> dict[str, Any]:
    """False alarms of drift in so many days without a shift. tries: months."""
    wanted = replace(size, shift=of, users=4 * size.users)
    months = [_nights(wanted, at, of) for at in range(tries)]
    new = [
        [what for now, before in zip(each, [set[str](), *each], strict=False) for what in now - before]
        for each in months
    ]
    return {
        "months": tries,
        "days": of,
        "users a day": wanted.users,
        "alarms": [len(each) for each in new],
        "a month, mean": sum(map(len, new)) / tries,
        "of": dict(Counter(what for each in new for what in each)),
    }


def turned(size: Size, tries: int, day: int = 15) -> dict[str, Any]:
    """How many days after the taste turns that is told, by what happens against what is predicted. tries: months."""
    wanted = replace(size, shift=day, users=4 * size.users)
    found = []
    for at in range(tries):
        nights = _nights(wanted, at, 2 * day)[day:]
        after = [night for night, told in enumerate(nights, 1) if any("happens" in what for what in told)]
        found.append(after[0] if after else None)
    known = [each for each in found if each is not None]
    return {
        "months": tries,
        "users a day": wanted.users,
        "never told": len(found) - len(known),
        "days until told, most": max(known, default=None),
    }


def _days(size: Size) -> "list[list[tuple[Visit, Shown, Shown]]]":
    """For each visit what production shows, and what flipped labels would."""
    rng, months = random.Random("noise"), replace(size, shift=_NIGHTS)
    return [[(visit, *_shown(visit, rng)) for visit in visits(months, day)] for day in range(_NIGHTS)]


def _shown(visit: Visit, rng: random.Random) -> tuple[Shown, Shown]:
    scores = [np.log(p / (1 - p)) + rng.gauss(0, _NOISE) for p in visit.truth]
    best, last = int(np.argmax(scores)), int(np.argmin(scores))
    return (visit.truth[best], visit.truth[best]), (visit.truth[last], visit.truth[best])


def _one(
    days: "Sequence[Sequence[tuple[Visit, Shown, Shown]]]", seed: int, flipped: bool, begun: Canary = _CANARY
) -> Compared:
    """A canary until it is decided or the days are over."""
    luck = np.random.default_rng([seed, int(flipped), begun.turn])
    canary = replace(begun, started=START - 1 - seed * 1e-3, grouped=("language",))
    made: list[tuple[Any, ...]] = []
    dislikes: list[bool] = []
    for number, day in enumerate(days):
        for visit, good, worse in day:
            mine = canary.has(visit.key)
            true, said = worse if mine and flipped else good
            delay = 60.0 if luck.random() < true else _NEVER
            language = "en" if luck.random() < 0.7 else "zh"
            seconds = float(luck.lognormal(-3, 0.5))
            made.append(
                (visit.at, begun.version if mine else 1, said, delay, mine, visit.key, language, seconds)
            )
            dislikes.append(bool(luck.random() < 0.02))
        rows = _observed(made)
        disliked = replace(rows, delay=np.where(dislikes, 60.0, _NEVER))
        requests = [(0, sum(row[4] for row in made)), (0, sum(not row[4] for row in made))]
        found = judged(canary, 1, rows, disliked, requests, START + (number + 1) * DAY + 3600)
        if found.decision != "wait":
            break
    return found


def _observed(made: "Sequence[tuple[Any, ...]]") -> Observed:
    at, version, said, delay, mine, user, language, seconds = zip(*made, strict=True)
    return Observed(
        np.array(at),
        np.array(version),
        np.array(said),
        np.array(delay),
        ["canary" if each else "production" for each in mine],
        list(user),
        [{"language": each} for each in language],
        np.array(seconds),
        np.zeros(len(at)),
    )


def _counts(found: Sequence[Compared]) -> dict[str, Any]:
    count: Callable[[str], int] = lambda decision: sum(each.decision == decision for each in found)  # noqa: E731
    return {"tries": len(found), "promoted": count("promote"), "rolled back": count("roll back")}


def _nights(size: Size, seed: int, of: int) -> list[set[str]]:
    """What is told to have moved on each night of a month, whose users, ads and luck are its own; what is shown, and
    predicted, is what was true before the shift, but for some noise."""
    rng, luck = random.Random(f"quiet {seed}"), np.random.default_rng(seed)
    rows: list[tuple[float, float, bool, str]] = []
    told = []
    for day in range(of):
        now, before = (visits(each, day, f" of month {seed}") for each in (size, replace(size, shift=of)))
        for visit, old in zip(now, before, strict=True):
            (said, _), _ = _shown(old, rng)
            true = visit.truth[old.truth.index(said)]
            rows.append((visit.at, said, bool(luck.random() < true), visit.user.text()))
        at, said_all, hits, texts = (np.array(each) for each in zip(*rows, strict=True))
        nobody = [""] * len(rows)
        nan = np.full(len(rows), np.nan)
        seen = Observed(
            at, np.ones(len(rows), dtype=int), said_all, nan, nobody, nobody,
            [{"user": str(text)} for text in texts], nan, nan,
        )  # fmt: skip
        found = drift(seen, np.ones(len(rows), dtype=bool), hits)
        told.append({sentence.split(" since ")[0] for sentence in found})
    return told
