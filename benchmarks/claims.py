"""How many false claims of ad copy are found: `python -m benchmarks.claims`, a few seconds.

Of references that name a value of their product, that value is changed in the product for another one of its key, or
taken out; what the reference says of it is then a false claim. By numbers and names alone, and with what the training
rows show (`recipes.measure.sayings`); and how many references contradict the product that they were written for.

Results go to benchmarks/results/claims.json.
"""

import csv
import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import now
from benchmarks.real_data import ROOT
from benchmarks.runs import DATA

RESULT = Path("benchmarks", "results", "claims.json")
SAMPLE = 1000  # references
Rows = list[tuple[str, str]]
"""(product, copy)."""


def restaurants() -> tuple[Rows, Rows]:
    """Rows of e2e_en to learn from, and others to find claims in; no product is in both."""

    def rows(name: str) -> Rows:
        with (ROOT / DATA / "e2e_en" / name).open(encoding="utf-8", newline="") as file:
            return [(row["mr"], row["ref"]) for row in csv.DictReader(file)]

    return rows("devel-fixed.no-ol.csv"), rows("test-fixed.csv")


def clothes() -> tuple[Rows, Rows]:
    """Those of advertisegen_zh: every fifth product is for finding."""
    lines = (ROOT / DATA / "advertisegen_zh" / "dev.json").read_text(encoding="utf-8").splitlines()
    rows = [(row["content"], row["summary"]) for row in map(json.loads, lines)]
    held = set(sorted({product for product, _ in rows})[::5])
    return [row for row in rows if row[0] not in held], [row for row in rows if row[0] in held]


SETS: dict[str, tuple[Callable[[], tuple[Rows, Rows]], Callable[[str, str], str], str]] = {
    "e2e_en": (restaurants, lambda key, value: f"{key}[{value}]", ", "),
    "advertisegen_zh": (clothes, lambda key, value: f"{key}#{value}", "*"),
}


def main() -> int:
    """Measure what is there; print a line for each set and number of rows."""
    found: dict[str, Any] = {}
    for name, (load, written, between) in SETS.items():
        if not (ROOT / DATA / name).is_dir():
            print(f"{name}: skipped, it is not in {DATA}")
            continue
        train, test = load()
        random.Random(0).shuffle(train)
        for most in (300, len(train)):
            key = f"{name}, {most:,} rows"
            found[key] = measured(train[:most], test, written, between)
            print(key, json.dumps(found[key]))
    result = {"found": found, "date": now()}
    (ROOT / RESULT).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


def measured(
    train: Rows, test: Rows, written: Callable[[str, str], str], between: str
) -> dict[str, dict[str, float]]:
    """Shares of references with a claim that is found. written, between: how a product is spelled."""
    from recipes.measure.sayings import Sayings

    stream = random.Random(1)
    sample = stream.sample(test, min(SAMPLE, len(test)))
    cases = {"as it is": sample, "changed": [], "taken out": []}
    for product, copy in sample:
        for case, other in _falsified(product, copy, test, stream):
            cases[case].append((between.join(written(*pair) for pair in other), copy))
    ways = {"numbers and names": Sayings(), "with sayings": Sayings.learn(train)}
    return {
        way: {
            case: round(sum(len(sayings.claims(copy, product)) > 0 for product, copy in rows) / len(rows), 3)
            for case, rows in cases.items()
        }
        | {"rows": len(sample), "changed rows": len(cases["changed"])}
        for way, sayings in ways.items()
    }


def _falsified(
    product: str, copy: str, test: Rows, stream: random.Random
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A value that the copy names, changed for that of another product, and taken out."""
    from recipes.measure.claims import attributes, coverage

    pairs = attributes(product)
    at = stream.randrange(len(pairs))
    key, value = pairs[at]
    if coverage(copy, f"{key}[{value}]") != 1:
        return
    rest = [pair for pair in pairs if pair[0] != key]
    if rest:
        yield "taken out", rest
    for other, _ in stream.sample(test, min(50, len(test))):
        for theirs, new in attributes(other):
            if theirs == key and (key, new) not in pairs:
                yield "changed", [*rest, (key, new)]
                return


if __name__ == "__main__":
    sys.exit(main())
