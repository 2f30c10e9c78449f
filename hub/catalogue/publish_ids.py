"""Which version of a name a publish id stands for, found without reading all of its records.

    adapters/<client>/<campaign>/<task>/.ids

    <sha256 of the lines below and of the record of the last>     the file is none where this is another
    1 5f3a9c0112ab34cd                                            version, 16 hex digits of the sha256 of its publish id
    2 ?                                                           its record could not be read: it is read each time
    3 88e1d2f4567890ab

The file is derived: records never change, so that what it says of them stays true; those after its last line are read.
It is written again when there are enough of these, and it may be missing, damaged or taken away at any time.
"""

import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress

from adapters.format import Bytes
from hub.catalogue import records
from hub.catalogue.records import Record
from hub.errors import Damaged, HubError
from hub.storage.layout import ids, log, numbered
from hub.storage.storage import NO_FILE
from hub.storage.store import Store, sha256

_WORTH_WRITING = 64  # records that the next publication would have to read


class PublishIds:
    """The publish ids of one name, for one publication that may look for its own several times."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name
        self._lines: bytes | None = None
        self._read: dict[int, str] = {}

    def find(self, publish_id: str, versions: Sequence[int]) -> Record | None:
        """The first record with this publish id, None where there is none. versions: those of the name, in order.
        Raises Damaged where a record that cannot be read may be the one."""
        if self._lines is None:
            self._lines = self._listed(versions)
        wanted, told = _short(publish_id), self._lines
        listed = bisect_right(versions, _last(told))
        read = {number: self._id_of(number, publish_id) for number in [*_with(told, "?"), *versions[listed:]]}
        if len(versions) - listed >= _WORTH_WRITING:
            self._write(told, {number: self._read.get(number, "") for number in versions[listed:]})
        for number in sorted(
            [*_with(told, wanted), *(number for number, id in read.items() if id == wanted)]
        ):
            with suppress(FileNotFoundError):
                record = records.read(self._store.storage, self._name, number)
                if record.publish_id == publish_id:
                    return record
        return None

    def _id_of(self, number: int, publish_id: str) -> str:
        """The id of a record, shortened; empty where it says none, and is not the one that is looked for."""
        if number not in self._read:
            try:
                data = self._store.storage.read(numbered(log(self._name), number))
            except OSError as error:
                if isinstance(error, FileNotFoundError) or error.errno in NO_FILE:
                    return ""
                raise Damaged(
                    f"the record of {self._name}@{number} cannot be read ({error.strerror})"
                ) from error
            told = _id_in(data)
            if not told and json.dumps(publish_id, ensure_ascii=False).encode() in data:
                return _short(publish_id)
            self._read[number] = told
        return self._read[number]

    def _listed(self, versions: Sequence[int]) -> bytes:
        """The lines of the file; none where it is damaged, or tells of other records than are there."""
        try:
            mark, _, lines = bytes(self._store.storage.read(ids(self._name))).partition(b"\n")
            last = _last(lines)
            sound = last and mark.decode() == self._mark(lines, last)
        except (OSError, ValueError):
            return b""
        return lines if sound and lines.count(b"\n") == bisect_right(versions, last) else b""

    def _mark(self, lines: bytes, last: int) -> str:
        return sha256(lines + bytes(self._store.storage.read(numbered(log(self._name), last))))

    def _write(self, lines: bytes, more: dict[int, str]) -> None:
        with suppress(OSError, HubError):  # the next one reads more
            lines += b"".join(b"%d %s\n" % (number, id.encode() or b"?") for number, id in more.items())
            mark = self._mark(lines, _last(lines))
            self._store.storage.replace_unsynced(ids(self._name), mark.encode() + b"\n" + lines)


def _last(lines: bytes) -> int:
    """The version of the last line; 0 where there is none. Raises ValueError."""
    return int(lines[:-1].rpartition(b"\n")[2].partition(b" ")[0] or b"0")


def _with(lines: bytes, short: str) -> Iterator[int]:
    """The versions of the lines that end so."""
    ending, at = b" %s\n" % short.encode(), -1
    while (at := lines.find(ending, at + 1)) >= 0:
        yield int(lines[lines.rfind(b"\n", 0, at) + 1 : at])


def _id_in(data: Bytes) -> str:
    """The id that a record says, shortened; empty where it says none."""
    try:
        return _short(str(json.loads(data)["publish_id"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _short(publish_id: str) -> str:
    return sha256(publish_id.encode(errors="surrogatepass"))[:16]
