"""A market whose truth is known, served by five ways of running it: `python -m benchmarks.market --budget 60`.

The starter's market (`adapters.starter`): each day USERS come, each is shown one of SLATE ads that are drawn from a
pool of ADS, and clicks with the true probability of the day's taste. Half of the pool is new every week, weekends click
less, and on day SHIFT the audience's taste turns from acme's to globex's: bargains no longer sell, what is new does.
Clicks come some minutes later. All ways see the same users, slates and luck, and begin with the same adapter, trained
on what was shown at random before day 0.

loop      `Loop` with `name@live`, `Placer` (Thompson), each night `decide` and `Refresh`; what is better on the newest
          rows is a canary for half of the users
frozen    the first adapter, its likeliest ad
nightly   trained each night on its own log as the loop is, and put into production at once
tfidf     logistic regression on TF-IDF of user and ad, trained again each night on all of its log
oracle    the true probabilities

Bad candidates: the first adapter trained again with labels flipped, a canary for half of the users BAD times, each in a
log of its own: whether it was promoted, and after how many of its impressions it was rolled back.

Each way is kept in build/benchmarks/market.json, keyed by the settings, when it is done: a run that the budget ends is
gone on with. The share of the gap: (loop - frozen) / (oracle - frozen), in clicks.
"""

import argparse
import json
import math
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, process_time
from typing import TYPE_CHECKING, Any

from adapters.starter.clients import TASTES
from adapters.starter.world import Product, User, ad_line, make_product, make_user
from benchmarks.measure import machine, now, versions

if TYPE_CHECKING:
    from adapters import Adapter, Base

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "market.json"
KEPT = ROOT / "build" / "benchmarks" / "market.json"
NAME = "acme/market/recommendation"
START, DAY = 1_800_000_000.0, 86_400.0
_GROUPS = ("sport", "outdoor", "travel", "tech")
_TRAINED = {
    "train.epochs": 2,
    "train.batch_size": 32,
    "train.learning_rate": 4e-3,
    "train.weight_decay": 0.1,
    "lora.rank": 8,
    "head.pooling": "mean",
    "data.repeats": "keep",
}


@dataclass(frozen=True)
class Size:
    """How large the market is; first: rows that the first adapter is trained on; bad: candidates."""

    days: int = 30
    shift: int = 10
    users: int = 400
    ads: int = 24
    slate: int = 6
    first: int = 1600
    bad: int = 10


SHORT = Size(days=6, shift=2, users=80, ads=12, slate=4, first=240, bad=10)


@dataclass(frozen=True)
class Visit:
    """A user, the ads that could be shown with the truth of each, and the luck of the visit, 0 to 1."""

    at: float
    key: str
    user: User
    ads: Sequence[str]
    truth: Sequence[float]
    luck: float

    def clicked(self, ad: str) -> bool:
        """Whether the user clicks it."""
        return self.luck < self.truth[list(self.ads).index(ad)]


def visits(size: Size, day: int) -> list[Visit]:
    """Those of a day, by its number; the same for every way. Before day 0 ads are as in the first week."""
    rng, pool = random.Random(f"visits {day}"), ads_of(size, max(0, day) // 7)
    taste, weekend = TASTES["acme" if day < size.shift else "globex"], day % 7 >= 5
    made = []
    for number in range(size.users if day >= 0 else size.first):
        user = make_user(rng, groups=_GROUPS, id=f"{day}-{number}")
        slate = rng.sample(pool, size.slate)
        truth = [_seasoned(taste.probability(user, product), weekend) for product, _ in slate]
        at = START + day * DAY + DAY * number / size.users
        made.append(Visit(at, user.id, user, [line for _, line in slate], truth, rng.random()))
    return made


def ads_of(size: Size, week: int) -> list[tuple[Product, str]]:
    """The pool of a week: half of it was there the week before."""
    half = size.ads // 2
    return [*_new_ads(week - 1, half), *_new_ads(week, size.ads - half)]


def _new_ads(week: int, count: int) -> list[tuple[Product, str]]:
    from adapters.starter.words import CATEGORIES

    rng = random.Random(f"ads {week}")
    own = [category for category in CATEGORIES if category.group in _GROUPS]
    products = [make_product(rng, held_out=True, category=rng.choice(own)) for _ in range(count)]
    return [(product, ad_line(rng, product)) for product in products]


def _seasoned(probability: float, weekend: bool) -> float:
    odds = probability / (1 - probability) * (0.7 if weekend else 1.0)
    return odds / (1 + odds)


class Clock:
    """Seconds since 1970 in the market; moved from day to day."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        """Now."""
        return self.now


# -- the ways ----------------------------------------------------------------------------------------------------


def trained(
    rows: Sequence[dict[str, Any]], base: "Base", folder: Path, out: str, **settings: Any
) -> "Adapter":
    """An adapter trained on rows of user, ad and clicked."""
    from recipes import Order, Recipe, train_many

    file = folder / f"{out}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (made,) = train_many([Order(Recipe.load("recommendation", **_TRAINED | settings), file, name=NAME)], base)
    if isinstance(made, Exception):
        raise made
    return made


def first_rows(size: Size) -> list[dict[str, Any]]:
    """What was shown at random before day 0."""
    return [
        {"user": each.user.text(), "ad": each.ads[0], "clicked": int(each.clicked(each.ads[0]))}
        for each in visits(size, -1)
    ]


def frozen(size: Size, base: "Base", first: "Adapter", folder: Path) -> list[int]:
    """The first adapter for ever."""
    from hub import Hub, Registry

    hub = Hub(folder / "hub")
    hub.publish(first, NAME)
    registry = Registry(hub, base)
    found = [sum(_clicks(day, likeliest(registry, NAME, day))) for day in _days(size)]
    registry.close()
    return found


def nightly(size: Size, base: "Base", first: "Adapter", folder: Path) -> list[int]:
    """Each night trained again on its own log, as `Refresh` does it, and in production without a canary."""
    from hub import Feedback, Hub, Loop, Registry
    from hub.feedback import Refresh
    from hub.feedback import canary as canaries

    clock, hub = Clock(), Hub(folder / "hub")
    hub.publish(first, NAME)
    hub.set_alias(NAME, "production", 1)
    log = Feedback(hub, clock=clock)
    loop, again = Loop(Registry(hub, base), log), Refresh(hub, log, base, folder / "refresh")
    found = []
    for day in _days(size):
        clock.now = day[0].at
        shown = []
        for visit in day:
            clock.now = visit.at
            answer = loop.recommend(f"{NAME}@production", visit.user.text(), visit.ads, user_key=visit.key)
            shown.append(str(answer[0].ad))
            _tell(loop.log, answer.impression, visit, shown[-1])
        found.append(sum(_clicks(day, shown)))
        clock.now = day[0].at + DAY
        again.run([_campaign(size)])
        if canaries.running(log, NAME) is not None:
            canaries.promote(hub, log, NAME, why="nightly, without a canary")
    loop.close()
    return found


def loop(size: Size, base: "Base", first: "Adapter", folder: Path) -> list[int]:
    """The whole loop."""
    from hub import Feedback, Hub, Loop, Placer, Registry
    from hub.feedback import Refresh

    clock, hub = Clock(), Hub(folder / "hub")
    hub.publish(first, NAME)
    hub.set_alias(NAME, "production", 1)
    log = Feedback(hub, clock=clock)
    own = Loop(Registry(hub, base), log)
    placer, again = Placer(own, seed=0), Refresh(hub, log, base, folder / "refresh")
    found = []
    for day in _days(size):
        shown = []
        for visit in day:
            clock.now = visit.at
            placed = placer.place(f"{NAME}@live", visit.user.text(), visit.ads, user_key=visit.key)
            shown.append(str(placed[0].offer.ad))
            _tell(log, placed.impression, visit, shown[-1])
        found.append(sum(_clicks(day, shown)))
        clock.now = day[0].at + DAY
        (happened,) = again.run([_campaign(size)])
        print(f"  {happened.happened}: {happened.why}", flush=True)
    own.close()
    return found


def tfidf(size: Size, base: "Base", first: "Adapter", folder: Path) -> list[int]:
    """Trained again each night on the first rows and all that was shown since."""
    rows, found = first_rows(size), []
    for day in _days(size):
        model = _regression(rows)
        shown = []
        for visit in day:
            scores = model([(visit.user.text(), ad) for ad in visit.ads])
            shown.append(visit.ads[int(scores.argmax())])
        hits = _clicks(day, shown)
        found.append(sum(hits))
        rows += [
            {"user": visit.user.text(), "ad": ad, "clicked": hit}
            for visit, ad, hit in zip(day, shown, hits, strict=True)
        ]
    return found


def oracle(size: Size, base: "Base", first: "Adapter", folder: Path) -> list[int]:
    """The ad of the highest true probability."""
    best = [[visit.ads[visit.truth.index(max(visit.truth))] for visit in day] for day in _days(size)]
    return [sum(_clicks(day, shown)) for day, shown in zip(_days(size), best, strict=True)]


def bad_candidates(size: Size, base: "Base", first: "Adapter", folder: Path) -> list[dict[str, Any]]:
    """A candidate with labels flipped as a canary for half of the users, until it is decided or the days are over."""
    from hub import Feedback, Hub, Loop, Registry
    from hub.feedback import canary as canaries

    flipped = [row | {"clicked": 1 - row["clicked"]} for row in first_rows(size)]
    bad = trained(flipped, base, folder, "flipped")
    hub = Hub(folder / "hub")
    hub.publish(first, NAME)
    hub.publish(bad, NAME, force_reason="a bad candidate, to see it rolled back")
    hub.set_alias(NAME, "production", 1)
    registry = Registry(hub, base)
    arms = {
        arm: {visit.key: ad for day in _days(size) for visit, ad in
              zip(day, likeliest(registry, f"{NAME}@{number}", day), strict=True)}
        for arm, number in (("production", 1), ("canary", 2))
    }  # fmt: skip
    found = []
    for time in range(size.bad):
        clock = Clock()
        clock.now += time  # another split of the users, and other luck below
        log = Feedback(hub, f"sqlite:///{folder}/bad-{time}.sqlite", clock=clock)
        own = Loop(registry, log)
        luck = random.Random(f"bad {time}")
        hub.set_alias(NAME, "production", 1, why="again")
        started, told = canaries.start(hub, log, NAME, 2, share=0.5), None
        shown = 0
        for day in _days(size):
            for visit in day:
                clock.now = visit.at + time
                arm = "canary" if started.has(log.user_key("acme", visit.key)) else "production"
                shown += arm == "canary"
                _note(own, arm, visit, arms[arm][visit.key], luck.random())
            clock.now = day[0].at + DAY + 2 * 3600
            told = canaries.decide(hub, log, NAME)
            if canaries.running(log, NAME) is None:
                break
        if canaries.running(log, NAME) is not None:
            canaries.stop(hub, log, NAME)
        log.close()
        found.append({"decision": told.decision if told else "wait", "impressions of the candidate": shown})
    registry.close()
    return found


def likeliest(registry: Any, reference: str, day: Sequence[Visit]) -> list[str]:
    """The ad that an adapter says is likeliest to be clicked, for each visit."""
    from hub import Recommend

    answers = registry.run([Recommend(reference, visit.user.text(), visit.ads) for visit in day])
    return [str(answer[0].ad) for answer in answers]


def _note(own: Any, arm: str, visit: Visit, ad: str, luck: float) -> None:
    """An impression of an arm as `Loop` writes it, and its click."""
    from hub.feedback import Candidate, Impression, Outcome, Place
    from hub.feedback.events import ad_key

    key, number = ad_key({"ad": ad}), 2 if arm == "canary" else 1
    impression = Impression(
        visit.at, NAME, "recommendation", f"{NAME}@{arm}", number, "", {"user": visit.user.text()},
        [Candidate(key, {"ad": ad}, None)], [Place(1, key, None, 1.0)],
        arm=arm, user=own.log.user_key("acme", visit.key),
    )  # fmt: skip
    own.log.add(impression)
    if luck < visit.truth[list(visit.ads).index(ad)]:
        own.log.feedback_all([Outcome(impression.id, "click", visit.at + 60)])


def _tell(log: Any, impression: str | None, visit: Visit, ad: str) -> None:
    """A click some minutes later."""
    if impression is not None and visit.clicked(ad):
        delay = -math.log(1 - visit.luck) * 240
        log.feedback(impression, "click", at=visit.at + min(delay, 290.0))


def _campaign(size: Size) -> Any:
    from hub.feedback import Campaign

    return Campaign(
        name=NAME, min_rows=max(20, size.users // 2), share=0.5, max_days=7.0, replay=0.5, set=dict(_TRAINED)
    )


def _days(size: Size) -> list[list[Visit]]:
    return [visits(size, day) for day in range(size.days)]


def _clicks(day: Sequence[Visit], shown: Sequence[str]) -> list[int]:
    return [int(visit.clicked(ad)) for visit, ad in zip(day, shown, strict=True)]


def _regression(rows: Sequence[dict[str, Any]]) -> Any:
    """(user, ad) pairs -> probabilities: TF-IDF of both, and of the pairs of their words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(analyzer=_words, min_df=2, sublinear_tf=True), LogisticRegression(C=3.0, max_iter=500)
    )
    model.fit([(row["user"], row["ad"]) for row in rows], [row["clicked"] for row in rows])
    return lambda pairs: model.predict_proba(pairs)[:, 1]


def _words(pair: tuple[str, str]) -> list[str]:
    user, ad = (text.lower().replace(",", " ").replace(";", " ").replace(".", " ").split() for text in pair)
    same = [f"both {word}" for word in set(user) & set(ad)]
    return [
        *(f"user {word}" for word in user),
        *(f"ad {word}" for word in ad),
        *same,
        *["any both"] * len(same),
    ]


WAYS: dict[str, Callable[..., Any]] = {
    "oracle": oracle,
    "tfidf": tfidf,
    "frozen": frozen,
    "loop": loop,
    "bad candidates": bad_candidates,
    "nightly": nightly,
}


def main() -> int:
    """Run what the budget allows, and write the result when all is there."""
    asked = argparse.ArgumentParser(description="A market whose truth is known.")
    asked.add_argument("--budget", type=float, default=60.0, help="minutes; a way that was begun is ended")
    asked.add_argument("--short", action="store_true", help="few days, few users")
    given = asked.parse_args()
    size, about, until = (SHORT if given.short else Size()), machine(), monotonic() + 60 * given.budget
    key = json.dumps(asdict(size))
    kept = json.loads(KEPT.read_text()) if KEPT.is_file() else {}
    done = kept.setdefault(key, {})
    first: Adapter | None = None
    base: Base | None = None
    for name, way in WAYS.items():
        if name in done or monotonic() > until:
            continue
        print(name, flush=True)
        if base is None:
            base, first = _begin(size)
        folder, began = Path(tempfile.mkdtemp()), process_time()
        done[name] = {
            "found": way(size, base, first, folder),
            "CPU seconds": round(process_time() - began, 1),
        }
        shutil.rmtree(folder, ignore_errors=True)
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_text(json.dumps(kept))
    result = {"benchmark": "market", "command": f"python -m benchmarks.market{' --short' * given.short}"}
    result |= {"size": asdict(size), **told(size, done), "machine": about}
    result |= {"versions": versions("torch", "scikit-learn"), "date": now()}
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0


def _begin(size: Size) -> "tuple[Base, Adapter]":
    from adapters import load_base

    base = load_base("starter", "nf4")
    return base, trained(first_rows(size), base, Path(tempfile.mkdtemp()), "first")


def told(size: Size, done: dict[str, Any]) -> dict[str, Any]:
    """The figures of what was run; "not run" names the rest."""
    clicks = {name: done[name]["found"] for name in WAYS if name in done and name != "bad candidates"}
    total = {name: sum(days) for name, days in clicks.items()}
    found: dict[str, Any] = {
        "not run": [name for name in WAYS if name not in done],
        "clicks": total,
        "clicks by day": clicks,
        "CPU seconds": {name: done[name]["CPU seconds"] for name in done},
    }
    if {"loop", "frozen", "oracle"} <= total.keys():
        gap = total["oracle"] - total["frozen"]
        found["share of the gap that the loop gains"] = round((total["loop"] - total["frozen"]) / gap, 3)
    if "bad candidates" in done:
        found["bad candidates"] = done["bad candidates"]["found"]
    return found


if __name__ == "__main__":
    sys.exit(main())
