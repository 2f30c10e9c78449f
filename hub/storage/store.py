"""What a hub keeps in its storage: contents under their own hashes, and numbered logs. Both are create-only.

blobs/sha256/ab/ab12...       content, read-only
<any folder>/000007.json      an entry of a numbered log: records, alias events
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

from adapters.format import Bytes
from hub.errors import Damaged, HubError
from hub.storage import numbers, trash
from hub.storage.layout import LAST_NUMBER, PART, blob, entry_numbers, numbered
from hub.storage.numbers import Numbers
from hub.storage.pins import pin
from hub.storage.storage import Storage

_Made = TypeVar("_Made")
_MOST_KNOWN = 10_000  # logs of which the last number is remembered
_log = logging.getLogger(__name__)


class Store:
    """Blobs and logs in one storage."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._lasts: dict[str, tuple[str, int]] = {}  # log -> its stamp and its highest number
        self._told: set[str] = set()  # logs of whose strays it was told

    def append(
        self,
        log: str,
        entry: Callable[[Numbers], bytes | None],
        contents: Mapping[str, Bytes] | None = None,
        look: Callable[[], Numbers] | None = None,
    ) -> int | None:
        """Take the next free number of a log with what `entry` makes; None when it makes None.

        Args:
            log: its folder.
            entry: given what is there; asked again whenever another writer took the number. All smaller numbers can be
                read by then.
            contents: hash -> content, which are there for good before the entry appears; one that is there already is
                checked, and replaced if damaged. No collector takes them away meanwhile.
            look: how to find what is there; `self.look(log)` unless given.
        """
        blobs = {blob(digest): data for digest, data in (contents or {}).items()}
        with self._pinned(log, contents):
            self._mend(blobs)
            while True:
                there = self.look(log) if look is None else look()
                if there.next > LAST_NUMBER:
                    raise HubError(
                        f"{log} has an entry {there.next - 1}, or something in the hub speaks of one, beyond which "
                        "nothing can be counted; `repertoire verify` tells of it: take it away, or set the alias again"
                    )
                data = entry(there)
                if data is None:
                    return None
                path = numbered(log, there.next)
                if path in self.storage.create(blobs, then={path: data}):
                    self.keep(contents or {})
                    return there.next

    def keep(self, contents: Mapping[str, Bytes]) -> None:
        """Store contents, hash -> content, that are not there."""
        missing = {
            blob(digest): data for digest, data in contents.items() if not self.storage.exists(blob(digest))
        }
        if missing:
            self.storage.create(missing)

    def last(self, log: str, is_entry: Callable[[int], bool] | None = None) -> int:
        """Highest entry of a log; 0 when it is empty. is_entry: as of `look`.

        The log is listed, since whoever lost some of its files may have kept later ones. A local log without gaps is
        listed again only when its folder has changed.
        """
        stamp = self.storage.stamp(log)
        known, number = self._lasts.get(log, ("", 0))
        if stamp and stamp == known:
            return number
        taken = self.numbers(log)
        number = numbers.last(taken, is_entry)
        if stamp and number == len(taken) == max(taken, default=0):
            if len(self._lasts) >= _MOST_KNOWN:
                self._lasts.clear()
            self._lasts[log] = (stamp, number)
        return number

    def in_part(self, log: str) -> bool:
        """Whether numbers are missing on purpose, in a mirror of a part of a hub."""
        return self.storage.exists(f"{log}/{PART}")

    def look(self, log: str, is_entry: Callable[[int], bool] | None = None) -> Numbers:
        """What there is in a log, from one listing. is_entry: whether a number can be read as an entry, asked only
        beyond a gap; all are entries where it is None."""
        found = numbers.numbers(self.numbers(log), is_entry)
        if found.strays and log not in self._told:
            self._told.add(log)
            _log.warning(
                "%s%s is passed over: it cannot be read and belongs to no log; `repertoire repair` sets it aside",
                numbered(log, found.strays[0]),
                f" and {len(found.strays) - 1} more" if found.strays[1:] else "",
            )
        return found

    def numbers(self, log: str) -> list[int]:
        """All numbers under which anything lies in a log, in order."""
        return entry_numbers(self.storage.taken(log))

    def get(self, digest: str, most: int | None = None) -> Bytes:
        """The content with this hash, from the very bytes that were hashed. Arguments and errors as of `read`."""
        data = self.read(digest, most)
        check(digest, data)
        return data

    def read(self, digest: str, most: int | None = None) -> Bytes:
        """What lies under this hash, unchecked. Raises Damaged where nothing can be read, or more bytes lie there than
        `most`.

        A blob that is in the trash is moved back: somebody needs it.
        """
        for _ in range(3):  # a blob may be moved, either way, between two looks
            try:
                return self.storage.read(blob(digest), most)
            except OSError as error:
                cause = error
            if not isinstance(cause, FileNotFoundError):
                break
            if found := trash.find(self.storage, digest, most):
                with suppress(OSError):  # a hub may be read-only, or another reader was faster
                    self.storage.move(found[0].path, blob(digest))
                return found[1]
        raise Damaged(
            f"blob {digest} cannot be read ({cause.strerror or cause}); publish the adapter again"
        ) from cause

    def sound(self, path: str, digest: str, most: int | None = None) -> bool:
        """Whether the file at this path holds the content with this hash. most: bytes that the content can have."""
        try:
            return sha256(self.storage.read(path, most)) == digest
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

    def _mend(self, blobs: Mapping[str, Bytes]) -> None:
        for path, data in blobs.items():
            try:
                sound = not self.storage.exists(path) or self.storage.read(path, len(data)) == data
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
