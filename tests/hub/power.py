"""A disk that loses power: what was not synced may be there afterwards, or not.

    a file        its content as of its last fsync; never synced: nothing, a part, or all of it
    a folder      its entries as of its last fsync; of every later change each may have happened, or not

Harsher than real file systems, which keep some order among changes.
"""

import os
import random
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

_CALLS = ("open", "fsync", "link", "unlink", "rename", "replace", "mkdir", "rmdir")


class PowerCut(BaseException):
    """The lights are out: no handler may catch this, and no call works after it."""


class Disk:
    """Everything under `root`, which is on disk for good when this begins. Power fails instead of the n-th call."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.root, self.at, self.calls = root, at, 0
        self._lock = threading.Lock()
        self._contents: dict[int, bytes] = {}
        self._entries: dict[int, dict[str, int]] = {}
        for path in [root, *root.rglob("*")]:
            self._keep(path)
        self._real = {name: getattr(os, name) for name in _CALLS}
        for name in _CALLS:
            monkeypatch.setattr(os, name, self._wrap(name))

    def after(self, target: Path, seed: int) -> None:
        """Write what may be found when power is back."""
        self._write(self.root, target, random.Random(seed))

    def _write(self, source: Path, target: Path, chance: random.Random) -> None:
        number = source.stat().st_ino
        if source.is_file():
            now = source.read_bytes()
            synced = self._contents.get(number)
            found = synced if synced is not None else chance.choice([b"", now[: len(now) // 2], now])
            target.write_bytes(found)
            return
        target.mkdir()
        before, now_there = self._entries.get(number, {}), _listing(source)
        for name in sorted(before.keys() | now_there.keys()):
            old, new = before.get(name), now_there.get(name)
            kept = chance.choice([old, new])
            if kept is None:
                continue
            if kept == new:
                self._write(source / name, target / name, chance)
            elif kept in self._contents:  # a file that was taken away since, and perhaps was not
                (target / name).write_bytes(self._contents[kept])

    def _keep(self, path: Path) -> None:
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            self._entries[status.st_ino] = _listing(path)
        elif stat.S_ISREG(status.st_mode):
            self._contents[status.st_ino] = path.read_bytes()

    def _wrap(self, name: str) -> Any:
        def call(*given: Any, **options: Any) -> Any:
            with self._lock:
                self.calls += 1
                if self.calls >= self.at:
                    raise PowerCut
                result = self._real[name](*given, **options)
                if name == "fsync":
                    self._keep(Path(f"/proc/self/fd/{given[0]}").resolve())
                elif name == "open" and given[1] & os.O_CREAT:
                    self._contents.pop(os.fstat(result).st_ino, None)  # a new file may have an old number
                elif name == "mkdir":
                    self._entries[os.stat(given[0]).st_ino] = {}
                return result

        return call


def _listing(folder: Path) -> dict[str, int]:
    return {entry.name: entry.inode() for entry in os.scandir(folder)}
