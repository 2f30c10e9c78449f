"""What a hub holds of its names, by one listing of its files, and how two files are found to be equal.

What the layout does not allow is passed over: the other hub may be anybody's.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from adapters.format import Bytes
from hub.catalogue import aliases, numbering
from hub.storage.layout import ADAPTERS, LARGEST, blob, filed
from hub.storage.storage import Storage
from hub.storage.store import Store

_AT_ONCE = 8  # reads
_Given = TypeVar("_Given")
_Made = TypeVar("_Made")
Marks = dict[str, tuple[int, str | None]]
"""Path -> size in bytes, and MD5 where the storage knows it; see `Storage.marks`."""


@dataclass(frozen=True)
class Selection:
    """folders: where to look. versions: name -> numbers, None for all of them; all names where it is empty."""

    folders: tuple[str, ...] = (ADAPTERS,)
    versions: Mapping[str, set[int] | None] = field(default_factory=dict)

    def takes(self, name: str, number: int) -> bool:
        """Whether a version belongs to it."""
        numbers = self.versions.get(name)
        return numbers is None or number in numbers


@dataclass
class Holding:
    """What a hub holds of one name: number -> path, alias -> number -> path. marks: of all of these paths, the size and
    the MD5, as `Marks`."""

    records: dict[int, str] = field(default_factory=dict)
    tombstones: dict[int, str] = field(default_factory=dict)
    events: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    signatures: dict[str, int] = field(default_factory=dict)
    marks: Marks = field(default_factory=dict)

    @property
    def logs(self) -> list[str]:
        """Paths of records and alias events."""
        return [*self.records.values(), *(path for log in self.events.values() for path in log.values())]


def look(storage: Storage, wanted: Selection) -> dict[str, Holding]:
    """What a hub holds, by name."""
    found: dict[str, Holding] = defaultdict(Holding)
    for folder in wanted.folders:
        for path, mark in sorted(storage.marks(folder).items()):
            entry = filed(path)
            if entry is None or mark[0] > LARGEST:
                continue
            holding = found[entry.name]
            if entry.kind == "signature":
                holding.signatures[path] = entry.number
            elif entry.alias is not None:
                holding.events[entry.alias][entry.number] = path
            else:
                log = holding.records if entry.kind == "record" else holding.tombstones
                log[entry.number] = path
            holding.marks[path] = mark
    return found


def without_strays(storage: Storage, held: dict[str, Holding]) -> dict[str, Holding]:
    """The same, without what lies in a log and is no entry of it; only logs with gaps are read for it."""
    store = Store(storage)
    for name, holding in held.items():
        if holding.records and max(holding.records) > len(holding.records):
            versions = set(numbering.numbers(store, name))
            holding.records = {number: path for number, path in holding.records.items() if number in versions}
        for alias, log in holding.events.items():
            if max(log) > len(log):
                events = set(aliases.look(store, name, alias).entries)
                holding.events[alias] = {number: path for number, path in log.items() if number in events}
        holding.events = defaultdict(dict, {alias: log for alias, log in holding.events.items() if log})
    return held


def blob_marks(storage: Storage, digests: Iterable[str]) -> Marks:
    """Size and MD5 of these blobs, of those that are there, by their paths."""
    folders = sorted({blob(digest).rpartition("/")[0] for digest in digests})
    return {path: mark for marks in together(storage.marks, folders) for path, mark in marks.items()}


def read_all(storage: Storage, paths: Iterable[str]) -> dict[str, Bytes]:
    """Path -> content."""
    wanted = list(paths)
    return dict(zip(wanted, together(storage.read, wanted), strict=True))


def together(call: Callable[[_Given], _Made], given: Iterable[_Given]) -> list[_Made]:
    """Call with each, several at once; the results in order. Raises the first error."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return list(pool.map(call, given))


def same(storage: Storage, path: str, mark: tuple[int, str | None], data: Bytes) -> bool:
    """Whether a file holds these bytes: by its size, by the MD5 that the storage knows, else by reading it."""
    if mark[0] != len(data):
        return False
    return mark[1] == md5(data) or storage.read(path) == data


def md5(data: Bytes) -> str:
    """32 hex digits: what object stores tell of their files. It finds faults, not forgeries."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def reference(record: str) -> str:
    """`client/campaign/task@3`, of the path of a record or a tombstone."""
    name, number = split(record)
    return f"{name}@{number}"


def split(path: str) -> tuple[str, int]:
    """Name and number, of the path of a record or a tombstone."""
    entry = filed(path)
    assert entry is not None
    return entry.name, entry.number
