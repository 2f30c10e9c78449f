"""How fast a client's file is read, checked, split and profiled, and in how much memory: `python -m benchmarks.data`.

A generated log of a million rows (user, ad, clicked), as CSV and as JSONL; each is measured in a process of its own, so
that its peak of memory is its own. The profile is the one of `repertoire profile`, without counting tokens.
"""

import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.measure import machine, now, versions

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "data.json"
ROWS = 1_000_000
USERS, ADS, CLICKS = 100_000, 500, 0.02
_THINGS = "trail shoes,socks,a kettle,running watch,yoga mat,headphones,a desk lamp,green tea,a tent,sunglasses".split(
    ","
)
_DONE = ("searched", "bought", "looked at", "put back", "asked about")


def main() -> int:
    """Generate, measure and write the result."""
    about = machine()
    result: dict[str, Any] = {"benchmark": "data", "command": "python -m benchmarks.data", "rows": ROWS}
    with tempfile.TemporaryDirectory() as folder:
        for path in (Path(folder, "clicks.csv"), Path(folder, "clicks.jsonl")):
            write(path)
            measured = [sys.executable, "-m", "benchmarks.data", str(path)]
            done = subprocess.run(measured, cwd=ROOT, capture_output=True, text=True, check=True)
            result[path.suffix[1:]] = json.loads(done.stdout)
    result |= {
        "machine": about,
        "versions": versions("numpy", "phonenumbers", "py3langid", "rich"),
        "date": now(),
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0


def rows() -> Iterator[dict[str, Any]]:
    """The same rows at every call: each user has one history; `CLICKS` of the rows are clicked."""
    stream = random.Random(0)
    users = [
        "; ".join(f"{stream.choice(_DONE)} {stream.choice(_THINGS)} ({number})" for _ in range(3))
        for number in range(USERS)
    ]
    ads = [f"{stream.choice(_THINGS)}, {stream.randrange(5, 50)}% off until day {n}" for n in range(ADS)]
    for _ in range(ROWS):
        yield {
            "user": stream.choice(users),
            "ad": stream.choice(ads),
            "clicked": int(stream.random() < CLICKS),
        }


def write(path: Path) -> None:
    """The rows as CSV or JSONL."""
    with path.open("w", newline="", encoding="utf-8") as file:
        if path.suffix == ".csv":
            writer = csv.DictWriter(file, ("user", "ad", "clicked"))
            writer.writeheader()
            writer.writerows(rows())
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows())


def measure(path: Path) -> dict[str, Any]:
    """Seconds, rows a second and the peak of this process's memory: of checking each row of one file and holding none,
    of checking and splitting it, and of its profile."""
    from recipes.data.load import check, load_splits
    from recipes.data.profiling import profile
    from recipes.recipe import Recipe

    recipe = Recipe.load("recommendation")
    before = _peak()
    result: dict[str, Any] = {"file MiB": round(path.stat().st_size / 2**20, 1), "imports, peak MiB": before}

    def keep(name: str, began: float) -> None:
        seconds = perf_counter() - began
        result[name] = {
            "seconds": round(seconds, 1),
            "rows a second": round(ROWS / seconds),
            "peak MiB": _peak(),
        }

    began = perf_counter()
    check(recipe, path)
    keep("check", began)
    began = perf_counter()
    splits = load_splits(recipe, path)
    keep("check and split", began)
    began = perf_counter()
    profile(splits, recipe)
    keep("profile", began)
    return result


def _peak() -> int:
    """The most resident memory that this process has had, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    sys.exit(print(json.dumps(measure(Path(sys.argv[1])))) if len(sys.argv) > 1 else main())
