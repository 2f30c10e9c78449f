"""Where the files of a hub lie: what a folder on a disk (`local.py`) can do, and any other place must.

Paths are relative to the hub, with `/` between their parts, in ASCII. Two promises, on which the whole hub stands:

1. A file appears whole or not at all, and of many writers of one path exactly one wins, without a lock.
2. What was acknowledged stays: when `create` returns, no crash and no power cut takes the files away.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from adapters.files import Bytes
from hub.local import Local


class Place(Protocol):
    """address: how a person names it, a folder or a URL. near: whether a look at a file costs microseconds, as on a
    disk; elsewhere it is a request, and one listing is cheaper than a few looks."""

    address: str
    near: bool

    def create(self, files: Mapping[str, Bytes], then: Mapping[str, Bytes] | None = None) -> set[str]:
        """Write new files, path -> content, for good. Returns those that were not there before; the others are left
        as they are. `then` appear when all of `files` are there for good, and not earlier, whatever happens."""

    def replace(self, path: str, data: Bytes) -> None:
        """Put other content into the place of a file, whole or not at all. Only to mend what is damaged or derived."""

    def read(self, path: str) -> Bytes:
        """The content of a file, the caller's own. Raises OSError, FileNotFoundError where there is none."""

    def exists(self, path: str) -> bool:
        """Whether there is a file, or a folder."""

    def files(self, folder: str) -> list[str]:
        """Names of the files of a folder, in no order; none where there is no folder."""

    def folders(self, folder: str) -> list[str]:
        """Names of the folders in a folder, in no order. A link is none."""

    def walk(self, folder: str) -> Iterator[str]:
        """Paths of all files in a folder and below."""

    def stamp(self, folder: str) -> str:
        """What a folder of `adapters/`, or that one itself, never had before: it is another after every `create`,
        `replace`, `move` and `remove` in the folders below, by anybody, as soon as that call returned. Empty where it
        cannot be told, because of a change that has just begun or because the place keeps no such thing."""

    def move(self, path: str, target: str) -> None:
        """Give a file another path; at every moment it can be read under one of them."""

    def remove(self, path: str) -> None:
        """Take a file away; nothing happens where there is none."""

    def folder(self, path: str) -> Path | None:
        """Where a folder lies on this machine's disk; None where it does not."""

    def project(self, folder: str, files: Mapping[str, str]) -> None:
        """Show files, name -> path, in a folder too, without copying them; it appears whole, and is kept when they are
        there. Nothing happens where files cannot be shown twice. A folder so made is derived: a power cut may take it
        away, or what is in it."""


def place_of(address: str | os.PathLike[str]) -> Place:
    """The place that an address means."""
    return Local(Path(address).absolute())
