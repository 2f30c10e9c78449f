"""A place on a disk: the promises of `place.py` kept by hard links and fsync.

A file is written under `.tmp/`, synced, and then linked to its place; linking fails when the place is taken. Then every
folder on its path is synced.

    .tmp/      what a killed process was writing; nothing ever reads it
"""

import errno
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hub.errors import HubError

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV}


class Local:
    """The files under one root folder; see `place.Place`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.address = str(root)
        self._scratch = root / ".tmp"

    def create(self, files: Mapping[str, bytes]) -> set[str]:
        created = {path for path, data in files.items() if self._link(self.root / path, data)}
        self._sync_up({(self.root / path).parent for path in files})
        return created

    def replace(self, path: str, data: bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(self._write(data), target)
        self._sync_up([target.parent])

    def read(self, path: str) -> bytes:
        with open(os.open(self.root / path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            return file.read()

    def exists(self, path: str) -> bool:
        return (self.root / path).exists()

    def files(self, folder: str) -> list[str]:
        return [entry.name for entry in self._entries(folder) if not entry.is_dir(follow_symlinks=False)]

    def folders(self, folder: str) -> list[str]:
        return [entry.name for entry in self._entries(folder) if entry.is_dir(follow_symlinks=False)]

    def walk(self, folder: str) -> Iterator[str]:
        for path, _, names in os.walk(self.root / folder):
            inside = Path(path).relative_to(self.root).as_posix()
            yield from (f"{inside}/{name}" for name in names)

    def move(self, path: str, target: str) -> None:
        (self.root / target).parent.mkdir(parents=True, exist_ok=True)
        os.rename(self.root / path, self.root / target)
        self._sync_up([(self.root / path).parent, (self.root / target).parent])

    def remove(self, path: str) -> None:
        (self.root / path).unlink(missing_ok=True)

    def folder(self, path: str) -> Path | None:
        return self.root / path

    def project(self, folder: str, files: Mapping[str, str]) -> None:
        """By hard links."""
        target = self.root / folder
        if target.is_dir():
            return
        partial = self._partial()
        partial.mkdir()
        for name, path in files.items():
            os.link(self.root / path, partial / name)
        _sync(partial)
        try:
            os.rename(partial, target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            for name in files:
                os.unlink(partial / name)
            os.rmdir(partial)
        self._sync_up([target.parent])

    def _entries(self, folder: str) -> Iterator["os.DirEntry[str]"]:
        try:
            with os.scandir(self.root / folder) as entries:
                yield from entries
        except (FileNotFoundError, NotADirectoryError):
            return

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

    def _write(self, data: bytes) -> Path:
        partial = self._partial()
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return partial

    def _partial(self) -> Path:
        self._scratch.mkdir(parents=True, exist_ok=True)
        return self._scratch / uuid.uuid4().hex

    def _sync_up(self, folders: Iterable[Path]) -> None:
        """Promise 2: sync these folders and all above them, up to the root, each once.

        Also after losing a race: the winner may not have synced yet, and our caller will rely on its file.
        """
        above = {parent for folder in folders for parent in [folder, *folder.parents]}
        for folder in sorted(above, key=lambda path: -len(path.parts)):
            if folder.is_relative_to(self.root):
                _sync(folder)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
