"""What do rows without labels add, with and beside adversarial steps? banking77 with 10 rows per intent on the MiniLM
encoder, three seeds of each way, every test row.

    python -m benchmarks.unlabelled [--budget MINUTES]      three quarters of an hour on one core

The other rows of the training file are given without their labels; those that validate and test stay out of them. An
adapter is trained as a newcomer would, by the preset, and what is served (the blend) answers. Adapters are kept in
build/benchmarks/unlabelled and not trained again; a budget counts minutes of the processor. Results go to
benchmarks/results/unlabelled.json, with the three seeds of a way answering as one.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

from benchmarks import minilm
from benchmarks.measure import machine, now, versions
from benchmarks.real_data import ROOT
from benchmarks.runs import DATA

if TYPE_CHECKING:
    from adapters import Base
    from recipes.examples import Splits

FILES = Path(DATA, "banking77")
OUT = Path("build", "benchmarks", "unlabelled")
RESULT = Path("benchmarks", "results", "unlabelled.json")
SEEDS = (0, 1, 2)
OWN = {"data.columns.label": "category", "data.limit_per_label": 10, "data.repeats": "drop"}
FGM: Mapping[str, Any] = {"train.fgm": None}
WAYS: Mapping[str, tuple[bool, Mapping[str, Any]]] = {
    "fgm, rows without labels": (True, FGM),
    "fgm": (False, FGM),
    "rows without labels": (True, {}),
    "the preset": (False, {}),
}


def main(arguments: list[str]) -> int:
    """Train what is not there yet, as far as the budget goes, and ask what is there about the test rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--budget", type=float, default=60, help="minutes of the processor")
    budget = parser.parse_args(arguments).budget
    encoder = minilm.folder()
    if encoder is None or not (ROOT / FILES).is_dir():
        print(f"skipped, there is no {FILES if encoder else 'MiniLM'}")
        return 0
    from adapters import load_base
    from recipes import Recipe
    from recipes.data import load_splits, with_unlabelled

    about, base = machine(), load_base(str(encoder), "nf4")
    recipe, train = Recipe.load("behavior", **OWN), ROOT / FILES / "train.csv"
    plain = load_splits(recipe, train, test=ROOT / FILES / "test.csv")
    more = with_unlabelled(plain, recipe, train)
    for way, (unlabelled, changes) in WAYS.items():
        for seed in SEEDS:
            if process_time() < 60 * budget:
                own = changes | {"train.seed": seed}
                _train(_folder(way, seed), more if unlabelled else plain, base, own)
    done = [
        (way, seed)
        for seed in SEEDS
        for way in WAYS
        if (_folder(way, seed) / "adapter_config.json").is_file()
    ]
    result = {
        "rows": {"train": len(plain.train), "unlabelled": len(more.unlabelled), "test": len(plain.test)},
        "came to": f"{len(done)} of {len(SEEDS) * len(WAYS)} trainings",
        "adapters": {f"{way}, seed {seed}": _measured(_folder(way, seed)) for way, seed in done},
        "seeds as one": _together(done, plain, base),
        "machine": about,
        "versions": versions("torch", "transformers"),
        "date": now(),
    }
    (ROOT / RESULT).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({key: result[key] for key in ("adapters", "seeds as one")}, indent=2))
    return 0


def _folder(way: str, seed: int) -> Path:
    return ROOT / OUT / f"{way}-{seed}".replace(" ", "-").replace(",", "")


def _train(out: Path, splits: "Splits", base: "Base", changes: Mapping[str, Any]) -> None:
    from recipes import Recipe, train

    if not (out / "adapter_config.json").is_file():
        train(Recipe.load("behavior", **OWN | changes), splits, base, out=out)
        print(out.name, _measured(out), f"{process_time():.0f} s", flush=True)


def _measured(folder: Path) -> dict[str, Any]:
    """What its report says of the test rows."""
    from adapters.format.files import read
    from recipes.judge.report import Report

    report = Report.read(read(folder).info["report"])
    assert report is not None
    served = report.after if report.blended is None else report.blended.after
    return {
        way: {name: round(figures.get(name), 4) for name in ("accuracy", "log_loss")}
        for way, figures in (("adapter", report.after), ("served", served), *report.baselines.items())
    }


def _together(done: list[tuple[str, int]], splits: "Splits", base: "Base") -> dict[str, float]:
    """The accuracy of the seeds of a way as one, where all are trained, by their references joined with +."""
    from adapters.format.files import read
    from hub import Hub, Registry

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        hub = Hub(Path(folder, "hub"), create=True)
        registry = Registry(hub, base)
        for way in WAYS:
            own = [_folder(way, seed) for seed in SEEDS if (way, seed) in done]
            if len(own) == len(SEEDS):
                names = [hub.publish(read(each), f"bench/{each.name}/behavior").reference for each in own]
                answers = registry.analyze("+".join(names), [each.fields["text"] for each in splits.test])
                right = [
                    answer.label == splits.labels[each.label]
                    for each, answer in zip(splits.test, answers, strict=True)
                    if isinstance(each.label, int)
                ]
                found[way] = round(sum(right) / len(right), 4)
        registry.close()
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
