"""What `presets` and `defaults` share: cells of a base, a set and more, measured one after the other until a budget is
spent, and kept as each is done."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from benchmarks.measure import machine, now, versions
from benchmarks.preset_sets import SETS
from benchmarks.real_data import ROOT
from benchmarks.runs import BASES, DATA

if TYPE_CHECKING:
    from adapters import Base


def options(about: str | None) -> argparse.ArgumentParser:
    """What either command takes."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--budget", type=float, default=10.0, help="minutes")
    parser.add_argument(
        "--bases", type=Path, default=ROOT / BASES, help="a folder with a folder for each base"
    )
    parser.add_argument("--only", default="", help="cells with this in their key, such as 'e5, lora'")
    parser.add_argument("--table", action="store_true", help="run nothing")
    return parser


def missing() -> str:
    """The sets whose data is not there."""
    return ", ".join(name for name, each in SETS.items() if not (ROOT / DATA / each.source).is_file())


class Bases:
    """Bases by name, of which one is loaded at a time: the starter and those of a folder. more: name -> folder."""

    def __init__(self, folder: Path, more: Mapping[str, Path] | None = None) -> None:
        found = {each.parent.name: each.parent for each in sorted(folder.glob("*/config.json"))}
        self._places: dict[str, Path | str] = {"starter": "starter", **(more or {}), **found}
        self._loaded: dict[str, Base] = {}

    @property
    def names(self) -> list[str]:
        """The starter first."""
        return list(self._places)

    def load(self, name: str) -> "Base":
        """Unquantized."""
        from adapters import load_base

        if name not in self._loaded:
            self._loaded.clear()
            self._loaded[name] = load_base(str(self._places[name]), "none")
        return self._loaded[name]


def read(path: Path) -> dict[str, Any]:
    """A file of results, with its "cells"."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"cells": {}}
    return found


def fill(
    path: Path,
    result: dict[str, Any],
    cells: dict[str, Any],
    every: Sequence[tuple[Any, ...]],
    measured: Callable[..., dict[str, Any]],
    given: argparse.Namespace,
    about: str,
    came_to: str = "came to",
) -> None:
    """Measure what is not there yet.

    Args:
        path: of the file, written after each cell.
        result: what it holds.
        cells: the part of it that grows.
        every: the cells, as the arguments of `measured`.
        measured: gives plain JSON, with "cpu seconds".
        given: of `options`.
        about: what a key consists of.
        came_to: under which name it is said how many cells are there.
    """
    until = monotonic() + 60 * given.budget
    for cell in every:
        key = ", ".join(map(str, cell))
        if given.only not in key or key in cells or monotonic() > until:
            continue
        cells[key] = measured(*cell)
        done = sum(", ".join(map(str, each)) in cells for each in every)
        result |= {
            "key": about,
            came_to: f"{done} of {len(every)} cells",
            "date": now(),
            "machine": machine(),
            "versions": versions("torch", "transformers", "scikit-learn"),
        }
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        told = [cells[key]["verdict"]] if "verdict" in cells[key] else []
        print(key, *told, f"{cells[key]['cpu seconds']} CPU s", flush=True)
