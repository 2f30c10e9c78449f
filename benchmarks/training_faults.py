"""Faults of a training on purpose, and what is there afterwards: `python -m benchmarks.training_faults`.

    python -m benchmarks.training_faults --budget 60     all of them; kills for as long as is left
    python -m benchmarks.training_faults interrupted     one of them; the others keep their last result

Each adds its cases to a result in benchmarks/results/training-faults.json, and the table in docs/how-to/train.md is
made again. The scenarios lie in tests/recipes/runs/faults.py, where the tests run them short.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

from benchmarks.measure import machine, now, versions
from tests.recipes.runs import faults
from tests.recipes.runs.faults import Counts
from tests.recipes.runs.no_room import each_write

_ROOT = Path(__file__).parents[1]
RESULTS = _ROOT / "benchmarks" / "results" / "training-faults.json"
PAGE = _ROOT / "docs" / "how-to" / "train.md"
_TABLE = re.compile(r"(<!-- made by python -m benchmarks\.training_faults -->\n).*?(\n\n)", re.DOTALL)
_ROUNDS, _WARM, _MANY = 25, 3, 500


def _interrupted(root: Path, ends: float) -> dict[str, Any]:
    """a night of 8 jobs (LoRA, DoRA, AdaLoRA, Prefix, ad copy by both, 8-bit moments), ended one to three times at
    random by SIGKILL, SIGTERM and Ctrl-C, and resumed: bits compared"""
    seed = int(perf_counter() * 1000)
    return asdict(faults.interrupted(faults.whole(root), root, 10**6, seed, ends))


def _no_room(root: Path, _: float) -> dict[str, Any]:
    """each single write of a night of 2 jobs finds the disk full, once and from then on; gone on with when there is
    room"""
    return asdict(each_write(root))


def _changed(root: Path, _: float) -> dict[str, Any]:
    """data that were changed, added to, cut or taken away before the resume"""
    return asdict(faults.changed(faults.whole(root), root / "out"))


def _odd(root: Path, _: float) -> dict[str, Any]:
    """learning rates of 1e6 and 1e30, features and outcomes of NaN and infinity, beside a good job"""
    return asdict(faults.odd(root))


def _one_place(root: Path, _: float) -> dict[str, Any]:
    """two runs begun at once with one --out"""
    return asdict(faults.one_place(root, 10))


def _many(root: Path, _: float) -> dict[str, Any]:
    """500 jobs at once on one base, one of them without its data"""
    return asdict(faults.many(root, _MANY))


def _one_after_another(root: Path, _: float) -> dict[str, Any]:
    """200 trainings of all kinds one after another in one process"""
    counts, *held = faults.one_after_another(root, _ROUNDS, _WARM)
    trained = (_WARM * len(faults.ALL), counts.cases)
    return {
        **asdict(counts),
        **{f"objects after {count}": each.objects for count, each in zip(trained, held, strict=True)},
        **{f"bytes after {count}": each.resident for count, each in zip(trained, held, strict=True)},
    }


_ALL: dict[str, Callable[[Path, float], dict[str, Any]]] = {
    "changed": _changed,
    "odd": _odd,
    "one-place": _one_place,
    "one-after-another": _one_after_another,
    "many": _many,
    "no-room": _no_room,
    "interrupted": _interrupted,
}
_ADDS_UP = ("interrupted",)
"""Goes on for as long as it is told, and its cases add up over several runs."""


def main() -> int:
    """Run what is named (all, if nothing is); 1 where anything came of it that must not."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("names", nargs="*", choices=[[], *_ALL], metavar="NAME")
    options.add_argument("--budget", type=float, default=60.0, metavar="MINUTES")
    given = options.parse_args()
    began, names = monotonic(), list(given.names or _ALL)
    bad = 0
    for name in names:
        left = 60 * given.budget - (monotonic() - began)
        share = left / len([each for each in names[names.index(name) :] if each in _ADDS_UP] or [1])
        seconds = perf_counter()
        with tempfile.TemporaryDirectory() as root:
            counts = _ALL[name](Path(root), monotonic() + share)
        bad += sum(counts[each] for each in Counts().faults())
        # Only now: another one may have been run meanwhile.
        known: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
        if name in _ADDS_UP and name in known:
            counts = {key: value + known[name][key] for key, value in counts.items()}
        known[name] = {
            "what": " ".join((_ALL[name].__doc__ or "").split()),
            **counts,
            "seconds": round(perf_counter() - seconds),
            "machine": machine(),
            "versions": versions("torch", "transformers"),
            "date": now(),
        }
        results = {each: known[each] for each in _ALL if each in known}
        RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        write_table(results)
        print(f"{name}: {counts}", flush=True)
    return int(bad > 0)


def write_table(results: Mapping[str, Mapping[str, Any]]) -> None:
    """Put the results into the page, in place of what stands there."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_TABLE.sub(lambda found: found[1] + table(results) + found[2], page), encoding="utf-8")


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The results as Markdown."""
    faulty = list(Counts().faults())
    rows = [["fault", "cases", *faulty], ["---", *["---:"] * (1 + len(faulty))]]
    for found in results.values():
        what = str(found["what"])
        after = {key: value for key, value in found.items() if " after " in key}
        if after:
            what += ": " + ", ".join(
                f"{value / 1e6:,.0f} MB{key.removeprefix('bytes')}"
                if key.startswith("bytes")
                else f"{value:,} {key}"
                for key, value in after.items()
            )
        rows.append([what, *(f"{found[key]:,}" for key in ("cases", *faulty))])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
