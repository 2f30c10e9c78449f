"""Whole hubs, drawn and damaged: `python -m benchmarks.whole_hubs --budget 30`.

Each seed is one hub of a few versions, damaged in one to four places, and held to what `tests/hub/whole_hubs.py` lists.
A run goes on after the last seed of the one before; what did not hold is kept with its seed, and makes the exit code 1.
"""

import argparse
import json
import logging
import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import monotonic, process_time
from typing import Any

from benchmarks.measure import machine, now
from tests.hub.hub_damages import DAMAGES
from tests.hub.whole_hubs import STEPS, Plan, examine

RESULT = Path(__file__).parent / "results" / "whole-hubs.json"


def plan_of(seed: int) -> Plan:
    """One hub."""
    draw = random.Random(seed)
    steps = tuple((draw.choice(STEPS), draw.randrange(2**32)) for _ in range(draw.randint(2, 9)))
    damages = tuple((draw.choice(DAMAGES), draw.randrange(2**32)) for _ in range(draw.randint(1, 4)))
    return Plan(steps, damages, draw.random() < 0.4)


def main(arguments: list[str]) -> int:
    """Hubs until the minutes are over."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--budget", type=float, default=30.0, help="minutes")
    parser.add_argument("--again", action="store_true", help="forget what was found before")
    given = parser.parse_args(arguments)
    until, spent = monotonic() + given.budget * 60, process_time()
    kept: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.is_file() and not given.again else {}
    hubs, failed = kept.get("hubs", 0), kept.get("did not hold", {})
    kinds = Counter(kept.get("damages", {}))
    logging.disable(logging.CRITICAL)
    os.fsync = lambda descriptor: None  # type: ignore[assignment]  # no power is cut here
    while monotonic() < until:
        plan = plan_of(hubs)
        kinds.update(kind for kind, _ in plan.damages)
        with tempfile.TemporaryDirectory() as folder:
            try:
                examine(Path(folder, "hub"), plan)
            except Exception as error:
                failed[str(hubs)] = repr(error)[:2000]
        hubs += 1
    result = {
        "benchmark": "whole_hubs",
        "command": "python -m benchmarks.whole_hubs",
        "hubs": hubs,
        "damages": dict(sorted(kinds.items())),
        "did not hold": failed,
        "CPU seconds": round(kept.get("CPU seconds", 0) + process_time() - spent),
        "machine": machine(),
        "date": now(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"{hubs} hubs; {len(failed)} did not hold: {failed}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
