"""A disk that is full at the n-th thing that is written to it, once or from then on: half of what is written arrives.
No small file system need be mounted for it, and it comes at each single write of a training."""

import builtins
import errno
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

from adapters import Adapter
from recipes import Settings, train_many
from recipes.errors import TrainingError
from tests.recipes.runs.faults import Counts, base, data, orders, plain_pages

_CALLS = ("fsync", "mkdir", "rename", "replace", "link", "symlink")


class Disk:
    """Counts what is written, and is full at one of these.

    at: which one, from 1; 0 for none. once: whether there is room again afterwards.
    """

    def __init__(self, at: int = 0, once: bool = False) -> None:
        self.at, self.once, self.written = at, once, 0

    def full(self) -> bool:
        """Asked once for each write."""
        self.written += 1
        return self.at > 0 and (self.written == self.at if self.once else self.written >= self.at)


class _File:
    """A file that is open for writing, on such a disk."""

    def __init__(self, file: Any, disk: Disk) -> None:
        self._file, self._disk = file, disk

    def write(self, data: Any) -> Any:
        if self._disk.full():
            self._file.write(data[: len(data) // 2])
            raise _no_space()
        return self._file.write(data)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def disk(own: Disk) -> Iterator[Disk]:
    """All that this process writes goes to it, while active."""
    real: dict[str, Any] = {name: getattr(os, name) for name in _CALLS}
    opened = io.open

    def wrapped(call: Any) -> Any:
        def checked(*given: Any, **options: Any) -> Any:
            there = call is real["mkdir"] and os.path.isdir(given[0])  # nothing is written then
            if not there and own.full():
                raise _no_space()
            return call(*given, **options)

        return checked

    def opening(file: Any, mode: str = "r", *given: Any, **options: Any) -> Any:
        if not set(mode) & set("wax+"):
            return opened(file, mode, *given, **options)
        if own.full():
            raise _no_space()
        return _File(opened(file, mode, *given, **options), own)

    for name, call in real.items():
        setattr(os, name, wrapped(call))
    io.open = builtins.open = opening  # type: ignore[assignment]
    try:
        yield own
    finally:
        for name, call in real.items():
            setattr(os, name, call)
        io.open = builtins.open = opened


def each_write(root: Path, names: Sequence[str] = ("lora", "copy"), every: int = 1) -> Counts:
    """A training of jobs of `faults.recipes`, with a snapshot after every turn: each of its writes, or one in so
    many, finds no room, once and from then on. The jobs that could not be written say so, and with room again the
    run comes through, with the same bits."""
    counts, folder, own = Counts(), data(root / "data"), base()
    said = io.StringIO()

    def train(out: Path) -> list[Any]:
        asked = orders(folder, out, names, **{"train.max_steps": 2})
        with redirect_stderr(said):
            return list(train_many(asked, own, settings=Settings(state=out / "state", snapshot_seconds=0)))

    with plain_pages():
        train(root / "first")  # libraries write their own caches in it
        with disk(Disk()) as roomy:
            assert all(isinstance(each, Adapter) for each in train(root / "whole"))
        for at in range(1, roomy.written + 1, every):
            for once in (True, False):
                out = root / f"{at}-{once}"
                counts.cases += 1
                said.truncate(0)
                try:
                    with disk(Disk(at, once)):
                        found = train(out)
                except Exception:
                    counts.untold += 1
                    continue
                told = [each for each in found if not isinstance(each, Adapter)]
                for error in told:
                    counts.untold += not (isinstance(error, TrainingError) and "No space left" in str(error))
                counts.untold += not told and "No snapshot could be written" not in said.getvalue()
                if told:
                    counts.stuck += not all(isinstance(each, Adapter) for each in train(out))
                counts.stuck += (out / "state").exists()
                counts.compare(root / "whole", out, names)
    return counts


def _no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
