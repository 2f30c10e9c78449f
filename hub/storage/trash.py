"""The trash of a hub: what nothing seems to need any more, kept until its grace is over.

    .trash/1790000000.25-5f3a9c01-<sha256 of a blob, or the name of another file>

The number is the moment from which the grace counts, in unix seconds. The random part makes a path that is never used
twice: who saw an entry before reading all records knows that it was moved here before, too. What turns out to be needed
all the same is found here by readers, who move it back.
"""

import hashlib
import math
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from adapters.format import Bytes
from hub.storage.layout import TRASH, is_digest
from hub.storage.storage import Storage

GRACE = 7 * 86_400.0  # seconds
_NAME = re.compile(r"([0-9]+\.[0-9]{2})-[0-9a-f]{8}-(.+)")


@dataclass(frozen=True)
class Entry:
    """One file in the trash. since: unix seconds. what: the sha256 of a blob, or the name of another file."""

    path: str
    since: float
    what: str

    @property
    def digest(self) -> str | None:
        """The hash that the content should have; None where it was no blob."""
        return self.what if is_digest(self.what) else None


def throw(storage: Storage, path: str, since: float) -> bool:
    """Move a file to the trash; False where another was faster."""
    what = path.rsplit("/", 1)[-1]
    try:
        storage.move(path, f"{TRASH}/{math.floor(since * 100) / 100:.2f}-{uuid.uuid4().hex[:8]}-{what}")
    except FileNotFoundError:
        return False
    return True


def entries(storage: Storage) -> Iterator[Entry]:
    """All that lies in the trash."""
    for name in sorted(storage.files(TRASH)):
        named = _NAME.fullmatch(name)  # what was put here by hand has no grace
        yield Entry(f"{TRASH}/{name}", *((float(named[1]), named[2]) if named else (0.0, name)))


def find(storage: Storage, digest: str, most: int | None = None) -> tuple[Entry, Bytes] | None:
    """A sound copy of a blob in the trash, and its content. most: bytes that it can have."""
    for entry in entries(storage):
        if entry.digest == digest:
            try:
                data = storage.read(entry.path, most)
            except OSError:
                continue
            if hashlib.sha256(data).hexdigest() == digest:
                return entry, data
    return None
