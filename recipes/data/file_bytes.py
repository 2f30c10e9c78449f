"""The bytes of a client's file, gone through once: their hash, whether they are text, and what they are if not."""

import codecs
import difflib
import hashlib
import io
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from errno import EINVAL
from itertools import islice
from pathlib import Path
from typing import TextIO

from recipes.data.packed import packing, read, unpacked
from recipes.errors import DataError, Problem

USUAL = "utf-8-sig"  # UTF-8, with a byte order mark or without
_EMPTY = b" \t\r\n\v\f\xef\xbb\xbf\xff\xfe"  # white space and byte order marks say nothing
_CHUNK = 2**20  # bytes that are looked at together
_LONGEST = 2**16  # characters of a line that say what a file is like
_REPLACED = re.compile(rb"\xef\xbf\xbd|\\u[fF]{3}[dD]")  # U+FFFD, as it is or as JSON may write it

# "Ã¶" and "â€": the bytes of UTF-8, each read as a character of Windows-1252 and written as UTF-8 again.
_TWICE = re.compile(rb"\xc3[\x82\x83\x90\x91\xa2-\xaf][\xc2\xc5\xc6\xcb\xe2]")


@dataclass(frozen=True)
class Look:
    """A file's bytes, gone through once. state: size and time of change; encoding: that its text is read as; invalid:
    the offset of the first byte that is no text; damaged: whether the replacement character stands anywhere; quoted:
    whether a double quote does; twice: whether text may have been made UTF-8 twice; foreign: where another encoding was
    asked for and the file is UTF-8 all the same, its characters that are no ASCII; else 0."""

    state: tuple[int, int]
    encoding: str
    sha256: str
    blank: bool
    invalid: int | None
    damaged: bool
    quoted: bool
    twice: bool
    foreign: int = 0


def look_at(path: Path, total: "hashlib._Hash", encoding: str = USUAL) -> Look:
    """Go through a file. total: is updated with its bytes too. Raises OSError."""
    own, state, packed = hashlib.sha256(), _state(path), packing(path) is not None
    if packed:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                own.update(chunk)
                total.update(chunk)
    encoding = _settled(path, encoding)
    decoder = codecs.getincrementaldecoder(encoding.removesuffix("-sig"))()
    wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))  # every other byte may be 0
    blank, damaged, quoted, twice = True, False, False, False
    invalid = zero = None
    utf8 = None if wide or encoding == USUAL else _Utf8()
    at, tail = 0, b""
    with unpacked(path) as file:
        while True:
            chunk = read(file, _CHUNK)
            if not packed:
                own.update(chunk)
                total.update(chunk)
            blank = blank and not chunk.strip(_EMPTY)
            quoted = quoted or b'"' in chunk
            damaged = damaged or _REPLACED.search(tail + chunk) is not None
            twice = twice or _TWICE.search(tail + chunk) is not None
            if invalid is None:
                begins = at - len(decoder.getstate()[0])
                try:
                    decoder.decode(chunk, final=not chunk)
                except UnicodeError as error:
                    invalid = begins + (error.start if isinstance(error, UnicodeDecodeError) else 0)
            if utf8 is not None:
                utf8.add(chunk)
            if zero is None and b"\0" in chunk:
                zero = at + chunk.index(b"\0")
            if not chunk:
                if invalid is None:  # an end of line holds a NUL in wide text, and none elsewhere
                    invalid = zero if not wide else 0 if zero is None else None
                foreign = 0 if utf8 is None else utf8.foreign
                return Look(state, encoding, own.hexdigest(), blank, invalid, damaged, quoted, twice, foreign)
            at, tail = at + len(chunk), chunk[-8:]


class _Utf8:
    """Bytes that come piece by piece, as UTF-8. foreign: characters that are no ASCII; 0 where the bytes are none."""

    def __init__(self) -> None:
        self._decoder, self._sound, self._foreign = codecs.getincrementaldecoder("utf-8")(), True, 0

    def add(self, chunk: bytes) -> None:
        """The next piece; the last one is empty."""
        try:
            text = self._decoder.decode(chunk, final=not chunk) if self._sound else ""
            self._foreign += len(text) - len(text.encode("ascii", "ignore"))
        except UnicodeDecodeError:
            self._sound = False

    @property
    def foreign(self) -> int:
        return self._foreign if self._sound else 0


def _settled(path: Path, encoding: str) -> str:
    """The encoding that was asked for; UTF-16 where none was and the file's byte order mark says so."""
    if codecs.lookup(encoding).name not in ("utf-8", codecs.lookup(USUAL).name):
        return encoding
    with unpacked(path) as file:
        return "utf-16" if read(file, 2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else USUAL


def _state(file: Path) -> tuple[int, int]:
    found = os.stat(file)
    return found.st_size, found.st_mtime_ns


def check_unchanged(path: Path, look: Look) -> None:
    """Raise DataError where a file that was looked at before has changed since."""
    if _state(path) != look.state:
        fix = "Run it again when nothing writes to the file"
        raise DataError([Problem(str(path), "the file has changed while it was read", fix)])


def opened(path: Path, look: Look, newline: str | None) -> TextIO:
    """The text of a file that was looked at before. Raises DataError where it has changed since."""
    check_unchanged(path, look)
    return io.TextIOWrapper(unpacked(path), encoding=look.encoding, newline=newline)


def first_lines(path: Path, look: Look, most: int = 1) -> list[str]:
    """The first lines that are not empty; there is one at least."""
    with opened(path, look, newline=None) as file:
        return list(islice((line for line in file if not line.isspace()), most))


def top(path: Path, look: Look, most: int = 60) -> list[str]:
    """The first lines as they are, the empty ones too."""
    with opened(path, look, newline=None) as file:
        return [line[:_LONGEST] for line in islice(file, most)]


def why_unreadable(path: Path, error: OSError, known: Collection[str]) -> tuple[str, str]:
    """Why a file cannot be read, and what to do. known: the endings of files that are read."""
    if path.is_dir():
        inside = sorted(child.name for child in path.iterdir() if child.suffix.lower() in known)[:5]
        return "this is a folder", f"Name its files: {', '.join(inside)}" if inside else "Name a file"
    if not path.exists():
        every = path.parent.iterdir() if path.parent.is_dir() else ()
        beside = [child.name for child in every if not child.name.startswith(".")]
        near = difflib.get_close_matches(path.name, beside, n=3, cutoff=0.5)
        return (
            "there is no such file",
            f"Did you mean {' or '.join(near)}?" if near else f"Check the path {path}",
        )
    if error.errno == EINVAL:
        return str(error.strerror), "Pack or export the file again"
    return f"it cannot be read ({error.strerror})", "Check the file's permissions"
