"""Is what a preset makes worth publishing? `python -m benchmarks.defaults [--budget MINUTES] [--table]`.

A cell is a number of rows, a base, a method and a set (`preset_sets.py`). Its rows are trained on as a newcomer would,
by the preset and no setting; 400 fresh rows say whether what is served is better or worse than the best baseline, or
cannot be told apart from it. It is the verdict that stands in the report's first line.

Bases: the starter, MiniLM (`minilm.py`), and the folders in build/benchmarks/bases (`--bases FOLDER` for another),
unquantized. Results go to benchmarks/results/defaults.json after each cell, and a later run goes on behind them;
`--only TEXT` measures the cells with this in their key, `--table` runs nothing and prints them as Markdown.
"""

import csv
import random
import sys
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from time import process_time
from typing import TYPE_CHECKING, Any

from benchmarks import minilm
from benchmarks.preset_cells import Bases, fill, missing, options, read
from benchmarks.preset_sets import SETS, written
from benchmarks.real_data import ROOT
from benchmarks.runs import DATA

if TYPE_CHECKING:
    from adapters import Base
    from recipes.judge.report import Report

RESULT = Path("benchmarks", "results", "defaults.json")
ROWS, FRESH = (200, 800), 400
KINDS = ("better", "even", "worse")
PRESETS = {"lora": "behavior", "prefix": "behavior-prefix"}


def main(arguments: list[str]) -> int:
    """Measure cells until the budget is spent; print the table."""
    given = options(__doc__).parse_args(arguments)
    path = ROOT / RESULT
    result = read(path)
    if not given.table and (absent := missing()):
        print(f"skipped, there is no {absent} in {DATA}")
        return 0
    encoder = minilm.folder()
    bases = Bases(given.bases, {} if encoder is None else {"minilm": encoder})

    def measured(rows: int, base: str, method: str, name: str) -> dict[str, Any]:
        return _measure(bases.load(base), name, method, rows)

    if not given.table:
        every = list(product(ROWS, bases.names, PRESETS, SETS))
        fill(path, result, result["cells"], every, measured, given, "rows, base, method, set")
    print("\n".join(table(result["cells"])))
    return 0


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
            written(Path(folder, f"{part}.csv"), own)
            for part, own in (("rows", every[FRESH : FRESH + rows]), ("fresh", every[:FRESH]))
        )
        adapter = train(Recipe.load(PRESETS[method], **{"data.repeats": "drop"}), learned, base, test=fresh)
    report = Report.read(adapter.info["report"])
    assert report is not None
    return _told(report) | {"cpu seconds": round(process_time() - began)}


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
        *about, name = key.split(", ")
        groups.setdefault(tuple(about), {})[name] = cell
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
