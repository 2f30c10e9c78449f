"""What a hub keeps in its storage: contents under their own hashes, and numbered logs. Both are create-only.

blobs/sha256/ab/ab12...       content, read-only
<any folder>/000007.json      an entry of a numbered log: records, alias events
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

from adapters.format import Bytes
from hub.errors import Damaged
from hub.storage import trash
from hub.storage.layout import PART, blob, entry_number, numbered
from hub.storage.pins import pin
from hub.storage.storage import Storage

_Made = TypeVar("_Made")


class Store:
    """Blobs and logs in one storage."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def append(
        self, log: str, entry: Callable[[int], bytes | None], contents: Mapping[str, Bytes] | None = None
    ) -> int | None:
        """Take the next free number of a log with `entry(number)`; None when `entry` returns None.

        `entry` is asked again whenever another writer took the number; all smaller numbers can be read by then. It
        appears when `contents`, hash -> content, are there for good; one that is there already is checked, and
        replaced if damaged. No collector takes them away meanwhile.
        """
        blobs = {blob(digest): data for digest, data in (contents or {}).items()}
        with self._pinned(log, contents):
            self._mend(blobs)
            while True:
                number = max(self.numbers(log), default=0) + 1
                data = entry(number)
                if data is None:
                    return None
                path = numbered(log, number)
                if path in self.storage.create(blobs, then={path: data}):
                    self.keep(contents or {})
                    return number

    def keep(self, contents: Mapping[str, Bytes]) -> None:
        """Store contents, hash -> content, that are not there."""
        missing = {
            blob(digest): data for digest, data in contents.items() if not self.storage.exists(blob(digest))
        }
        if missing:
            self.storage.create(missing)

    def last(self, log: str) -> int:
        """Highest number of a log; 0 when it is empty.

        Numbers have no gaps, so that a local storage is asked for a few of them: 1, 2, 4, 8 ..., then by halves. Where
        a file is missing although the next one is there, somebody lost it, and the whole log is listed; so is a log of
        which only a part was brought here.
        """
        if not self.storage.is_local or self.in_part(log):
            return max(self.numbers(log), default=0)
        there, missing = 0, 1
        while self._has(log, missing):
            there, missing = missing, 2 * missing
        while missing - there > 1:
            middle = (there + missing) // 2
            there, missing = (middle, missing) if self._has(log, middle) else (there, middle)
        return max(self.numbers(log)) if self._has(log, missing + 1) else there

    def in_part(self, log: str) -> bool:
        """Whether numbers are missing on purpose, in a mirror of a part of a hub."""
        return self.storage.exists(f"{log}/{PART}")

    def numbers(self, log: str) -> list[int]:
        """All numbers of a log, in order."""
        found = map(entry_number, self.storage.files(log))
        return sorted(number for number in found if number is not None)

    def get(self, digest: str) -> Bytes:
        """The content with this hash, from the very bytes that were hashed. Raises Damaged."""
        data = self.read(digest)
        check(digest, data)
        return data

    def read(self, digest: str) -> Bytes:
        """What lies under this hash, unchecked. Raises Damaged where nothing can be read.

        A blob that is in the trash is moved back: somebody needs it.
        """
        for _ in range(3):  # a blob may be moved, either way, between two looks
            try:
                return self.storage.read(blob(digest))
            except OSError as error:
                cause = error
            if not isinstance(cause, FileNotFoundError):
                break
            if found := trash.find(self.storage, digest):
                with suppress(OSError):  # a hub may be read-only, or another reader was faster
                    self.storage.move(found[0].path, blob(digest))
                return found[1]
        raise Damaged(
            f"blob {digest} cannot be read ({cause.strerror or cause}); publish the adapter again"
        ) from cause

    def sound(self, path: str, digest: str) -> bool:
        """Whether the file at this path holds the content with this hash."""
        try:
            return sha256(self.storage.read(path)) == digest
        except OSError:
            return False

    @contextmanager
    def _pinned(self, log: str, contents: Mapping[str, Bytes] | None) -> Iterator[None]:
        if not contents:
            yield
            return
        path = pin(self.storage, log, contents)
        try:
            yield
        finally:
            with suppress(OSError):  # a pin that stays only keeps its blobs for a day
                self.storage.remove(path)

    def _has(self, log: str, number: int) -> bool:
        return self.storage.exists(numbered(log, number))

    def _mend(self, blobs: Mapping[str, Bytes]) -> None:
        for path, data in blobs.items():
            try:
                sound = not self.storage.exists(path) or self.storage.read(path) == data
            except OSError:
                sound = False
            if not sound:
                self.storage.replace(path, data)


def sha256(data: Bytes) -> str:
    """64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def parsed(contents: Mapping[str, Bytes], parse: Callable[..., _Made]) -> _Made:
    """What comes of contents, hash -> content, which are parsed while they are hashed. Raises Damaged, whatever the
    parsing came to."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        made = pool.submit(parse, *contents.values())
        for digest, data in contents.items():
            check(digest, data)
        return made.result()


def check(digest: str, data: Bytes) -> None:
    """Raise Damaged where bytes do not have this hash."""
    if sha256(data) != digest:
        raise Damaged(f"blob {digest} holds other bytes than were published; publish the adapter again")
