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
from hub.storage import trash
from hub.storage.layout import LAST_NUMBER, PART, blob, entry_number, numbered
from hub.storage.pins import pin
from hub.storage.storage import Storage

_Made = TypeVar("_Made")
_log = logging.getLogger(__name__)


class Store:
    """Blobs and logs in one storage."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._lasts: dict[str, tuple[str, int]] = {}  # log -> its stamp and its highest number
        self._told: set[str] = set()  # strays that were told of

    def append(
        self,
        log: str,
        entry: Callable[[int], bytes | None],
        contents: Mapping[str, Bytes] | None = None,
        free: Callable[[], int] | None = None,
    ) -> int | None:
        """Take the next free number of a log with `entry(number)`; None when `entry` returns None.

        free: what finds that number; one above the highest file of the log unless given.

        `entry` is asked again whenever another writer took the number; all smaller numbers can be read by then. It
        appears when `contents`, hash -> content, are there for good; one that is there already is checked, and
        replaced if damaged. No collector takes them away meanwhile.
        """
        blobs = {blob(digest): data for digest, data in (contents or {}).items()}
        with self._pinned(log, contents):
            self._mend(blobs)
            while True:
                number = free() if free is not None else max(self.numbers(log), default=0) + 1
                if number > LAST_NUMBER:
                    raise HubError(
                        f"{log} has an entry {number - 1}, beyond which nothing can be counted; take it away"
                    )
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

    def last(self, log: str, is_entry: Callable[[int], bool] | None = None) -> int:
        """Highest number of a log; 0 when it is empty. is_entry: as of `numbers`.

        The log is listed, since whoever lost some of its files may have kept later ones. A local log without gaps is
        listed again only when its folder has changed.
        """
        stamp = self.storage.stamp(log)
        known, number = self._lasts.get(log, ("", 0))
        if stamp and stamp == known:
            return number
        numbers = self._listed(log)
        number = numbers[-1] if numbers else 0
        if number > len(numbers) and is_entry is not None:
            number = max(self._without_strays(log, numbers, is_entry), default=0)
        elif number == len(numbers) and stamp:
            self._lasts[log] = (stamp, number)
        return number

    def in_part(self, log: str) -> bool:
        """Whether numbers are missing on purpose, in a mirror of a part of a hub."""
        return self.storage.exists(f"{log}/{PART}")

    def numbers(self, log: str, is_entry: Callable[[int], bool] | None = None) -> list[int]:
        """All numbers of a log, in order; without its strays where `is_entry` says what can be read in it.

        A stray was put there by other means, for a writer takes the number after the highest: it lies beyond a gap, and
        so do those next to it, and none of them is an entry. Only what lies beyond a gap is asked for.
        """
        numbers = self._listed(log)
        if is_entry is None or not numbers or numbers[-1] == len(numbers):
            return numbers
        return self._without_strays(log, numbers, is_entry)

    def _listed(self, log: str) -> list[int]:
        found = map(entry_number, self.storage.files(log))
        return sorted(number for number in found if number is not None)

    def _without_strays(self, log: str, numbers: list[int], is_entry: Callable[[int], bool]) -> list[int]:
        found: list[int] = []
        for run in runs(numbers):
            if run[0] == 1 or any(map(is_entry, reversed(run))):
                found += run
            elif (first := numbered(log, run[0])) not in self._told:
                self._told.add(first)
                _log.warning(
                    "%s%s is passed over: it cannot be read and belongs to no log; `repertoire repair` sets it aside",
                    first,
                    f" and the {len(run) - 1} after it" if run[1:] else "",
                )
        return found

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

    def _mend(self, blobs: Mapping[str, Bytes]) -> None:
        for path, data in blobs.items():
            try:
                sound = not self.storage.exists(path) or self.storage.read(path) == data
            except OSError:
                sound = False
            if not sound:
                self.storage.replace(path, data)


def runs(numbers: list[int]) -> list[range]:
    """Numbers in order, as ranges without gaps.

    >>> runs([1, 2, 3, 50])
    [range(1, 4), range(50, 51)]
    """
    starts = [at for at, number in enumerate(numbers) if at == 0 or number != numbers[at - 1] + 1]
    ends = [*starts[1:], len(numbers)] if numbers else []
    return [range(numbers[start], numbers[end - 1] + 1) for start, end in zip(starts, ends, strict=True)]


def gaps(numbers: list[int]) -> list[range]:
    """What is missing of 1, 2, 3 ... up to the highest of these numbers, which are in order.

    >>> gaps([1, 2, 5])
    [range(3, 5)]
    """
    ends = [0, *(run[-1] for run in runs(numbers))]
    return [range(end + 1, run[0]) for end, run in zip(ends, runs(numbers), strict=False) if run[0] > end + 1]


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
