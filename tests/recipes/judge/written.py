"""What adapters carried as `info` before reports had a format: written by version 0.1, numbers and lists shortened."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("before_formats")
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def info(name: str) -> dict[str, Any]:
    """As it is read from the weights' file, with NaN where a number was not defined."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found
