"""Create-only files: the two promises that the whole hub stands on.

1. A file appears whole or not at all. It is written under `.tmp/`, synced, and then linked to its place; linking fails
   when the place is taken, so that of many writers exactly one wins, without a lock.
2. What was acknowledged survives a power cut: the file and every folder on its path are synced before the call returns.

    blobs/sha256/ab/ab12...       content under its own hash, read-only
    <any folder>/000007.json      an entry of a numbered log: records, alias events
    .tmp/                         what a killed process was writing; nothing ever reads it
"""

import errno
import hashlib
import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from hub.errors import Damaged, HubError

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV}


class Store:
    """The files under one root folder, which must exist."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._scratch = root / ".tmp"

    def create(self, path: Path, data: bytes) -> bool:
        """Write a new file for good; False when one is there already, which is left as it is."""
        created = self._link(path, data)
        self._sync_up([path.parent])
        return created

    def append(self, folder: Path, entry: Callable[[int], bytes | None]) -> int | None:
        """Take the next free number of a log with `entry(number)`; None when `entry` returns None.

        `entry` is asked again whenever another writer took the number; all smaller numbers can be read by then.
        """
        while True:
            number = self.last(folder) + 1
            data = entry(number)
            if data is None:
                return None
            if self.create(folder / f"{number:06d}.json", data):
                return number

    def last(self, folder: Path) -> int:
        """Highest number of a log; 0 when it is empty."""
        return max(self.numbers(folder), default=0)

    def numbers(self, folder: Path) -> list[int]:
        """All numbers of a log, in order."""
        try:
            found = [entry.split(".") for entry in os.listdir(folder)]
        except FileNotFoundError:
            return []
        return sorted(
            int(stem) for stem, *rest in found if rest == ["json"] and len(stem) >= 6 and stem.isdecimal()
        )

    def put(self, files: Mapping[str, bytes]) -> dict[str, str]:
        """Store contents; file name -> sha256. One that is there already is checked, and replaced if damaged."""
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        for name, digest in digests.items():
            path = self.blob(digest)
            if not self._link(path, files[name]) and not self._sound(digest):
                self._replace(path, files[name])
        self._sync_up({self.blob(digest).parent for digest in digests.values()})
        return digests

    def get(self, digest: str) -> bytes:
        """The content with this hash, from the very bytes that were hashed. Raises Damaged."""
        data = self.read(digest)
        check(digest, data)
        return data

    def read(self, digest: str) -> bytes:
        """What lies in the place of this hash, unchecked. Raises Damaged where nothing can be read."""
        try:
            descriptor = os.open(self.blob(digest), os.O_RDONLY | os.O_NOFOLLOW)
            with open(descriptor, "rb") as file:
                return file.read()
        except OSError as error:
            raise Damaged(
                f"blob {digest} cannot be read ({error.strerror}); publish the adapter again"
            ) from error

    def blob(self, digest: str) -> Path:
        """Where content with this hash lies."""
        return self.root / "blobs" / "sha256" / digest[:2] / digest

    def project(self, folder: Path, files: Mapping[str, str]) -> None:
        """Make a plain folder of blobs, file name -> sha256, by hard links; it appears whole. Kept when it is there."""
        if folder.is_dir():
            return
        partial = self._partial()
        partial.mkdir()
        for name, digest in files.items():
            os.link(self.blob(digest), partial / name)
        _sync(partial)
        try:
            os.rename(partial, folder)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            for name in files:
                os.unlink(partial / name)
            os.rmdir(partial)
        self._sync_up([folder.parent])

    def _link(self, path: Path, data: bytes) -> bool:
        """Promise 1: the whole file in its place, or False when the place is taken."""
        if path.exists():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._write(data)
        try:
            os.link(partial, path)
            return True
        except FileExistsError:
            # On a network file system a link may succeed and its answer be lost: then the place holds our own file.
            return os.path.samefile(partial, path)
        except OSError as error:
            if error.errno in _NO_LINKS:
                raise HubError(
                    f"the file system of {self.root} cannot make hard links, which safe publishing needs "
                    f"({error.strerror}); put the hub on another one"
                ) from error
            raise
        finally:
            os.unlink(partial)

    def _replace(self, path: Path, data: bytes) -> None:
        os.replace(self._write(data), path)

    def _write(self, data: bytes) -> Path:
        partial = self._partial()
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return partial

    def _partial(self) -> Path:
        self._scratch.mkdir(exist_ok=True)
        return self._scratch / uuid.uuid4().hex

    def _sound(self, digest: str) -> bool:
        try:
            self.get(digest)
        except Damaged:
            return False
        return True

    def _sync_up(self, folders: Iterable[Path]) -> None:
        """Promise 2: sync these folders and all above them, up to the root, each once.

        Also after losing a race: the winner may not have synced yet, and our caller will rely on its file.
        """
        above = {parent for folder in folders for parent in [folder, *folder.parents]}
        for folder in sorted(above, key=lambda path: -len(path.parts)):
            if folder.is_relative_to(self.root):
                _sync(folder)


def check(digest: str, data: bytes) -> None:
    """Raise Damaged where bytes do not have this hash."""
    if hashlib.sha256(data).hexdigest() != digest:
        raise Damaged(f"blob {digest} holds other bytes than were published; publish the adapter again")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
