"""What a hub needs of wherever its files lie: what a folder on a disk (`local.py`) can do, and any other storage must
(`remote.py`). `address.py` opens one.

Paths are relative to the hub, with `/` between their parts, in ASCII. Two promises, on which the whole hub stands:

1. A file appears whole or not at all, and of many writers of one path exactly one wins, without a lock.
2. What was acknowledged stays: when `create` returns, no crash and no power cut takes the files away.
"""

import errno
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from adapters.format import Bytes

NO_FILE = frozenset({errno.EISDIR, errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EFBIG})
"""Of an OSError: what lies there is no file of a hub, whoever reads it; no permission and no disk has a part in it."""


class Storage(Protocol):
    """Where the files of one hub lie.

    address: how a person names it, a folder or a URL. is_local: whether a look at a file costs microseconds, as on a
    disk; elsewhere it is a request, and one listing is cheaper than a few looks.
    """

    address: str
    is_local: bool

    def create(self, files: Mapping[str, Bytes], then: Mapping[str, Bytes] | None = None) -> set[str]:
        """Write new files, path -> content, for good. Returns those that were not there before; the others are left
        as they are. `then` appear when all of `files` are there for good, and not earlier, whatever happens."""

    def begun(self, data: Bytes) -> AbstractContextManager[None]:
        """While active, content that `create` is about to be given may be written already, before its path is known.
        What was not needed is gone afterwards."""

    def replace(self, path: str, data: Bytes) -> None:
        """Put other content into the place of a file, whole or not at all. Only to mend what is damaged or derived."""

    def read(self, path: str, most: int | None = None) -> Bytes:
        """The content of a file, the caller's own. Raises OSError: FileNotFoundError where there is none, and with one
        of NO_FILE where something else lies there, or more bytes than `most` or `layout.most_bytes`."""

    def exists(self, path: str) -> bool:
        """Whether there is a file, or a folder."""

    def files(self, folder: str) -> list[str]:
        """Names of the files of a folder, in no order; none where there is no folder."""

    def taken(self, folder: str) -> list[str]:
        """Names in a folder under which no file can be created any more, whatever lies there, in no order."""

    def folders(self, folder: str) -> list[str]:
        """Names of the folders in a folder, in no order. A link is none."""

    def walk(self, folder: str) -> Iterator[str]:
        """Paths of all files in a folder and below."""

    def stamp(self, folder: str) -> str:
        """What a folder of `adapters/`, or that one itself, never had before: it is another after every `create`,
        `replace`, `move`, `remove` and `discard` in the folders below, by anybody, as soon as that call returned. Empty
        where it cannot be told, because of a change that has just begun or because the storage keeps no such thing."""

    def marks(self, folder: str) -> dict[str, tuple[int, str | None]]:
        """Path -> size in bytes, and MD5 where the storage knows it unread, of all files in a folder and below. Equal
        sums prove equal files; others prove nothing. A link is none."""

    def move(self, path: str, target: str) -> None:
        """Give a file another path, for good, instead of what lies there; at every moment it can be read under one of
        them. Raises FileNotFoundError where there is none."""

    def replace_unsynced(self, path: str, data: Bytes) -> None:
        """As `replace`, at once: a power cut may take it away."""

    def remove(self, path: str) -> None:
        """Take a file away; nothing happens where there is none. Until `sweep`, a power cut may bring it back."""

    def size(self, path: str) -> int:
        """Bytes of a file. Raises FileNotFoundError where there is none."""

    def discard(self, folder: str) -> None:
        """Take a folder away with all that is in it; where the storage can, all of it vanishes at once."""

    def sweep(self, before: float) -> int:
        """Take away what killed writers left behind before this moment (unix seconds); returns the bytes that it held.
        A writer that is still at work writes again what it misses. What was removed before stays so for good."""

    def folder(self, path: str) -> Path | None:
        """Where a folder lies on this machine's disk; None where it does not."""

    def project(self, folder: str, files: Mapping[str, str]) -> None:
        """Show files, name -> path, in a folder too, without copying them; it appears whole, and is kept when they are
        there. Nothing happens where files cannot be shown twice. A folder so made is derived: a power cut may take it
        away, or what is in it."""
