"""Which settings are good without a setting: `python -m benchmarks.presets [--budget MINUTES] [--table]`.

What is compared are weights: without the folds, the kept start and the blend of a whole training (see `defaults`).

A cell is a set (`preset_sets.py`), a base, a method, a number of rows and a seed. In it every way of training is tried,
as one fused run, and measured on the same fresh rows: with its best weights by the validation rows, and with its last
ones. A way is chosen by the fresh rows of the choosing sets; what it loses against the best way of each cell, its
regret, is told of the other sets.

    seed 0   200 rows: LoRA, then Prefix; then 50 rows, then 800          seeds 1 and 2 the same again
             until the budget is spent; a later run goes on behind the last cell that is whole

Bases: the starter, and the folders in build/benchmarks/bases (`--bases FOLDER` for another place). Results
go to benchmarks/results/presets.json after each cell; `--table` runs nothing and prints them as Markdown.

With `--starts` the ways are the preset as it is, and with each other start of LoRA (`lora.init`), of 200 rows on the
starter, held-out sets first.
"""

import random
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from math import ceil
from pathlib import Path
from statistics import mean
from time import process_time
from typing import TYPE_CHECKING, Any

from benchmarks.preset_cells import Bases, fill, missing, options, read
from benchmarks.preset_sets import CHOOSING, HELD_OUT, SETS
from benchmarks.real_data import ROOT
from benchmarks.runs import DATA

if TYPE_CHECKING:
    from adapters import Base
    from recipes.examples import Splits
    from recipes.learn.job import Job
    from recipes.learn.untouched import Untouched

RESULT = Path("benchmarks", "results", "presets.json")
ROWS, SEEDS, METHODS = (200, 50, 800), (0, 1, 2), ("lora", "prefix")
FRESH, VALIDATION = 240, 8  # rows that measure; of so many of the others one validates
BATCH, STEPS = 16, 60
BEFORE = {"lora": "head at random, 0.002, 5 epochs", "prefix": "head at random, 0.1, 8 epochs"}
"""What the presets said before there was this benchmark."""
SHIPPED = "the preset as it is"
STARTS = {SHIPPED: "default", **{init: init for init in ("gaussian", "eva", "pissa", "olora")}}


def ways(method: str, rows: int, base: str) -> dict[str, dict[str, Any]]:
    """What is tried: name -> settings. Of a prefix the head takes steps a tenth as long, as ever."""
    old = {"lora": (2e-3, 5e-3, 5), "prefix": (0.1, 1e-2, 8)}[method]
    found = {BEFORE[method]: _settings("random", "auto", *old), SHIPPED: {}}
    small = base == "starter"
    rates = {
        "lora": (1e-3, 2e-3) if small else (5e-4, 1e-3),
        "prefix": (0.03, 0.1) if small else (0.01, 0.03),
    }
    epochs = ceil(STEPS * BATCH / (rows - rows // VALIDATION))
    for rate in rates[method]:
        own = _settings("probe", "mean", rate, None if method == "lora" else rate / 10, epochs)
        found[f"probe of the mean, {rate:g}, {STEPS} steps"] = own | {"train.max_steps": STEPS}
    return found


def _settings(init: str, pooling: str, rate: float, head_rate: float | None, epochs: int) -> dict[str, Any]:
    """Every step is taken, but by the preset as it is; the weights that `keep` would choose are measured afterwards."""
    return {
        "head.init": init,
        "head.pooling": pooling,
        "train.learning_rate": rate,
        "train.head_learning_rate": head_rate,
        "train.epochs": epochs,
        "train.max_steps": None,
        "train.keep": "best",
        "train.patience": None,
    }


def main(arguments: list[str]) -> int:
    """Measure cells until the budget is spent; print the table."""
    parser = options(__doc__)
    parser.add_argument("--starts", action="store_true", help="of LoRA, beside the preset as it is")
    given = parser.parse_args(arguments)
    path = ROOT / RESULT
    result = read(path)
    if not given.table and (absent := missing()):
        print(f"skipped, there is no {absent} in {DATA}")
        return 0
    bases = Bases(given.bases)
    every = _started() if given.starts else list(_cells(bases.names))
    cells: dict[str, Any] = result.setdefault("starts" if given.starts else "cells", {})

    def measured(seed: int, rows: int, base: str, method: str, name: str) -> dict[str, Any]:
        started = {way: {"lora.init": init} for way, init in STARTS.items()}
        tried = started if given.starts else ways(method, rows, base)
        return _measure(bases.load(base), name, method, tried, rows, seed)

    if not given.table:
        came_to = "starts came to" if given.starts else "came to"
        fill(path, result, cells, every, measured, given, "seed, rows, base, method, set", came_to)
    print("\n".join(started_table(cells) if given.starts else table(cells)))
    return 0


def _started() -> list[tuple[int, int, str, str, str]]:
    """As `_cells`, for `--starts`."""
    return [(seed, ROWS[0], "starter", "lora", name) for seed in SEEDS for name in (*HELD_OUT, *CHOOSING)]


def _cells(bases: Iterable[str]) -> Iterator[tuple[int, int, str, str, str]]:
    """(seed, rows, base, method, set), in the order in which they are measured."""
    for seed, rows, base, half, method in product(SEEDS, ROWS, bases, (CHOOSING, HELD_OUT), METHODS):
        yield from ((seed, rows, base, method, name) for name in half)


def _measure(
    base: "Base", name: str, method: str, tried: Mapping[str, Mapping[str, Any]], rows: int, seed: int
) -> dict[str, Any]:
    """Every way as one run: {"ways": {way: {"best": ..., "last": ...}}, "baselines": ...}, each with accuracy and log
    loss of the fresh rows."""
    from recipes import Order, Recipe, Settings
    from recipes.data import load_splits
    from recipes.learn.job import Job
    from recipes.runs.order import untrained
    from recipes.runs.run import Run

    own, began = SETS[name], process_time()
    preset = "behavior" if method == "lora" else "behavior-prefix"
    common = {"data.repeats": "keep", "data.max_tokens": 40, "train.seed": seed}
    splits = _some(load_splits(Recipe.load(preset, **common), own.file(ROOT, name)), rows, seed)
    found: dict[str, Any] = {}
    baselines: dict[str, Any] = {}

    def finish(order: Order, job: Job, untouched: "Untouched", *_: object) -> None:
        found[job.name] = _both(job, untouched)
        if not baselines:
            baselines.update(_baselines(job, untouched))

    run = Run([], base, Settings(), None, False, at_once=len(tried), finish=finish)
    try:
        for way, settings in tried.items():
            recipe = Recipe.load(preset, **common, **settings)
            job = Job.prepare(recipe, splits, splits.train, untrained(recipe, splits, base), base, way)
            run.add(Order(recipe, splits, name=way), job)
        while run.turn():
            pass
        for result in run.results:
            if isinstance(result, Exception):
                raise result
    finally:
        run.close()
    return {
        "rows": [len(splits.train), len(splits.validation), len(splits.test)],
        "ways": found,
        "baselines": baselines,
        "cpu seconds": round(process_time() - began),
    }


def _both(job: "Job", untouched: "Untouched") -> dict[str, Any]:
    """A trained job with its last weights, then with its best ones."""
    last = _told(job, untouched)
    job.restore_best()
    best = last if job.best_step == job.step else _told(job, untouched)
    return {"best": best | {"step": job.best_step}, "last": last | {"step": job.step}}


def _told(job: "Job", untouched: "Untouched") -> dict[str, float]:
    """Accuracy and log loss of the fresh rows, with the calibration that the validation rows allow."""
    from recipes.learn.encode import encode
    from recipes.learn.predict import logits
    from recipes.measure.baselines import label_matrix, shares
    from recipes.measure.calibration import fit_calibration

    splits, base, slots = job.splits, untouched.base, untouched.slots
    known = logits(base, slots, job.slot, job.validation)
    truth = label_matrix(splits.validation, len(splits.labels))
    calibration = fit_calibration(known, truth, shares(splits))
    asked = logits(base, slots, job.slot, encode(base, job.recipe, splits.test))
    return _metrics(splits, calibration.apply(asked, False))


def _baselines(job: "Job", untouched: "Untouched") -> dict[str, Any]:
    """What needs no adapter, on the same rows."""
    from recipes.learn.encode import encode
    from recipes.measure.baselines import on_states
    from recipes.tasks.behavior import guesses

    parts = (
        job.train[: len(job.splits.train)],
        job.validation,
        encode(untouched.base, job.recipe, job.splits.test),
    )
    frozen = on_states(job.splits, *(untouched.states(part) for part in parts))
    every = guesses(job.splits, job.recipe) | {"frozen base + logistic regression": frozen}
    return {name: _metrics(job.splits, guess) for name, guess in every.items()}


def _metrics(splits: "Splits", probabilities: Any) -> dict[str, float]:
    from recipes.tasks.behavior import metrics

    told = metrics(splits.test, probabilities, splits.labels)
    return {name: round(float(told[name]), 4) for name in ("accuracy", "log_loss")}


def _some(splits: "Splits", rows: int, seed: int) -> "Splits":
    """So many rows, drawn from a seed, an eighth of them to validate; the fresh rows are the same for all seeds."""
    every = [*splits.train, *splits.validation, *splits.test]
    random.Random("fresh").shuffle(every)
    fresh, known = every[:FRESH], every[FRESH:]
    random.Random(seed).shuffle(known)
    cut = rows // VALIDATION
    return replace(splits, train=tuple(known[cut:rows]), validation=tuple(known[:cut]), test=tuple(fresh))


def table(cells: Mapping[str, Any]) -> Iterator[str]:
    """For each number of rows, base and method the way that the choosing sets prefer, and what it and the one before
    reach on the held-out sets, as means over sets and seeds; then the best weights beside the last ones."""
    yield "| rows | base | method | way | accuracy, choosing sets | held-out sets | log loss | regret | cells |"
    yield "| ---: | --- | --- | --- | ---: | ---: | ---: | ---: | ---: |"
    groups: dict[tuple[int, str, str], list[tuple[str, Any]]] = {}
    for key, cell in cells.items():
        _, number, base, method, name = key.split(", ")
        groups.setdefault((int(number), base, method), []).append((name, cell))
    for (rows, base, method), own in sorted(groups.items()):
        halves = [[cell for name, cell in own if name in half] for half in (CHOOSING, HELD_OUT)]
        names = [BEFORE[method], *(way for way in own[0][1]["ways"] if way != BEFORE[method])]
        best = max(names, key=lambda way: _mean(halves[0], way, "accuracy"))
        for way in names:
            told = [f"{_mean(half, way, 'accuracy'):.3f}" if half else "–" for half in halves]
            if halves[1]:
                regret = mean(_regret(cell, way) for cell in halves[1])
                told += [f"{_mean(halves[1], way, 'log_loss'):.3f}", f"{regret:.3f}"]
            else:
                told += ["–", "–"]
            mark = f"**{way}**" if way == best else way
            yield f"| {rows} | {base} | {method} | {mark} | {' | '.join(told)} | {len(own)} |"
        told = [f"{mean(_baseline(c, 'accuracy') for c in half):.3f}" if half else "–" for half in halves]
        loss = f"{mean(_baseline(c, 'log_loss') for c in halves[1]):.3f}" if halves[1] else "–"
        yield f"| {rows} | {base} | {method} | best baseline | {' | '.join(told)} | {loss} | | |"
    yield ""
    yield "| validation rows | trainings | best weights: accuracy | last: accuracy | best: log loss | last: log loss |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: |"
    pairs: dict[int, list[Any]] = {}
    for cell in cells.values():
        pairs.setdefault(cell["rows"][1], []).extend(cell["ways"].values())
    for rows, both in sorted(pairs.items()):
        told = [
            f"{mean(each[kept][metric] for each in both):.3f}"
            for metric, kept in product(("accuracy", "log_loss"), ("best", "last"))
        ]
        yield f"| {rows} | {len(both)} | {' | '.join(told)} |"


def started_table(cells: Mapping[str, Any]) -> Iterator[str]:
    """What each start of LoRA gives in each cell."""
    yield f"| start | {' | '.join(key.split(', ')[-1] for key in cells)} | mean accuracy | mean log loss |"
    yield f"| --- {'| ---: ' * (len(cells) + 2)}|"
    for way in STARTS if cells else ():
        own = [_served(cell, way) for cell in cells.values()]
        means = (mean(each[metric] for each in own) for metric in ("accuracy", "log_loss"))
        told = [f"{each['accuracy']:.3f}" for each in own] + [f"{each:.3f}" for each in means]
        yield f"| {way} | {' | '.join(told)} |"
    best = [_baseline(cell, "accuracy") for cell in cells.values()]
    if best:
        loss = mean(_baseline(cell, "log_loss") for cell in cells.values())
        told = [f"{each:.3f}" for each in best] + [f"{mean(best):.3f}", f"{loss:.3f}"]
        yield f"| best baseline | {' | '.join(told)} |"


def _served(cell: Mapping[str, Any], way: str) -> Mapping[str, float]:
    """The weights that `keep: auto` takes."""
    from recipes.options.train import FEWEST_TO_CHOOSE

    kept: Mapping[str, float] = cell["ways"][way]["best" if cell["rows"][1] >= FEWEST_TO_CHOOSE else "last"]
    return kept


def _mean(cells: Iterable[Mapping[str, Any]], way: str, metric: str) -> float:
    found = [_served(cell, way)[metric] for cell in cells]
    return mean(found) if found else 0.0


def _regret(cell: Mapping[str, Any], way: str) -> float:
    """The accuracy that a way loses against the best one of its cell."""
    return max(_served(cell, each)["accuracy"] for each in cell["ways"]) - _served(cell, way)["accuracy"]


def _baseline(cell: Mapping[str, Any], metric: str) -> float:
    """Of the baseline with the best accuracy."""
    best: Mapping[str, float] = max(cell["baselines"].values(), key=lambda each: each["accuracy"])
    return best[metric]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
