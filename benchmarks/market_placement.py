"""What placement gains in the market of `benchmarks.market`, without an adapter.

    python -m benchmarks.market_placement

In the adapter's place stands what was true before the shift, with noise of one logit: right at first, and wrong from
the day on which the taste turns. So many worlds (users, ads and luck) and sizes are played in minutes. The ways, each
of which sees its own clicks an hour later:

frozen        the likeliest ad
ads           Thompson sampling with the clicks of each ad (`hub.placement.posterior`), as `Placer` chooses
words         the likeliest ad with what was learned from words (`hub.placement.residual`)
both          as `Placer` places: words, and Thompson sampling beside them
oracle        the true probabilities

The share of the gap: (way - frozen) / (oracle - frozen), in clicks since the shift; of a quiet month, in which there is
little to gain, the clicks of 30 days.
"""

import argparse
import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean
from time import monotonic, process_time
from typing import Any

import numpy as np

from benchmarks.market_world import Size, Visit, visits
from benchmarks.measure import all_parts, machine, now, versions
from hub.placement.choosing import Choosing, choose
from hub.placement.posterior import fit_strength, posterior
from hub.placement.residual import Residual, Row, log_odds_of, row_of

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "market-placement.json"
KEPT = ROOT / "build" / "benchmarks" / "market-placement.json"
_NOISE = 1.0  # in logits
_LATER = 3600.0  # seconds
SIZES: Mapping[str, Size] = {
    "of the market": Size(),
    "few users, more ads": Size(shift=15, users=50, ads=40, slate=8),
    "a late shift": Size(shift=20, users=100, ads=12, slate=4),
    "quiet": Size(shift=30),
}
WAYS: Mapping[str, tuple[bool, bool]] = {
    "frozen": (False, False),
    "ads": (False, True),
    "words": (True, False),
    "both": (True, True),
}
"""Way -> whether it learns from words, and whether it samples by the clicks of each ad."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the budget allows, and write the result when all is there."""
    asked = argparse.ArgumentParser(description="What placement gains, without an adapter.")
    asked.add_argument("--budget", type=float, default=20.0, help="minutes; a size that was begun is ended")
    asked.add_argument("--worlds", type=int, default=3, help="of each size")
    asked.add_argument("--out", type=Path, default=RESULT)
    asked.add_argument("--kept", type=Path, default=KEPT)
    given = asked.parse_args(arguments)
    about, until = machine(), monotonic() + 60 * given.budget

    def part(size: Size) -> Any:
        return lambda: measured(size, given.worlds)

    found = all_parts({name: part(size) for name, size in SIZES.items()}, given.kept, until)
    if found is None:
        return 0
    result = {"benchmark": "market-placement", "command": "python -m benchmarks.market_placement"}
    result |= {"worlds": given.worlds, **found}
    result |= {"machine": about, "versions": versions("numpy", "scipy"), "date": now()}
    given.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0


def measured(size: Size, worlds: int) -> dict[str, Any]:
    """Of each way, in each world."""
    began, begin = process_time(), size.shift if size.shift < size.days else 0
    clicks: dict[str, list[int]] = {}
    for world in range(worlds):
        for way, found in played(replace(size, world=world)).items():
            clicks.setdefault(way, []).append(sum(found[begin:]))
    gaps = list(zip(clicks["frozen"], clicks["oracle"], strict=True))
    return {
        "size": {name: value for name, value in asdict(size).items() if name not in ("world", "first")},
        "clicks, mean": {way: mean(found) for way, found in clicks.items()},
        "share of the gap": {
            way: {
                "mean": round(mean(shares), 3),
                "least": round(min(shares), 3),
                "most": round(max(shares), 3),
            }
            for way in ("ads", "words", "both")
            for shares in [
                [(own - low) / (high - low) for own, (low, high) in zip(clicks[way], gaps, strict=True)]
            ]
        },
        "CPU seconds": round(process_time() - began, 1),
    }


def played(size: Size) -> dict[str, list[int]]:
    """Clicks of each way by day."""
    random_noise = random.Random(f"ranking {size.world}")
    days = []
    for day in range(size.days):
        before = visits(replace(size, shift=size.days), day)
        said = [log_odds_of(each.truth) for each in before]
        noise = [[random_noise.gauss(0, _NOISE) for _ in each.ads] for each in before]
        days.append(
            list(zip(visits(size, day), (a + b for a, b in zip(said, noise, strict=True)), strict=True))
        )
    found = {way: _played(days, *how) for way, how in WAYS.items()}
    found["oracle"] = [
        sum(visit.clicked(visit.ads[int(np.argmax(visit.truth))]) for visit, _ in day) for day in days
    ]
    return found


def _played(days: "Sequence[Sequence[tuple[Visit, Any]]]", words: bool, ads: bool) -> list[int]:
    residual, luck, clicks = Residual(), np.random.default_rng(0), list[int]()
    young: list[tuple[float, str, Row, float, float, bool]] = []
    sums: dict[str, list[float]] = {}
    for day in days:
        strength = _strength(sums)
        clicks.append(0)
        for visit, odds in day:
            while young and young[0][0] <= visit.at - _LATER:
                _, ad, row, own, said, hit = young.pop(0)
                said = residual.learn(row, own, hit) if words else said
                count = sums.setdefault(ad, [0.0, 0.0, 0.0])
                for at, more in enumerate((1.0, float(hit), said)):
                    count[at] += more
            rows = [
                row_of({"user": visit.user.text()}, {"ad": ad}, own)
                for ad, own in zip(visit.ads, odds, strict=True)
            ]
            p = (
                [residual.probability(*each) for each in zip(rows, odds, strict=True)]
                if words
                else 1 / (1 + np.exp(-odds))
            )
            at = _chosen(visit, p, sums, strength, luck) if ads else int(np.argmax(p))
            hit = visit.clicked(visit.ads[at])
            young.append((visit.at, visit.ads[at], rows[at], float(odds[at]), float(p[at]), hit))
            clicks[-1] += hit
    return clicks


def _chosen(visit: Visit, p: Any, sums: Mapping[str, list[float]], strength: float, luck: Any) -> int:
    """The ad that a `Placer` would show."""
    shown, hits, said = np.array([sums.get(ad, (0.0, 0.0, 0.0)) for ad in visit.ads]).T
    predicted = np.where(shown > 0, said / np.maximum(shown, 1), np.nan)
    beliefs = posterior(p, shown, hits, predicted, strength)
    ((index, _),) = choose(beliefs, np.ones(len(shown)), 1, Choosing(draws=100), float(shown.sum()), luck)
    return index


def _strength(sums: Mapping[str, list[float]]) -> float:
    shown, hits, said = np.array(list(sums.values()), dtype=float).reshape(-1, 3).T
    return fit_strength(shown, hits, said / np.maximum(shown, 1))


if __name__ == "__main__":
    sys.exit(main())
