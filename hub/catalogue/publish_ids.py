"""Which version of a name a publish id stands for, found without reading all of its records.

    adapters/<client>/<campaign>/<task>/.ids      {"ids": {"3": "<16 hex digits of the sha256 of its publish id>", ...},
                                                   "mark": "<sha256 of the record with the highest of these numbers>"}

The file is derived: records never change, so that what it says of them stays true; those that it does not list are
read. It is written again when there are enough of these, and it may be missing or taken away at any time.
"""

import json
from contextlib import suppress

from adapters.format import Bytes
from hub.catalogue import numbering, records
from hub.catalogue.records import Record
from hub.errors import HubError
from hub.storage.layout import ids, log, numbered
from hub.storage.store import Store, sha256

_WORTH_WRITING = 64  # records that the next publication would have to read


class PublishIds:
    """The publish ids of one name, for one publication that may look for its own several times."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name
        self._known: dict[int, str] | None = None

    def find(self, publish_id: str) -> Record | None:
        """The first record with this publish id, None where there is none. Raises Damaged where a record that cannot
        be read may be the one."""
        if self._known is None:
            self._known = self._listed()
        there = numbering.numbers(self._store, self._name)
        new, text = 0, json.dumps(publish_id, ensure_ascii=False).encode()
        for number in there:
            if number in self._known:
                continue
            new += 1
            with suppress(FileNotFoundError):
                data = self._store.storage.read(self._path(number))
                self._known[number] = _id_in(data) or (_short(publish_id) if text in data else "")
        if new >= _WORTH_WRITING:
            self._write(self._known)
        short = _short(publish_id)
        for number in there:
            if self._known.get(number) == short:
                with suppress(FileNotFoundError):
                    record = records.read(self._store.storage, self._name, number)
                    if record.publish_id == publish_id:
                        return record
        return None

    def _path(self, number: int) -> str:
        return numbered(log(self._name), number)

    def _listed(self) -> dict[int, str]:
        """What the file says; nothing where it is none, or tells of other records than are there."""
        try:
            told = json.loads(self._store.storage.read(ids(self._name)))
            known = {int(number): str(short) for number, short in told["ids"].items()}
            marked = sha256(self._store.storage.read(self._path(max(known))))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}
        return known if marked == told["mark"] else {}

    def _write(self, known: dict[int, str]) -> None:
        with suppress(OSError, HubError):  # the next one reads more
            told = {number: short for number, short in known.items() if short}
            mark = sha256(self._store.storage.read(self._path(max(told))))
            data = json.dumps({"ids": told, "mark": mark}).encode()
            self._store.storage.replace_unsynced(ids(self._name), data)


def _id_in(data: Bytes) -> str:
    """The id of a record, shortened; empty where it says none."""
    try:
        return _short(str(json.loads(data)["publish_id"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _short(publish_id: str) -> str:
    return sha256(publish_id.encode(errors="surrogatepass"))[:16]
