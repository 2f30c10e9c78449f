"""A market whose truth is known, served by some ways of running it: `python -m benchmarks.market --budget 60`.

The market stands in `market_world.py`, and what is decided without an adapter in `market_decisions.py`. All ways see
the same users, slates and luck, and begin with the same adapter, trained on what was shown at random before day 0.

loop      `Loop` with `name@live`, `Placer` (Thompson), each night `Refresh`, which decides the canary too; a candidate
          is a canary for half of the users
frozen    the first adapter, its likeliest ad
nightly   trained each night on its own log as the loop is, and put into production at once
tfidf     logistic regression on TF-IDF of user and ad, trained again each night on all of its log
oracle    the true probabilities

placed    the first adapter for ever, under the loop's `Placer`: what that alone gains
refreshed the loop without what its `Placer` learns from words: what the refresh and clicks of each ad gain

Each day of a way is kept in build/benchmarks/market/, by the settings: a run that the budget ends goes on with the next
day, and one that is killed begins that day again. The share of the gap: (loop - frozen) / (oracle - frozen), in clicks,
and in what they bought.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from time import monotonic, process_time
from typing import TYPE_CHECKING, Any

from benchmarks import market_decisions as decisions
from benchmarks.market_world import DAY, SHORT, START, Size, Visit, visits
from benchmarks.measure import in_parts, keep, machine, now, versions

if TYPE_CHECKING:
    from adapters import Adapter, Base

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "market.json"
KEPT = ROOT / "build" / "benchmarks" / "market"
NAME = "acme/market/recommendation"
_TRAINED = {
    "train.epochs": 2,
    "train.batch_size": 32,
    "train.learning_rate": 4e-3,
    "train.weight_decay": 0.1,
    "lora.rank": 8,
    "head.pooling": "mean",
    "data.repeats": "keep",
}

Shown = list[str]
Told = list[str]
"""What happened in the night, in sentences."""


class Market:
    """What the ways share: the size, the base and the first adapter, made when they are needed.

    Args:
        size: of the market.
        folder: of its own.
    """

    def __init__(self, size: Size, folder: Path) -> None:
        self.size, self.folder = size, folder
        self._base: Base | None = None

    @property
    def base(self) -> "Base":
        """The starter's."""
        if self._base is None:
            from adapters import load_base

            self._base = load_base("starter", "nf4")
        return self._base

    def first(self) -> "Adapter":
        """Trained on what was shown at random before day 0."""
        from adapters import read
        from recipes import Order, Recipe, train_many

        at, file = self.folder / "first", self.folder / "first.jsonl"
        if not (at / "adapter_config.json").exists():
            file.write_text("".join(json.dumps(row) + "\n" for row in first_rows(self.size)))
            order = Order(Recipe.load("recommendation", **_TRAINED), file, name=NAME, out=at)
            (made,) = train_many([order], self.base)
            if isinstance(made, Exception):
                raise made
        return read(at)


def first_rows(size: Size) -> list[dict[str, Any]]:
    """What was shown at random before day 0."""
    return [
        {"user": each.user.text(), "ad": each.ads[0], "clicked": int(each.clicked(each.ads[0]))}
        for each in visits(size, -1)
    ]


# -- the ways: from a day on, what each day shows, and what happens in the night after it --

Way = Callable[[Market, Path, int], Iterator[tuple[Shown, Told]]]


def oracle(market: Market, folder: Path, begin: int) -> Iterator[tuple[Shown, Told]]:
    """The ad of the highest true probability."""
    for day in range(begin, market.size.days):
        yield [each.ads[each.truth.index(max(each.truth))] for each in visits(market.size, day)], []


def tfidf(market: Market, folder: Path, begin: int) -> Iterator[tuple[Shown, Told]]:
    """Trained again each night on the first rows and all that was shown since."""
    rows = first_rows(market.size)
    for day in range(market.size.days):
        today, model, shown = visits(market.size, day), _regression(rows), []
        for visit in today:
            scores = model([(visit.user.text(), ad) for ad in visit.ads])
            shown.append(visit.ads[int(scores.argmax())])
        rows += [
            {"user": visit.user.text(), "ad": ad, "clicked": int(visit.clicked(ad))}
            for visit, ad in zip(today, shown, strict=True)
        ]
        if day >= begin:
            yield shown, []


def frozen(market: Market, folder: Path, begin: int) -> Iterator[tuple[Shown, Told]]:
    """The first adapter for ever."""
    from hub import Hub, Recommend, Registry

    hub = Hub(folder / "hub")
    if not begin:
        hub.publish(market.first(), NAME)
    registry = Registry(hub, market.base)
    for day in range(begin, market.size.days):
        asked = [Recommend(NAME, visit.user.text(), visit.ads) for visit in visits(market.size, day)]
        yield [str(answer[0].ad) for answer in registry.run(asked)], []
    registry.close()


def adaptive(
    market: Market,
    folder: Path,
    begin: int,
    canary: bool = True,
    learns: bool = True,
    refreshes: bool = True,
) -> Iterator[tuple[Shown, Told]]:
    """The loop, or a part of it.

    Args:
        market: that it is in.
        folder: of its own.
        begin: the day.
        canary: whether candidates prove themselves, and ads are placed; else each is in production at once.
        learns: as of `Choosing`.
        refreshes: whether there is a refresh in the night.
    """
    from hub import Choosing, Feedback, Hub, Loop, Offer, Placer, Registry
    from hub.feedback import Refresh
    from hub.feedback import canary as canaries

    hub, size = Hub(folder / "hub"), market.size
    if not begin:
        hub.publish(market.first(), NAME)
        hub.set_alias(NAME, "production", 1)
    due = [event for day in range(begin) for event in _kept(folder, day)]
    for day in range(begin, size.days):
        clock, bought = Clock(START + day * DAY), list[Any]()
        log = Feedback(hub, f"sqlite:///{folder}/log.sqlite", clock=clock)
        own = Loop(Registry(hub, market.base), log)
        placer, shown, today = Placer(own, Choosing(learns=learns), seed=day), Shown(), visits(size, day)
        reference = f"{NAME}@{'live' if canary else 'production'}"
        for visit, (pending, answer, seen) in zip(today, _answered(own, reference, today), strict=True):
            clock.now = visit.at
            if canary:
                offers = [Offer(ad) for ad in pending.request.ads]
                placed = placer.chosen(pending, answer, offers, seen)
                ad, impression = str(placed[0].offer.ad), placed.impression
            else:
                ad, impression = str(answer[0].ad), own.note(pending, answer, seen)
            assert impression is not None
            # In the market minutes pass before the next visit.
            log.flush()
            shown.append(ad)
            if visit.clicked(ad):
                log.feedback(impression, "click", at=visit.at + 60)
            if worth := visit.worth(ad):
                bought.append([impression, worth, visit.at + 120 + visit.later])
        clock.now = START + (day + 1) * DAY
        (folder / f"bought-{day}.json").write_text(json.dumps(bought))
        due += bought
        for impression, worth, at in [event for event in due if event[2] <= clock.now]:
            log.feedback(impression, "conversion", value=worth, at=at)
        due = [event for event in due if event[2] > clock.now]
        own.registry.close()
        told = Told()
        if refreshes:
            (happened,) = Refresh(hub, log, market.base, folder / "refresh").run([_campaign(size)])
            if not canary and canaries.running(log, NAME) is not None:
                canaries.promote(hub, log, NAME, why="nightly, without a canary")
            told = [f"{happened.happened}: {happened.why}", f"production @{hub.aliases(NAME)['production']}"]
        log.close()
        yield shown, told


def _answered(own: Any, reference: str, today: Sequence[Visit]) -> Iterator[tuple[Any, Any, Any]]:
    """What the adapters say of a day's ads, all in mixed batches: what waits, its answer, and who, with their arm. No
    version changes within a day."""
    from hub import Recommend
    from hub.feedback import Seen

    routed = [
        own.route(Recommend(reference, each.user.text(), list(each.ads)), Seen(each.key)) for each in today
    ]
    waits = [own.registry.submit(request, wait=True) for request, _ in routed]
    for pending, (_, seen) in zip(waits, routed, strict=True):
        yield pending, pending.result(), seen


def _kept(folder: Path, day: int) -> list[Any]:
    return list(json.loads((folder / f"bought-{day}.json").read_text()))


class Clock:
    """Seconds since 1970 in the market."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        """Now."""
        return self.now


def _campaign(size: Size) -> Any:
    from hub.feedback import Campaign

    return Campaign(name=NAME, min_rows=max(20, size.users // 2), newest=0.3, share=0.5)


def _regression(rows: Sequence[dict[str, Any]]) -> Any:
    """(user, ad) pairs -> probabilities: TF-IDF of both, and of the words that they share."""
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


WAYS: dict[str, Way] = {
    "oracle": oracle,
    "tfidf": tfidf,
    "frozen": frozen,
    "loop": adaptive,
    "nightly": partial(adaptive, canary=False),
    "refreshed": partial(adaptive, learns=False),
    "placed": partial(adaptive, refreshes=False),
}


# -- running them ------------------------------------------------------------------------------------------------------


def play(name: str, market: Market, until: float) -> dict[str, Any]:
    """One way, gone on with until all days are over or it is `until`: clicks and worth by day, and its nights."""
    folder, file = market.folder / name, market.folder / f"{name}.json"
    done: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    if not done:
        shutil.rmtree(folder, ignore_errors=True)
        done = {"clicks": [], "worth": [], "nights": [], "CPU seconds": 0.0}
    folder.mkdir(parents=True, exist_ok=True)
    days = WAYS[name](market, folder, len(done["clicks"]))
    for day in range(len(done["clicks"]), market.size.days):
        if monotonic() > until:
            break
        _morning(folder, back=done.pop("busy", False))
        keep(file, done | {"busy": True})
        began = process_time()
        shown, told = next(days)
        today = visits(market.size, day)
        done["clicks"].append(sum(each.clicked(ad) for each, ad in zip(today, shown, strict=True)))
        done["worth"].append(sum(each.worth(ad) for each, ad in zip(today, shown, strict=True)))
        done["nights"].append(told)
        done["CPU seconds"] = round(done["CPU seconds"] + process_time() - began, 1)
        keep(file, done)
        print(name, day, done["clicks"][-1], *told, flush=True)
    return done


def _morning(folder: Path, back: bool) -> None:
    """Keep a way's folder as it is before a day, or, of a day that was killed, bring it back."""
    kept = folder.with_name(f"{folder.name}-morning")
    source, copy = (kept, folder) if back else (folder, kept)
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy)


def decided(short: bool, folder: Path, until: float) -> dict[str, Any]:
    """The decisions, of a market of the usual size, or in short."""
    size, tries = (SHORT, 20) if short else (Size(), 1000)
    more = replace(size, users=4 * size.users)
    wanted: dict[str, Callable[[], Any]] = {
        "false alarms of drift": lambda: decisions.quiet(more, max(1, tries // 30)),
        "false alarms of drift, fewer users": lambda: decisions.quiet(size, max(1, tries // 30)),
        "a taste that turned": lambda: decisions.turned(size, max(1, tries // 30)),
        "a taste that turned, more users": lambda: decisions.turned(more, max(1, tries // 100)),
        "bad candidates": lambda: decisions.bad(size, max(10, tries // 10)),
        "equal candidates": lambda: decisions.equal(size, tries),
        "ten equal candidates in turn": lambda: decisions.replaced(size, max(5, tries // 10)),
    }
    file = folder / f"decisions{'-short' * short}.json"
    return {"users a day": size.users, **in_parts(wanted, file, until)}


def told(size: Size, done: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The figures of what was run whole; "not run" names the rest."""
    whole = {name: each for name, each in done.items() if len(each["clicks"]) == size.days}
    found: dict[str, Any] = {
        "not run": {name: f"{len(each['clicks'])} days" for name, each in done.items() if name not in whole},
        "clicks": {name: sum(each["clicks"]) for name, each in whole.items()},
        "worth": {name: round(sum(each["worth"])) for name, each in whole.items()},
        "clicks by day": {name: each["clicks"] for name, each in done.items()},
        "nights of the loop": done["loop"]["nights"],
        "CPU seconds": {name: each["CPU seconds"] for name, each in done.items()},
    }
    for unit in ("clicks", "worth"):
        for name in done.keys() - {"frozen", "oracle"}:
            days = min(len(done[each]["clicks"]) for each in (name, "frozen", "oracle"))
            found.setdefault(f"share of the gap in {unit}", {})[name] = {
                "days": days,
                "from the first day": _share(done, name, unit, 0, days),
                "since the shift": _share(done, name, unit, size.shift, days),
                "in the last three days": _share(done, name, unit, max(0, days - 3), days),
            }
    return found


def _share(done: dict[str, dict[str, Any]], name: str, unit: str, begin: int, end: int) -> float | None:
    """The part of the gap between frozen and oracle that a way gains in some days."""
    least, own, most = (sum(done[each][unit][begin:end]) for each in ("frozen", name, "oracle"))
    return None if most == least else round((own - least) / (most - least), 3)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the budget allows, and write what is there."""
    asked = argparse.ArgumentParser(description="A market whose truth is known.")
    asked.add_argument("--budget", type=float, default=60.0, help="minutes; a day that was begun is ended")
    asked.add_argument("--short", action="store_true", help="few days, few users")
    asked.add_argument(
        "--size", action="append", default=[], metavar="FIELD=NUMBER", help="of `Size`, such as days=12"
    )
    asked.add_argument(
        "--only",
        choices=list(WAYS),
        action="append",
        help="of the ways; their days are kept, and no result is written",
    )
    asked.add_argument("--out", type=Path, default=RESULT, help="the result")
    asked.add_argument("--kept", type=Path, default=KEPT, help="where days are kept")
    given = asked.parse_args(arguments)
    own = {name: int(number) for name, number in (each.split("=") for each in given.size)}
    size = replace(SHORT if given.short else Size(), **own)
    about, until = machine(), monotonic() + 60 * given.budget
    key = sha256(json.dumps([asdict(size), _TRAINED, _campaign(size).model_dump()]).encode()).hexdigest()[:12]
    market = Market(size, given.kept / key)
    market.folder.mkdir(parents=True, exist_ok=True)
    done = {name: play(name, market, until) for name in given.only or WAYS}
    if given.only:
        return 0
    result = {"benchmark": "market", "command": f"python -m benchmarks.market{' --short' * given.short}"}
    result["command"] += "".join(f" --size {each}" for each in given.size)
    result |= {"size": asdict(size), **told(size, done)}
    result["decisions"] = decided(given.short, given.kept, until)
    result |= {"machine": about, "versions": versions("torch", "scikit-learn"), "date": now()}
    given.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
