"""Do augmentation, adversarial steps, a head that starts at a linear probe, and ensembles help? banking77 with 10 rows
per intent on the MiniLM encoder, three seeds of each, all trained together as one night.

    python -m benchmarks.techniques      about forty minutes on one core; Debian's wordnet-base gives the synonyms

All train for about the same number of steps: a copy of each row, with words left out or with synonyms, halves the
epochs; a step with `fgm` costs two passes. Of the lengths of FGM's step that are tried, the one with the best mean on
the validation rows is told as `fgm`. The training itself measures a tenth of the test rows, to save time; here every
adapter is asked about all of them. Adapters are kept in build/benchmarks/techniques and not trained again, and a night
that was stopped goes on; results go to benchmarks/results/techniques.json.
"""

import csv
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from benchmarks import minilm, wordnet
from benchmarks.measure import machine, now, versions
from benchmarks.real_data import ROOT, skipped
from benchmarks.runs import DATA, RUNS

if TYPE_CHECKING:
    from adapters import Base

FGM = (0.2, 1.0)
SYNONYMS = Path("build", "benchmarks", "techniques-synonyms.txt")
WAYS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "probe": {"head.init": "probe", "train.head_learning_rate": None},
    "dropout": {"train.epochs": 3, "data.augment.dropout": 0.1},
    "synonyms": {"train.epochs": 3, "data.augment.synonyms": str(SYNONYMS)},
    **{f"fgm {length}": {"train.fgm": length} for length in FGM},
}
PLAIN: Mapping[str, Any] = {
    "train.epochs": 6,
    "train.learning_rate": 2e-3,
    "head.init": "random",
    "train.head_learning_rate": 1e-2,
}
SEEDS = (0, 1, 2)
OUT = Path("build", "benchmarks", "techniques")
TEST = Path("build", "benchmarks", "techniques-test.csv")

Rows = list[dict[str, str]]


def main() -> int:
    """Train what is not there yet, ask each adapter, and keep the accuracies of each and of their means."""
    (run,) = [run for run in RUNS if run.name == "banking77-10-minilm"]
    reason, encoder = skipped(run), minilm.folder()
    if reason is None and not wordnet.FOLDER.is_dir():
        reason = f"there are no synonyms; install Debian's {wordnet.PACKAGE}"
    if reason is not None or encoder is None:
        print(f"skipped, {reason}")
        return 0
    from adapters import load_base
    from adapters.format.files import read

    test, about, base = _rows("test.csv"), machine(), load_base(str(encoder), "nf4")
    _write_some(test)
    synonyms = wordnet.groups(row["text"] for row in _rows("train.csv"))
    (ROOT / SYNONYMS).write_text("".join(", ".join(group) + "\n" for group in synonyms), encoding="utf-8")
    _train(run.settings, base)
    reports = {name: read(ROOT / OUT / name).info["report"] for name in _names(WAYS)}
    validation = {
        name: max(entry["accuracy"] for entry in report["history"]) for name, report in reports.items()
    }
    means = {way: round(mean(validation[name] for name in _names([way])), 4) for way in WAYS}
    result = {
        "accuracy": _accuracies(_ask(base, test), [row["category"] for row in test]),
        "test rows": len(test),
        "mean validation accuracy": means,
        "fgm": max((f"fgm {length}" for length in FGM), key=lambda way: means[way]),
        "machine": about,
        "versions": versions("torch", "transformers"),
        "date": now(),
    }
    path = ROOT / "benchmarks" / "results" / "techniques.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({key: result[key] for key in ("accuracy", "mean validation accuracy", "fgm")}, indent=2))
    return 0


def _names(ways: Sequence[str] | Mapping[str, Any]) -> list[str]:
    return [f"{way}-{seed}".replace(" ", "-") for way in ways for seed in SEEDS]


def _train(settings: Mapping[str, Any], base: "Base") -> None:
    from recipes import Order, Recipe, Settings, train_many

    train, columns = ROOT / DATA / "banking77" / "train.csv", {"label": "category"}
    orders = []
    for way, changes in WAYS.items():
        for seed, name in zip(SEEDS, _names([way]), strict=True):
            own = {
                **settings,
                "train.evaluate_every": 147,
                **PLAIN,
                **changes,
                "blend": False,  # what is measured is the adapter
                "train.seed": seed,
                "data.columns": columns,
            }
            recipe = Recipe.load("behavior", **own)
            orders.append(Order(recipe, train, test=ROOT / TEST, out=ROOT / OUT / name, name=name))
    if all((ROOT / OUT / name / "adapter_config.json").is_file() for name in _names(WAYS)):
        return
    found = train_many(orders, base, progress=True, settings=Settings(state=ROOT / OUT / "state"))
    for name, result in zip(_names(WAYS), found, strict=True):
        if isinstance(result, Exception):
            raise RuntimeError(f"{name}: {result}") from result


def _rows(name: str) -> Rows:
    with (ROOT / DATA / "banking77" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _write_some(test: Rows) -> None:
    """A tenth of the test rows, and all whose text stands in the training file, so that none of these is trained on."""
    trained = {row["text"].strip() for row in _rows("train.csv")}
    (ROOT / TEST).parent.mkdir(parents=True, exist_ok=True)
    with (ROOT / TEST).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(test[0]))
        writer.writeheader()
        writer.writerows(
            row for place, row in enumerate(test) if place % 10 == 0 or row["text"].strip() in trained
        )


def _ask(base: "Base", test: Rows) -> dict[str, list[Mapping[str, float]]]:
    """Adapter -> the probabilities that it gives each test row."""
    from adapters.format.files import read
    from hub import Hub, Registry

    with tempfile.TemporaryDirectory() as folder:
        hub = Hub(Path(folder) / "hub")
        registry = Registry(hub, base)
        found = {}
        for name in _names(WAYS):
            reference = hub.publish(read(ROOT / OUT / name), f"bench/{name}/behavior").reference
            answers = registry.analyze(reference, [row["text"] for row in test])
            found[name] = [answer.probabilities for answer in answers]
        registry.close()
    return found


def _accuracies(
    found: Mapping[str, Sequence[Mapping[str, float]]], labels: Sequence[str]
) -> dict[str, float]:
    """Of each adapter, of the seeds of a way as one, and of all as one. An ensemble answers with the mean of what its
    members answer, as tests/hub/test_registry.py shows, so that nothing has to be asked twice."""
    ensembles = {name: [name] for name in found}
    ensembles |= {f"{way}, seeds as one": _names([way]) for way in WAYS}
    ensembles["all as one"] = [*found]
    result = {}
    for told, names in ensembles.items():
        right = 0
        for place, label in enumerate(labels):
            shares = [found[name][place] for name in names]
            right += label == max(shares[0], key=lambda each: sum(share[each] for share in shares))
        result[told] = round(right / len(labels), 4)
    return result


if __name__ == "__main__":
    sys.exit(main())
