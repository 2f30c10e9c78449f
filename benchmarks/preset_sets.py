"""The sets that `presets` measures on: the behavior task, made from ../shared/data as small CSV files of the same kind.
Texts are cut to about 70 characters, or 30 Chinese ones, so that a cell takes minutes; what is measured reads no more.

Half of them choose settings, and the others tell how good the chosen ones are; a set does one or the other, never both.
"""

import csv
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.runs import DATA

MADE = Path("build", "benchmarks", "presets")
MOST = 1200  # rows of a set
Rows = Iterator[dict[str, str]]


@dataclass(frozen=True)
class Set:
    """source: a file of ../shared/data; rows: what is made of it, with `text` and `label`."""

    source: str
    rows: Callable[[Path], Rows]

    def file(self, root: Path, name: str) -> Path:
        """The CSV file, written where it is not there yet."""
        path = root / MADE / f"{name}.csv"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = list(self.rows(root / DATA / self.source))
            random.Random(name).shuffle(rows)
            written(path, rows[:MOST])
        return path


def written(path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    """The path of a CSV file of these rows."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def _banking(path: Path) -> Rows:
    """What customers of a bank asked: the ten commonest of 77 intents."""
    rows = list(_csv(path))
    kept = {label for label, _ in Counter(row["category"] for row in rows).most_common(10)}
    yield from (
        {"text": row["text"][:70], "label": row["category"]} for row in rows if row["category"] in kept
    )


def _waimai(path: Path) -> Rows:
    """Chinese reviews of deliveries: good or bad."""
    yield from ({"text": row["review"][:30], "label": row["label"]} for row in _csv(path))


_RATINGS = {"1 out of 5": "low", "3 out of 5": "average", "5 out of 5": "high"}


def _e2e(path: Path) -> Rows:
    """The ends of descriptions of restaurants: how customers rate them, where it was to be said."""
    for row in _csv(path):
        rating = dict(re.findall(r"(\w[\w ]*)\[([^\]]*)\]", row["mr"])).get("customer rating", "")
        if rating:
            yield {"text": row["ref"][-70:], "label": _RATINGS.get(rating, rating)}


def _upworthy(path: Path) -> Rows:
    """The best or the worst headline of an A/B test, in turn: which of the two it is. Little can be learned."""
    from pyarrow.parquet import read_table

    names = ["clickability_test_id", "headline", "ctr", "impressions", "test_week"]
    tests: dict[str, list[dict[str, Any]]] = {}
    for row in read_table(path, columns=names).to_pylist():
        # Of these weeks the draw of the headlines is doubted.
        if row["impressions"] > 500 and not 201325 <= row["test_week"] <= 201402:
            tests.setdefault(row["clickability_test_id"], []).append(row)
    apart = [each for _, each in sorted(tests.items()) if len({row["headline"] for row in each}) > 1]
    for number, own in enumerate(apart):
        ranked = sorted(own, key=lambda row: float(row["ctr"]))
        label = ("worst", "best")[number % 2]
        yield {"text": ranked[0 if label == "worst" else -1]["headline"][:70], "label": label}


def _clothes(path: Path) -> Rows:
    """Chinese copy for clothes: a skirt, trousers or a top."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        tags = [tag.split("#", 1) for tag in row["content"].split("*")]
        yield {"text": row["summary"][:30], "label": next(value for key, value in tags if key == "类型")}


def _shoppers(path: Path) -> Rows:
    """Sessions in a shop, without `PageValues`, which knows of the purchase: whether something was bought."""
    for row in _csv(path):
        seconds, who = float(row["ProductRelated_Duration"]), row["VisitorType"].partition("_")[0]
        told = f"{who} in {row['Month']}: {row['ProductRelated']} products, {seconds:.0f} s, exit {row['ExitRates']}"
        yield {"text": told, "label": row["Revenue"]}


def _films(path: Path) -> Rows:
    """A film, one that a user liked and one that he did not: whether he likes it."""
    for row in json.loads(path.read_text(encoding="utf-8")):
        liked, disliked, asked = (_TITLE.findall(line) or ["none"] for line in row["input"].split("\n"))
        yield {"text": f"{asked[0]}? liked {liked[0]}, not {disliked[0]}"[:70], "label": row["output"]}


_TITLE = re.compile(r'"([^"]+?)(?: \(\d{4}\))?"')


def _csv(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


CHOOSING: Mapping[str, Set] = {
    "banking77": Set("banking77/train.csv", _banking),
    "waimai_zh": Set("waimai_zh/waimai_10k.csv", _waimai),
    "e2e_rating": Set("e2e_en/devel-fixed.no-ol.csv", _e2e),
    "upworthy": Set("upworthy_headline_ab/upworthy_clean.parquet", _upworthy),
}
HELD_OUT: Mapping[str, Set] = {
    "clothes_zh": Set("advertisegen_zh/dev.json", _clothes),
    "online_shoppers": Set("online_shoppers/online_shoppers_intention.csv", _shoppers),
    "films": Set("tallrec_movie/valid.json", _films),
}
SETS: Mapping[str, Set] = {**CHOOSING, **HELD_OUT}
