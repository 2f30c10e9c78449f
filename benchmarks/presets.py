"""Which settings are good without a setting: `python -m benchmarks.presets [--budget MINUTES] [--table]`.

A cell is a set of ../shared/data, a base, a method and a number of rows; in it every way of training that is tried runs
with three seeds, all as one fused run. The way is chosen by the validation rows of half of the sets, and what it loses
against the best way of each cell, its regret, is told of the test rows of the other half.

    cells   rows 50 ............ 200 ............ 1,000 ........... 5,000      the smallest first
            until the budget is spent; a later run goes on behind the last cell that is whole

Bases: the starter, MiniLM where its package is installed, and the folders in build/benchmarks/bases.
Results go to benchmarks/results/presets.json; `--table` runs nothing and prints them as Markdown.
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from math import ceil
from pathlib import Path
from statistics import mean
from time import monotonic, process_time
from typing import TYPE_CHECKING, Any

from benchmarks import minilm
from benchmarks.measure import machine, now, versions
from benchmarks.real_data import ROOT
from benchmarks.runs import DATA

if TYPE_CHECKING:
    from adapters import Base
    from recipes.examples import Splits

RESULT = Path("benchmarks", "results", "presets.json")
BASES = Path("build", "benchmarks", "bases")
ROWS, SEEDS, METHODS = (50, 200, 1000, 5000), (0, 1, 2), ("lora", "prefix")
TEST, VALIDATION = 300, 8  # the most test rows; of so many rows one validates
BATCH = 16


@dataclass(frozen=True)
class Set:
    """A data set: its task, its file, and what of the recipe it needs."""

    task: str
    data: str
    settings: Mapping[str, Any]


SHOP = "Month ProductRelated ProductRelated_Duration BounceRates ExitRates VisitorType Weekend".split()
SETS = {
    "banking77": Set("behavior", "banking77/train.csv", {"data.columns": {"label": "category"}}),
    "online_shoppers": Set(
        "behavior",
        "online_shoppers/online_shoppers_intention.csv",
        {"data.columns": {"label": "Revenue"}, "data.features": SHOP},
    ),
    "tallrec_movie": Set(
        "recommendation",
        "tallrec_movie/valid.json",
        {
            "data.columns": {"text": "input", "clicked": "output"},
            "data.labels": {"Yes.": 1, "No.": 0},
            "data.max_tokens": 256,
        },
    ),
    "waimai_zh": Set("behavior", "waimai_zh/waimai_10k.csv", {"data.columns": {"text": "review"}}),
}
CHOOSING = ("banking77", "waimai_zh")
"""Sets whose validation rows choose a way; the others tell how good it is."""


def ways(method: str, rows: int) -> dict[str, dict[str, Any]]:
    """What is tried: name -> changes of the preset. Steps are a budget, whatever the rows."""
    rates = (5e-4, 1e-3, 2e-3) if method == "lora" else (0.03, 0.1)
    found: dict[str, dict[str, Any]] = {"preset": {}}
    for steps, rate in product((60, 200), rates):
        found[f"probe, {steps} steps, {rate:g}"] = {
            "head.init": "probe",
            "train.head_learning_rate": None,
            "train.learning_rate": rate,
            "train.epochs": ceil(steps * BATCH / rows) + 1,
            "train.max_steps": steps,
        }
    return found


def main(arguments: list[str]) -> int:
    """Measure cells until the budget is spent; print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=10.0, help="minutes")
    parser.add_argument("--table", action="store_true", help="run nothing")
    given = parser.parse_args(arguments)
    path = ROOT / RESULT
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"cells": {}}
    missing = [name for name, each in SETS.items() if not (ROOT / DATA / each.data).is_file()]
    if not given.table and missing:
        print(f"skipped, there is no {', '.join(missing)} in {DATA}")
        return 0
    until = monotonic() + 60 * given.budget
    loaded: dict[str, Base] = {}
    every = list(_cells())
    for base, name, method, rows in () if given.table else every:
        key = f"{rows} rows, {name}, {base}, {method}"
        if key in result["cells"] or monotonic() > until:
            continue
        result["cells"][key] = _measure(_base(base, loaded), name, method, rows)
        done = sum(f"{r} rows, {n}, {b}, {m}" in result["cells"] for b, n, m, r in every)
        about = {"came to": f"{done} of {len(every)} cells", "date": now(), "machine": machine()}
        result |= about | {"versions": versions("torch", "transformers"), "choosing": CHOOSING}
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(key, flush=True)
    print("\n".join(table(result["cells"])))
    return 0


def table(cells: Mapping[str, Any]) -> Iterator[str]:
    """For each method, base and number of rows: the way that the choosing sets' validation rows prefer, and its regret
    and the preset's on the other sets' test rows. Where either half is missing, there is no row."""
    yield "| rows | base | method | chosen | its regret | the preset's | against the best baseline |"
    yield "| ---: | --- | --- | --- | ---: | ---: | ---: |"
    grouped: dict[tuple[int, str, str], dict[str, Any]] = {}
    for key, cell in cells.items():
        rows, name, base, method = key.split(", ")
        grouped.setdefault((int(rows.split()[0]), base, method), {})[name] = cell
    for (rows, base, method), own in sorted(grouped.items()):
        chosen_by = [own[name] for name in CHOOSING if name in own]
        told_of = [cell for name, cell in own.items() if name not in CHOOSING]
        if not chosen_by or not told_of:
            continue
        best = max(
            chosen_by[0]["ways"], key=lambda way: mean(c["ways"][way]["validation"] for c in chosen_by)
        )
        regrets = {way: mean(_regret(cell, way) for cell in told_of) for way in (best, "preset")}
        above = mean(cell["ways"][best]["test"] - cell["baseline"] for cell in told_of)
        yield (
            f"| {rows:,} | {base} | {method} | {best} | {regrets[best]:.3f} | {regrets['preset']:.3f} | {above:+.3f} |"
        )


def _regret(cell: Mapping[str, Any], way: str) -> float:
    """What a way loses on the test rows against the best one of its cell."""
    return float(max(each["test"] for each in cell["ways"].values()) - cell["ways"][way]["test"])


def _cells() -> Iterator[tuple[str, str, str, int]]:
    """(base, set, method, rows), those of few rows first."""
    folders = sorted(each.name for each in (ROOT / BASES).glob("*") if (each / "config.json").is_file())
    bases = ["starter", *(["minilm"] if minilm.folder() else []), *folders]
    for rows, base, method, name in product(ROWS, bases, METHODS, SETS):
        yield base, name, method, rows


def _base(name: str, loaded: dict[str, "Base"]) -> "Base":
    from adapters import load_base

    if name not in loaded:
        loaded.clear()
        places = {"starter": "starter", "minilm": str(minilm.folder())}
        loaded[name] = load_base(places.get(name, str(ROOT / BASES / name)), "none")
    return loaded[name]


def _measure(base: "Base", name: str, method: str, rows: int) -> dict[str, Any]:
    """Every way with every seed, as one run; the means over the seeds."""
    from recipes import Order, Recipe, train_many
    from recipes.data import load_splits

    own, began = SETS[name], process_time()
    preset = own.task + ("-prefix" if method == "prefix" else "")
    common = {"data.repeats": "keep", "data.max_tokens": 96} | dict(own.settings)
    splits = load_splits(Recipe.load(preset, **common), ROOT / DATA / own.data)
    tried = ways(method, rows)
    orders = [
        Order(
            Recipe.load(preset, **common, **changes, **{"train.seed": seed}),
            _some(splits, rows, seed),
            name=way,
        )
        for way, changes in tried.items()
        for seed in SEEDS
    ]
    found: dict[str, list[tuple[float, float, float]]] = {way: [] for way in tried}
    metric = orders[0].recipe.train.metric
    for order, result in zip(orders, train_many(orders, base), strict=True):
        if isinstance(result, Exception):
            raise RuntimeError(f"{name}, {order.name}: {result}") from result
        report = result.info["report"]
        kept = next(each for each in report["history"] if each["step"] == report["best_step"])
        best = max(each[metric] for each in report["baselines"].values())
        found[order.name].append((kept[metric], report["after"][metric], best))
    told = {
        way: {
            "validation": round(mean(v for v, _, _ in each), 4),
            "test": round(mean(t for _, t, _ in each), 4),
        }
        for way, each in found.items()
    }
    baseline = round(mean(best for _, _, best in found["preset"]), 4)
    return {
        "metric": metric,
        "ways": told,
        "baseline": baseline,
        "cpu seconds": round(process_time() - began),
    }


def _some(splits: "Splits", rows: int, seed: int) -> "Splits":
    """So many rows to learn from, drawn from a seed, an eighth of them to validate; the test rows stay the same."""
    known, test = list(splits.train + splits.validation), list(splits.test)
    random.Random(seed).shuffle(known)
    random.Random(0).shuffle(test)
    cut = max(2, rows // VALIDATION)
    return replace(
        splits,
        train=tuple(known[cut:rows]),
        validation=tuple(known[:cut]),
        test=tuple(test[:TEST]),
        digest=f"{splits.digest} {rows} {seed}",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
