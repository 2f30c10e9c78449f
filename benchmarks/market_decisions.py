"""What the loop decides in the market of `benchmarks.market_world`, without an adapter: bad candidates, equal ones, and
drift in a quiet month. What is shown comes from a ranking that is right but for some noise, which does what the first
adapter does; figures are judged by `hub.feedback.comparing.judged` each night, as `canary decide` does.

bad         a candidate that was trained on flipped labels: it shows what production would show last
equal       an A/A test, for 14 nights, with all guardrails: seconds, refused texts, dislikes, groups, calibration
replaced    a month in which an equal candidate takes the undecided canary's place every third night
quiet       30 days without a shift, looked at each night: new alarms of `repertoire live`
turned      the same with a taste that turns: after how many nights that is told
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, pairwise
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    wanted = replace(size, shift=of)
    alarms, of_what = list[int](), Counter[str]()
    for at in range(tries):
        told = [set[str](), *(_moved(*rows) for rows in _nights(wanted, at, of))]
        new = [what for before, now in pairwise(told) for what in now - before]
        alarms.append(len(new))
        of_what.update(new)
    return {
        "months": tries,
        "days": of,
        "users a day": wanted.users,
        "alarms": alarms,
        "a month, mean": sum(alarms) / tries,
        "of": dict(of_what),
    }


def turned(size: Size, tries: int) -> dict[str, Any]:
    """How many nights after the taste turned it is told, by any alarm and by what happens against what is predicted:
    1 is the first night. An alarm that stood in the night before is false, and tells nothing. tries: months."""
    found: dict[str, list[int | None]] = {"any alarm": [], "what happens": []}
    before = 0
    for at in range(tries):
        nights = _nights(size, at, size.days)
        stood = _moved(*next(islice(nights, size.shift - 1, None)))
        before += bool(stood)
        left = dict.fromkeys(found)
        for night, rows in enumerate(nights, 1):
            new = _moved(*rows) - stood
            if new and left["any alarm"] is None:
                left["any alarm"] = night
            if any("happens" in what for what in new):
                left["what happens"] = night
                break
        for what, after in left.items():
            found[what].append(after)
    return {
        "months": tries,
        "users a day": size.users,
        "turned on day": size.shift,
        "alarms before": before,
        "nights until told": {what: _until(after) for what, after in found.items()},
    }


def _until(nights: "Sequence[int | None]") -> dict[str, Any]:
    known = [each for each in nights if each is not None]
    return {
        "median": median(known) if known else None,
        "most": max(known, default=None),
        "never": len(nights) - len(known),
        "each": list(nights),
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


Rows = tuple[Observed, "NDArray[np.bool_]"]
"""What was seen until a night, and whether it was clicked."""


def _nights(size: Size, seed: int, of: int) -> Iterator[Rows]:
    """All rows of a month until each night. Its users, ads and luck are its own; what is shown, and predicted, is what
    was true before the shift, but for some noise."""
    rng, luck = random.Random(f"quiet {seed}"), np.random.default_rng(seed)
    rows: list[tuple[float, float, bool, str]] = []
    world = f" of month {seed}"
    for day in range(of):
        now = visits(size, day, world)
        before = now if day < size.shift else visits(replace(size, shift=of), day, world)
        for visit, old in zip(now, before, strict=True):
            (said, _), _ = _shown(old, rng)
            true = visit.truth[old.truth.index(said)]
            rows.append((visit.at, said, bool(luck.random() < true), visit.user.text()))
        at, said_all, hits, texts = zip(*rows, strict=True)
        nobody, nan = [""] * len(rows), np.full(len(rows), np.nan)
        columns = [{"user": text} for text in texts]
        ones = np.ones(len(rows), dtype=int)
        seen = Observed(np.array(at), ones, np.array(said_all), nan, nobody, nobody, columns, nan, nan)
        yield seen, np.array(hits)


def _moved(seen: Observed, hits: "NDArray[np.bool_]") -> set[str]:
    """What is told to have moved."""
    found = drift(seen, np.ones(len(seen), dtype=bool), hits)
    return {sentence.split(" since ")[0] for sentence in found}
