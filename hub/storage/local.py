"""Storage on a disk: the promises of `storage.py` kept by hard links and fsync.

A file is written under `.tmp/`, synced, and then linked to its path; linking fails when the path is taken. Then every
folder on its path is synced. What can be synced at the same time is, since each sync costs about as much as all.

    .tmp/      what a killed process was writing; nothing ever reads it

A new file changes the times of its folder, but not those of the folders above. In `adapters/` a writer touches these
too, just before the file appears and again before it is acknowledged, so that one look at the times of `adapters/`
tells whether anything changed in a hub of any size; see `stamp`.
What lies in `.tmp/` may be swept away at any time: a writer whose file vanished writes it again. No link is followed
inside the hub, neither to a file nor to a folder.
"""

import errno
import logging
import os
import shutil
import stat
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from typing import Any

from adapters.bounds import WEIGHTS_BYTES
from adapters.format import Bytes
from hub.errors import HubError
from hub.storage.layout import most_bytes

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV}
_STAMPED = "adapters"
_SETTLED = 2.0  # seconds from a writer's first touch, within which its file appears unless it was stopped
_log = logging.getLogger(__name__)


class Local:
    """The files under one root folder; see `storage.Storage`."""

    is_local = True

    def __init__(self, root: Path) -> None:
        self.root = root
        self.address = str(root)
        self._scratch = root / ".tmp"
        self._begun: dict[int, tuple[Path, Future[None]]] = {}

    def create(self, files: Mapping[str, Bytes], then: Mapping[str, Bytes] | None = None) -> set[str]:
        created: set[str] = set()
        while not self._create(files, then or {}, created):
            continue
        return created

    @contextmanager
    def begun(self, data: Bytes) -> Iterator[None]:
        partial = self._partial()
        with ThreadPoolExecutor(max_workers=1) as pool:
            self._begun[id(data)] = (partial, pool.submit(_write, partial, data))
            try:
                yield
            finally:
                _, writing = self._begun.pop(id(data))
                writing.exception()  # `create` writes again what could not be written
                partial.unlink(missing_ok=True)

    def replace_unsynced(self, path: str, data: Bytes) -> None:
        self._replace(path, data, Path.write_bytes)

    def replace(self, path: str, data: Bytes) -> None:
        self._replace(path, data, _write)
        self._sync_up([(self.root / path).parent])

    def read(self, path: str, most: int | None = None) -> bytearray:
        largest = most_bytes(path)
        return read(self._inside(path), largest if most is None else min(most, largest))

    def size(self, path: str) -> int:
        return os.lstat(self.root / path).st_size

    def exists(self, path: str) -> bool:
        return os.path.lexists(f"{self.address}/{path}")  # building a Path takes longer than asking

    def files(self, folder: str) -> list[str]:
        return [entry.name for entry in self._entries(folder) if not entry.is_dir(follow_symlinks=False)]

    def taken(self, folder: str) -> list[str]:
        if self._linked(folder):
            return []
        try:
            return os.listdir(f"{self.address}/{folder}")
        except (FileNotFoundError, NotADirectoryError):
            return []

    def folders(self, folder: str) -> list[str]:
        return [entry.name for entry in self._entries(folder) if entry.is_dir(follow_symlinks=False)]

    def walk(self, folder: str) -> Iterator[str]:
        for path, _, names in os.walk(self.root / folder):
            inside = Path(path).relative_to(self.root)
            yield from ((inside / name).as_posix() for name in names)

    def stamp(self, folder: str) -> str:
        """Which folder it is and when it last changed, by the clock of the file system. Times are only compared with
        each other, but for those of the last seconds: there a writer may have touched, and not yet linked."""
        try:
            about = os.stat(f"{self.address}/{folder}", follow_symlinks=False)
        except OSError:
            return ""
        if time.time() - about.st_ctime < _SETTLED:
            return ""
        return f"{about.st_ino:x}.{about.st_ctime_ns:x}"

    def marks(self, folder: str) -> dict[str, tuple[int, str | None]]:
        found = {path: os.lstat(self.root / path) for path in self.walk(folder)}
        return {path: (status.st_size, None) for path, status in found.items() if S_ISREG(status.st_mode)}

    def move(self, path: str, target: str) -> None:
        old, new = self._inside(path), self._inside(target)
        new.parent.mkdir(parents=True, exist_ok=True)
        os.rename(old, new)
        self._sync_up([new.parent])
        for folder in self._stamped([old.parent]):
            _restamp(folder)
        _sync(old.parent)

    def remove(self, path: str) -> None:
        file = self._inside(path)
        file.unlink(missing_ok=True)
        for folder in self._stamped([file.parent]):
            _restamp(folder)

    def discard(self, folder: str) -> None:
        old, partial = self._inside(folder), self._partial()
        try:
            os.rename(old, partial)
        except FileNotFoundError:
            return
        for above in self._stamped([old]):
            _restamp(above)
        _sync(old.parent)
        _erase(partial)

    def sweep(self, before: float) -> int:
        """What is in `.tmp/`, by the time of its last change."""
        freed = 0
        for name in (*self.files(".tmp"), *self.folders(".tmp")):
            path = self._scratch / name
            with suppress(FileNotFoundError):
                if os.lstat(path).st_mtime <= before:
                    freed += _bytes_alone(path)
                    _erase(path)
        _together(_sync, [(self.root,), *((self.root / folder,) for folder in self.folders(""))])
        return freed

    def folder(self, path: str) -> Path | None:
        return self.root / path

    def project(self, folder: str, files: Mapping[str, str]) -> None:
        """By hard links; by copies where a file has as many as it can, or the file system makes none."""
        target = self._inside(folder)
        while not set(files) <= set(self.files(folder)):
            partial = self._partial()
            partial.mkdir()
            try:
                for name, path in files.items():
                    _show(self._inside(path), partial / name)
                if target.is_dir():  # less than whole: what a power cut left
                    target.rename(self._partial())
                os.rename(partial, target)
            except OSError as error:
                swept = not partial.exists()
                _erase(partial)
                if not swept and error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise

    def _inside(self, path: str) -> Path:
        """Where a file lies. Raises OSError where a folder on the way is a link, which may lead anywhere."""
        if self._linked(os.path.dirname(path)):
            raise OSError(errno.ELOOP, "a folder on the way is a link, which is not followed", path)
        return self.root / path

    def _linked(self, folder: str) -> bool:
        parts = folder.split("/")
        ways = ("/".join(parts[: end + 1]) for end in range(len(parts)))
        return any(os.path.islink(f"{self.address}/{way}") for way in ways)

    def _entries(self, folder: str) -> Iterator["os.DirEntry[str]"]:
        if self._linked(folder):
            return
        try:
            with os.scandir(f"{self.address}/{folder}") as entries:
                yield from entries
        except (FileNotFoundError, NotADirectoryError):
            return

    def _create(self, files: Mapping[str, Bytes], then: Mapping[str, Bytes], created: set[str]) -> bool:
        """Write what is not there, and add it to `created`; False where somebody swept and it has to be tried again."""
        given = {**files, **then}
        contents = {path: data for path, data in given.items() if not os.path.lexists(self._inside(path))}
        early = {path: self._begun[id(data)] for path, data in contents.items() if id(data) in self._begun}
        partials = {path: early[path][0] if path in early else self._partial() for path in contents}
        try:
            _together(
                _write, [(partials[path], data) for path, data in contents.items() if path not in early]
            )
            for path, (partial, writing) in early.items():
                if not _is_there(partial, writing):
                    partials[path] = self._partial()
                    _write(partials[path], contents[path])
            for wave in filter(None, (files, then)):
                created |= {path for path in wave if path in partials and self._link(partials[path], path)}
                self._sync_up({(self.root / path).parent for path in wave})
        except FileNotFoundError:
            if all(map(os.path.lexists, partials.values())):
                raise
            return False
        finally:
            for partial in partials.values():
                partial.unlink(missing_ok=True)
        return True

    def _link(self, partial: Path, path: str) -> bool:
        """Promise 1: a whole file at its path, or False when the path is taken."""
        target = self._inside(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        for folder in self._stamped([target.parent]):
            with suppress(OSError):
                os.utime(folder)
        try:
            os.link(partial, target)
            return True
        except FileExistsError:
            # On a network file system a link may succeed and its answer be lost: then the path holds our own file.
            return _same(partial, target)
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

    def _replace(self, path: str, data: Bytes, write: Callable[[Path, Bytes], Any]) -> None:
        target = self._inside(path)
        while True:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = self._partial()
            write(partial, data)
            with suppress(FileNotFoundError):  # swept
                os.replace(partial, target)
                return

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


def _is_there(partial: Path, writing: "Future[None]") -> bool:
    """Whether what was begun early was written, and not swept since; waits for it."""
    return writing.exception() is None and partial.exists()


def _write(path: Path, data: Bytes) -> None:
    """A new file, synced. Its folder is not."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "wb", buffering=0) as file:
        left = memoryview(data)
        while len(left):
            left = left[file.write(left) :]
        os.fsync(file.fileno())


def read(path: Path, most: int = WEIGHTS_BYTES.most) -> bytearray:
    """The bytes of a regular file, also when somebody puts a link or a pipe in its place after it was looked at. Raises
    OSError, with one of NO_FILE for what is none, or has more bytes than `most`."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb", buffering=0) as file:
        about = os.fstat(file.fileno())
        if not S_ISREG(about.st_mode):
            raise OSError(errno.ENXIO, "this is a pipe, a socket or a device", str(path))
        if about.st_size > most:
            raise OSError(
                errno.EFBIG, f"it has {about.st_size:,} bytes; at most {most:,} are read", str(path)
            )
        data, filled = bytearray(about.st_size), 0
        while count := file.readinto(memoryview(data)[filled:]):
            filled += count
    del data[filled:]
    return data


def _show(file: Path, path: Path) -> None:
    """Another name for a file, or a copy of it."""
    try:
        os.link(file, path, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS | {errno.EMLINK}:
            raise
        _write(path, read(file))


def _same(path: Path, other: Path) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.lstat(other))
    except FileNotFoundError:  # moved away since
        return False


def _erase(path: Path) -> None:
    """Take away a file, or a folder with all that is in it, also beside others who do the same."""
    while os.path.lexists(path):
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                os.unlink(path)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                raise


def _bytes_alone(path: Path) -> int:
    """Bytes of the files here that have no other name."""
    inside = () if path.is_symlink() else os.walk(path)
    freed = 0
    for file in [path, *(Path(folder, name) for folder, _, names in inside for name in names)]:
        with suppress(FileNotFoundError):
            status = os.lstat(file)
            freed += status.st_size if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 else 0
    return freed


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
