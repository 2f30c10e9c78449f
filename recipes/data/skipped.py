"""The rows that `data.skip_bad_rows` leaves out, listed beside the report: a line of JSON for each fault.

{"file": "clicks.csv", "line": 812, "column": "clicked", "what": "'maybe'; expected 0 or 1", "fix": "Write 0 or 1, ..."}
"""

import json
from collections.abc import Sequence
from pathlib import Path

from recipes.errors import Problem, printable

SKIPPED = "skipped.jsonl"


def write_skipped(skipped: Sequence[Problem], folder: Path) -> None:
    """List them in the folder; where there are none, the list of an earlier training goes."""
    path = folder / SKIPPED
    if not skipped:
        path.unlink(missing_ok=True)
        return
    path.write_text("".join(map(_line, skipped)), encoding="utf-8")


def _line(problem: Problem) -> str:
    about = {
        "file": Path(problem.file).name,
        "line": problem.line,
        "column": problem.column,
        "what": problem.what,
        "fix": problem.fix,
    }
    return printable(json.dumps(about, ensure_ascii=False)) + "\n"
