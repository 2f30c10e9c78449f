"""Snapshots of a run: a folder for each, written whole or not at all, so that a run can be killed at any moment.

    STATE/000012/run.json              which jobs, who runs, who waits, who is done
    STATE/000012/0003.safetensors      tensors of job 3, while it runs
    STATE/group-0002/000007/           the same of one group, where workers train a night's groups side by side

A snapshot is written beside the others and moved into its place when all of it is on disk; then the older ones go.

What goes on from one is `recipes.runs.run`.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor

_MANIFEST = "run.json"
_GROUP = "group-"


def of_group(folder: Path, number: int) -> Path:
    """Where the snapshots of one group of a night lie, which some worker trains by itself."""
    return folder / f"{_GROUP}{number:04d}"


def is_of_groups(folder: Path) -> bool:
    """Whether the snapshots in a folder are those of groups that workers train."""
    return folder.is_dir() and any(path.name.startswith(_GROUP) for path in folder.iterdir())


def newest(folder: Path) -> int:
    """The number of the last snapshot of a run, 0 where there is none. It only grows."""
    return max(_numbers(folder), default=0)


def save(folder: Path, manifest: Mapping[str, Any], tensors: Mapping[int, Mapping[str, Tensor]]) -> None:
    """Write the next snapshot. Raises OSError, such as for a full disk; the last snapshot is there then."""
    folder.mkdir(parents=True, exist_ok=True)
    earlier = _numbers(folder)
    number = (earlier[-1] if earlier else 0) + 1
    begun = folder / f".{number:06d}"
    shutil.rmtree(begun, ignore_errors=True)
    begun.mkdir()
    for job, own in tensors.items():
        data = serialize({name: value.contiguous() for name, value in own.items()})
        (begun / f"{job:04d}.safetensors").write_bytes(data)
    (begun / _MANIFEST).write_text(json.dumps(manifest))
    for path in begun.iterdir():
        _sync(path)
    _sync(begun)
    begun.rename(folder / f"{number:06d}")
    _sync(folder)
    for old in earlier:
        shutil.rmtree(folder / f"{old:06d}", ignore_errors=True)


def load(folder: Path) -> tuple[dict[str, Any], dict[int, dict[str, Tensor]]] | None:
    """The newest snapshot: its manifest, and the tensors of each running job; None where there is none."""
    number = newest(folder)
    if not number:
        return None
    last = folder / f"{number:06d}"
    manifest = json.loads((last / _MANIFEST).read_text())
    return manifest, {int(path.stem): load_file(path) for path in last.glob("*.safetensors")}


@dataclass(frozen=True)
class Kept:
    """What the newest snapshot of a run holds, in numbers. done: jobs that are trained and written. steps: optimizer
    steps that each of the running ones has taken. at: when it was written."""

    done: int
    steps: tuple[int, ...]
    at: datetime

    @property
    def told(self) -> str:
        """Such as "the snapshot of 12:31:05, with 2 jobs under way (steps 120, 80)"."""
        count = len(self.steps)
        steps = f"step{'s' * (count > 1)} {', '.join(map(str, self.steps))}"
        under_way = f", with {count} {'job' if count == 1 else 'jobs'} under way ({steps})" if count else ""
        return f"the snapshot of {self.at:%H:%M:%S}{under_way}"


def last_snapshot(folder: Path) -> Kept | None:
    """What is kept of a run, of all its groups together; None where there is no snapshot. No weight is read."""
    parts = sorted(folder.glob(f"{_GROUP}[0-9]*")) if folder.is_dir() else []
    done, steps, at = 0, [], 0.0
    for part in [folder, *parts]:
        if not (number := newest(part)):
            continue
        manifest = part / f"{number:06d}" / _MANIFEST
        found = json.loads(manifest.read_text())
        done += len(found["done"])
        steps += [entry["job"]["step"] for entry in found["running"]]
        at = max(at, manifest.stat().st_mtime)
    return Kept(done, tuple(steps), datetime.fromtimestamp(at)) if at else None


def forget(folder: Path) -> None:
    """Remove a run's snapshots."""
    shutil.rmtree(folder, ignore_errors=True)


def _numbers(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
