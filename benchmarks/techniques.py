"""Do word dropout and ensembles help? banking77 with 10 rows per intent on the MiniLM encoder, two seeds of each.

    python -m benchmarks.techniques      about ten minutes on one core

All train for about the same number of steps: dropout doubles the rows and so halves the epochs. The training command
itself measures a tenth of the test rows, to save time; here every adapter is asked about all of them. Adapters are kept
in build/benchmarks/techniques and not trained again; results go to benchmarks/results/techniques.json.
"""

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import minilm
from benchmarks.measure import machine, now, versions
from benchmarks.real_data import ROOT, skipped
from benchmarks.runs import DATA, RUNS

WAYS: Mapping[str, Mapping[str, Any]] = {
    "plain": {"train.epochs": 6},
    "dropout": {"train.epochs": 3, "data.augment.dropout": 0.1},
}
SEEDS = (0, 1)
OUT = Path("build", "benchmarks", "techniques")
TEST = Path("build", "benchmarks", "techniques-test.csv")

Rows = list[dict[str, str]]


def main() -> int:
    """Train what is not there yet, ask each adapter, and keep the accuracies of each and of their means."""
    (run,) = [run for run in RUNS if run.name == "banking77-10-minilm"]
    reason, encoder = skipped(run), minilm.folder()
    if reason is not None or encoder is None:
        print(f"skipped, {reason}")
        return 0
    test = _rows("test.csv")
    _write_some(test)
    for way, settings in WAYS.items():
        for seed in SEEDS:
            out = OUT / f"{way}-{seed}"
            if (ROOT / out / "adapter_config.json").is_file():
                continue
            print(f"training {out.name} ...", flush=True)
            changes = {**run.settings, "train.evaluate_every": 300, **settings, "train.seed": seed}
            changed = replace(run, base=str(encoder), test=str(TEST), settings=changes)
            command = [str(Path(sys.executable).with_name("repertoire")), *changed.arguments()]
            subprocess.run([*command, "--out", str(out)], cwd=ROOT, check=True, capture_output=True)
    result = {
        "accuracy": _accuracies(_ask(encoder, test), [row["category"] for row in test]),
        "test rows": len(test),
        "machine": machine(),
        "versions": versions("torch", "transformers"),
        "date": now(),
    }
    path = ROOT / "benchmarks" / "results" / "techniques.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result["accuracy"], indent=2))
    return 0


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


def _ask(encoder: Path, test: Rows) -> dict[str, list[Mapping[str, float]]]:
    """Adapter -> the probabilities that it gives each test row."""
    from adapters import load_base
    from adapters.files import read
    from hub import Hub, Registry

    with tempfile.TemporaryDirectory() as folder:
        hub = Hub(Path(folder) / "hub")
        registry = Registry(hub, load_base(str(encoder), "nf4"))
        found = {}
        for name in (f"{way}-{seed}" for way in WAYS for seed in SEEDS):
            reference = hub.publish(read(ROOT / OUT / name), f"bench/{name}/behavior").reference
            answers = registry.analyze(reference, [row["text"] for row in test])
            found[name] = [answer.probabilities for answer in answers]
        registry.close()
    return found


def _accuracies(
    found: Mapping[str, Sequence[Mapping[str, float]]], labels: Sequence[str]
) -> dict[str, float]:
    """Of each adapter, of both seeds of a way as one, and of all as one. An ensemble answers with the mean of what its
    members answer, as tests/hub/test_registry.py shows, so that nothing has to be asked twice."""
    ensembles = [[name] for name in found]
    ensembles += [[f"{way}-{seed}" for seed in SEEDS] for way in WAYS]
    ensembles.append([*found])
    result = {}
    for names in ensembles:
        right = 0
        for place, label in enumerate(labels):
            shares = [found[name][place] for name in names]
            right += label == max(shares[0], key=lambda each: sum(share[each] for share in shares))
        result[" + ".join(names)] = round(right / len(labels), 4)
    return result


if __name__ == "__main__":
    sys.exit(main())
