"""Is what a preset makes worth publishing? `python -m benchmarks.defaults [--budget MINUTES] [--table]`.

A cell is a number of rows, a base, a method and a set (`preset_sets.py`). Its rows are trained on as a newcomer would,
by the preset and no setting; 400 fresh rows say whether what is served is better or worse than the best baseline, or
cannot be told apart from it. It is the verdict that stands in the report's first line.

Bases: the starter, MiniLM (`minilm.py`), and the folders in build/benchmarks/bases (`--bases FOLDER` for another),
unquantized. Results go to benchmarks/results/defaults.json after each cell, and a later run goes on behind them;
`--only TEXT` measures the cells with this in their key, `--table` runs nothing and prints them as Markdown.
"""

import argparse
import csv
import json
import random
import sys
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from time import monotonic, process_time
from typing import TYPE_CHECKING, Any

from benchmarks import minilm
from benchmarks.measure import machine, now, versions
from benchmarks.preset_sets import SETS
from benchmarks.real_data import ROOT
from benchmarks.runs import BASES, DATA

if TYPE_CHECKING:
    from adapters import Base
    from recipes.judge.report import Report

RESULT = Path("benchmarks", "results", "defaults.json")
ROWS, FRESH = (200, 800), 400
KINDS = ("better", "even", "worse")
PRESETS = {"lora": "behavior", "prefix": "behavior-prefix"}


def main(arguments: list[str]) -> int:
    """Measure cells until the budget is spent; print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=10.0, help="minutes")
    parser.add_argument(
        "--bases", type=Path, default=ROOT / BASES, help="a folder with a folder for each base"
    )
    parser.add_argument("--only", default="", help="cells with this in their key, such as '200, e5, lora'")
    parser.add_argument("--table", action="store_true", help="run nothing")
    given = parser.parse_args(arguments)
    path = ROOT / RESULT
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"cells": {}}
    missing = [name for name, each in SETS.items() if not (ROOT / DATA / each.source).is_file()]
    if not given.table and missing:
        print(f"skipped, there is no {', '.join(missing)} in {DATA}")
        return 0
    until = monotonic() + 60 * given.budget
    loaded: dict[str, Base] = {}
    bases = _bases(given.bases)
    every = list(product(ROWS, bases, PRESETS, SETS))
    for rows, base, method, name in () if given.table else every:
        key = f"{rows}, {base}, {method}, {name}"
        if given.only not in key or key in result["cells"] or monotonic() > until:
            continue
        result["cells"][key] = _measure(_base(base, bases, loaded), name, method, rows)
        done = sum(", ".join(map(str, cell)) in result["cells"] for cell in every)
        result |= {
            "key": "rows, base, method, set",
            "came to": f"{done} of {len(every)} cells",
            "date": now(),
            "machine": machine(),
            "versions": versions("torch", "transformers", "scikit-learn"),
        }
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(
            key, result["cells"][key]["verdict"], f"{result['cells'][key]['cpu seconds']} CPU s", flush=True
        )
    print("\n".join(table(result["cells"])))
    return 0


def _bases(folder: Path) -> dict[str, str]:
    """name -> what to load."""
    found = {"starter": "starter"}
    if (encoder := minilm.folder()) is not None:
        found["minilm"] = str(encoder)
    return found | {each.parent.name: str(each.parent) for each in sorted(folder.glob("*/config.json"))}


def _base(name: str, bases: Mapping[str, str], loaded: dict[str, "Base"]) -> "Base":
    from adapters import load_base

    if name not in loaded:
        loaded.clear()
        loaded[name] = load_base(bases[name], "none")
    return loaded[name]


def _measure(base: "Base", name: str, method: str, rows: int) -> dict[str, Any]:
    """What the report says of one training."""
    from recipes import Recipe, train
    from recipes.judge.report import Report

    began = process_time()
    with SETS[name].file(ROOT, name).open(encoding="utf-8", newline="") as file:
        every = list(csv.DictReader(file))
    random.Random("fresh").shuffle(every)
    with TemporaryDirectory() as folder:
        learned, fresh = (
            _written(Path(folder, f"{part}.csv"), own)
            for part, own in (("rows", every[FRESH : FRESH + rows]), ("fresh", every[:FRESH]))
        )
        adapter = train(Recipe.load(PRESETS[method], **{"data.repeats": "drop"}), learned, base, test=fresh)
    report = Report.read(adapter.info["report"])
    assert report is not None
    return _told(report) | {"cpu seconds": round(process_time() - began)}


def _written(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def _told(report: "Report") -> dict[str, Any]:
    from recipes.judge.verdicts import verdict

    def figures(metrics: Any) -> dict[str, float]:
        return {name: round(metrics.get(name), 4) for name in ("accuracy", "log_loss")}

    found = verdict(report)
    assert found is not None and report.rows is not None
    return {
        "rows": [report.rows.train, report.rows.validation, report.rows.test],
        "verdict": found.kind,
        "sentence": found.sentence,
        "adapter": figures(report.after),
        "blend": None if report.blended is None else figures(report.blended.after),
        "baselines": {name: figures(each) for name, each in report.baselines.items()},
    }


def table(cells: Mapping[str, Any]) -> Iterator[str]:
    """For each number of rows, base and method: the verdicts, and means over the sets."""
    yield "| rows | base | method | better | even | worse | adapter alone | served | best baseline | sets |"
    yield "| ---: | --- | --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |"
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    for key, cell in cells.items():
        *group, name = key.split(", ")
        groups.setdefault(tuple(group), {})[name] = cell
    for group, own in groups.items():
        of_kind = {kind: [name for name, cell in own.items() if cell["verdict"] == kind] for kind in KINDS}
        counts = " | ".join(str(len(names)) for names in of_kind.values())
        lost = f" ({', '.join(of_kind['worse'])})" if of_kind["worse"] else ""
        ways = (
            [cell["adapter"]["accuracy"] for cell in own.values()],
            [(cell["blend"] or cell["adapter"])["accuracy"] for cell in own.values()],
            [max(each["accuracy"] for each in cell["baselines"].values()) for cell in own.values()],
        )
        told = " | ".join(f"{mean(way):.3f}" for way in ways)
        yield f"| {' | '.join(group)} | {counts}{lost} | {told} | {len(own)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
