"""A place on a disk: the promises of `place.py` kept by hard links and fsync.

A file is written under `.tmp/`, synced, and then linked to its place; linking fails when the place is taken. Then every
folder on its path is synced. What can be synced at the same time is, since each sync costs about as much as all.

    .tmp/      what a killed process was writing; nothing ever reads it

A new file changes the times of its folder, but not those of the folders above. In `adapters/` a writer touches these
too, just before the file appears and again before it is acknowledged, so that one look at the times of `adapters/`
tells whether anything changed in a hub of any size; see `stamp`.
"""

import errno
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from adapters.files import Bytes
from hub.errors import HubError

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV}
_STAMPED = "adapters"
_SETTLED = 2.0  # seconds from a writer's first touch, within which its file appears unless it was stopped
_log = logging.getLogger(__name__)


class Local:
    """The files under one root folder; see `place.Place`."""

    near = True

    def __init__(self, root: Path) -> None:
        self.root = root
        self.address = str(root)
        self._scratch = root / ".tmp"

    def create(self, files: Mapping[str, Bytes], then: Mapping[str, Bytes] | None = None) -> set[str]:
        then = then or {}
        contents = {path: data for path, data in {**files, **then}.items() if not self.exists(path)}
        partials = {path: self._partial() for path in contents}
        created: set[str] = set()
        try:
            _together(_write, [(partials[path], data) for path, data in contents.items()])
            for wave in filter(None, (files, then)):
                created |= {path for path in wave if path in partials and self._link(partials[path], path)}
                self._sync_up({(self.root / path).parent for path in wave})
        finally:
            for partial in partials.values():
                partial.unlink(missing_ok=True)
        return created

    def replace(self, path: str, data: Bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = self._partial()
        _write(partial, data)
        os.replace(partial, target)
        self._sync_up([target.parent])

    def read(self, path: str) -> bytearray:
        return read(self.root / path)

    def exists(self, path: str) -> bool:
        return os.path.lexists(self.root / path)

    def files(self, folder: str) -> list[str]:
        return [entry.name for entry in self._entries(folder) if not entry.is_dir(follow_symlinks=False)]

    def folders(self, folder: str) -> list[str]:
        return [entry.name for entry in self._entries(folder) if entry.is_dir(follow_symlinks=False)]

    def walk(self, folder: str) -> Iterator[str]:
        for path, _, names in os.walk(self.root / folder):
            inside = Path(path).relative_to(self.root).as_posix()
            yield from (f"{inside}/{name}" for name in names)

    def stamp(self, folder: str) -> str:
        """Which folder it is and when it last changed, by the clock of the file system. Times are only compared with
        each other, but for those of the last seconds: there a writer may have touched, and not yet linked."""
        try:
            about = os.stat(self.root / folder, follow_symlinks=False)
        except OSError:
            return ""
        if time.time() - about.st_ctime < _SETTLED:
            return ""
        return f"{about.st_ino:x}.{about.st_ctime_ns:x}"

    def move(self, path: str, target: str) -> None:
        (self.root / target).parent.mkdir(parents=True, exist_ok=True)
        os.rename(self.root / path, self.root / target)
        self._sync_up([(self.root / path).parent, (self.root / target).parent])

    def remove(self, path: str) -> None:
        (self.root / path).unlink(missing_ok=True)
        for folder in self._stamped([(self.root / path).parent]):
            _restamp(folder)

    def folder(self, path: str) -> Path | None:
        return self.root / path

    def project(self, folder: str, files: Mapping[str, str]) -> None:
        """By hard links."""
        target = self.root / folder
        if set(files) <= set(self.files(folder)):
            return
        partial = self._partial()
        partial.mkdir()
        for name, path in files.items():
            os.link(self.root / path, partial / name)
        if target.is_dir():  # less than whole: what a power cut left
            target.rename(self._partial())
        try:
            os.rename(partial, target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            for name in files:
                os.unlink(partial / name)
            os.rmdir(partial)

    def _entries(self, folder: str) -> Iterator["os.DirEntry[str]"]:
        try:
            with os.scandir(self.root / folder) as entries:
                yield from entries
        except (FileNotFoundError, NotADirectoryError):
            return

    def _link(self, partial: Path, path: str) -> bool:
        """Promise 1: a whole file in its place, or False when the place is taken."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        for folder in self._stamped([target.parent]):
            with suppress(OSError):
                os.utime(folder)
        try:
            os.link(partial, target)
            return True
        except FileExistsError:
            # On a network file system a link may succeed and its answer be lost: then the place holds our own file.
            return os.path.samefile(partial, target)
        except OSError as error:
            if error.errno in _NO_LINKS:
                raise HubError(
                    f"the file system of {self.root} cannot make hard links, which safe publishing needs "
                    f"({error.strerror}); put the hub on another one"
                ) from error
            raise

    def _stamped(self, folders: Iterable[Path]) -> set[Path]:
        """The folders above these whose stamps tell of a change in these."""
        top = self.root / _STAMPED
        return {parent for folder in folders for parent in folder.parents if parent.is_relative_to(top)}

    def _partial(self) -> Path:
        self._scratch.mkdir(parents=True, exist_ok=True)
        return self._scratch / uuid.uuid4().hex

    def _sync_up(self, folders: Iterable[Path]) -> None:
        """Promise 2: sync these folders and all above them, up to the root, each once.

        Also after losing a race: the winner may not have synced yet, and our caller will rely on its file.
        """
        folders = list(folders)
        above = {parent for folder in folders for parent in [folder, *folder.parents]}
        for folder in self._stamped(folders):
            _restamp(folder)
        _together(_sync, [(folder,) for folder in sorted(above) if folder.is_relative_to(self.root)])


def _together(call: Callable[..., None], given: Sequence[tuple[Any, ...]]) -> None:
    """Call with each of these arguments at once. Raises the first error when all have ended."""
    with ThreadPoolExecutor(max_workers=max(1, len(given))) as pool:
        waiting = [pool.submit(call, *arguments) for arguments in given]
    for done in waiting:
        done.result()


def _write(path: Path, data: Bytes) -> None:
    """A new file, synced. Its folder is not."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "wb", buffering=0) as file:
        left = memoryview(data)
        while len(left):
            left = left[file.write(left) :]
        os.fsync(file.fileno())


def read(path: Path) -> bytearray:
    """The bytes of a regular file, also when somebody puts a link or a pipe in its place after it was looked at. Raises
    OSError."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb", buffering=0) as file:
        data, filled = bytearray(os.fstat(file.fileno()).st_size), 0
        while count := file.readinto(memoryview(data)[filled:]):
            filled += count
    del data[filled:]
    return data


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _restamp(folder: Path) -> None:
    """Set a folder's times to now until they are none that it had before: some clocks stand still for milliseconds.
    Whoever may write in a folder may do so."""
    try:
        before = os.stat(folder).st_ctime_ns
        for _ in range(2000):
            os.utime(folder)
            if os.stat(folder).st_ctime_ns != before:
                return
            time.sleep(0.001)
    except FileNotFoundError:
        return
    except OSError as error:
        _log.warning(
            "%s cannot be touched (%s); searches may miss what was written below it until "
            "`repertoire search --rebuild`",
            folder,
            error.strerror,
        )
