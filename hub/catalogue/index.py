"""The index: what the records and alias logs of a hub say, in one file that answers a search in milliseconds.

    index.sqlite      a whole SQLite database that is only ever replaced as a whole; its header holds the CRC-32 of it

It is derived. No publication waits for it or writes it, and it never decides what exists: resolving, loading and
publishing read the hub's own files. A search takes the database into memory and brings it up to date there first:

    adapters/                     stamp as in the index: nothing changed in the whole hub
    adapters/acme/                another stamp: look at its campaigns ...
    adapters/acme/spring/         ... at the names of those that changed ...
    adapters/acme/spring/ad-copy/ ... and there read the records that are new, and the aliases that moved

What stamps promise stands in `storage.py`, the tables in `tables.py`. A storage without stamps is listed once for each
search, and its new records are read. The file is written again when it saves the next search enough; where it cannot
be, the search works all the same. A file that is missing, truncated, damaged, of another hub or of another format is as
good as none.

Whoever puts files into a hub by other means than this project's, or changes a record in its place, tells the index by
`repertoire search --rebuild`, or by removing the file.
"""

import logging
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from threading import Lock

from hub.catalogue import aliases, numbering, records, tables
from hub.catalogue.tables import Logs
from hub.errors import Damaged, HubError
from hub.storage.layout import ADAPTERS, INDEX, filed, is_part, log, numbered, tombstones
from hub.storage.reach import check_there
from hub.storage.store import Store, sha256

_WORTH_WRITING = 200  # records and stamps that the next search would have to read again
_MOST_LOST = 100_000  # records of one name that are looked for one by one, whether or not they are there
_log = logging.getLogger(__name__)


class Index:
    """The index of one hub. Any thread may read it, one at a time."""

    def __init__(self, store: Store, hub: str) -> None:
        self._store, self._storage = store, store.storage
        # A hub that was copied has the other's id, and perhaps its index; on a disk a record of each name tells.
        self._hub = hub if self._storage.is_local else f"{hub} {self._storage.address}"
        self._lock = Lock()
        self._db: sqlite3.Connection | None = None
        self._learned = 0

    @contextmanager
    def reading(self, anew: bool = False) -> Iterator[sqlite3.Connection]:
        """The database as the hub's files are now; nobody else has it for so long. anew: made from them alone, since
        what the file held turned out to be none. Raises OSError and Unreachable where the hub itself cannot be read."""
        with self._lock:
            if anew:
                self._db, self._learned = self._make(), _WORTH_WRITING
            yield self._fresh()

    def rebuild(self) -> None:
        """Make the index from the records and alias logs alone, and write it. Raises OSError where it cannot be."""
        with self._lock:
            self._db = self._make()
            self._storage.replace(INDEX, tables.image_of(self._db))
            self._learned = 0
            self._fresh()

    def _fresh(self) -> sqlite3.Connection:
        self._db = self._db or self._open()
        if self._db is not None:
            try:
                self._catch_up(self._db)
            except tables.LIES as error:  # sound by its sum, and no index all the same
                _log.info("%s of %s is made again (%s)", INDEX, self._storage.address, error)
                self._db = None
        if self._db is None:
            self._db = self._make()
            self._learned = _WORTH_WRITING
        while self._learned >= _WORTH_WRITING and self._write(self._db):
            self._catch_up(
                self._db
            )  # a purge may have come before the file: what it erased must not stay in there
        return self._db

    def _make(self) -> sqlite3.Connection:
        db = tables.make(self._hub)
        self._catch_up(db)
        db.execute("VACUUM")
        return db

    def _open(self) -> sqlite3.Connection | None:
        """The database that the file holds; None where it holds none of this hub."""
        try:
            image = self._storage.read(INDEX)
        except OSError:
            return None
        return tables.opened(image, self._hub)

    def _write(self, db: sqlite3.Connection) -> bool:
        """Save the next search what this one learned. Returns whether that can be."""
        self._learned = 0
        if not self._storage.exists(ADAPTERS):
            return False  # an empty hub, or one whose folder was taken away
        try:
            self._storage.replace(INDEX, tables.image_of(db))
        except (OSError, HubError) as error:
            _log.debug("%s of %s is not written: %s", INDEX, self._storage.address, error)
            return False
        return True

    def _catch_up(self, db: sqlite3.Connection) -> None:
        with db:
            if self._storage.is_local:
                check_there(self._storage)
                self._visit(db, None, "", ADAPTERS)
            else:
                self._visit_all(db)

    def _visit(self, db: sqlite3.Connection, parent: int | None, above: str, part: str) -> bool:
        """Bring one folder up to date, and what is below it. Returns whether its stamp will tell of any change."""
        folder = f"{above}{part}"
        stamp = self._storage.stamp(folder)  # before anything in it is looked at
        own, known = tables.folder(db, parent, part)
        if stamp and stamp == known:
            return True
        if folder.count("/") == 3:
            name = folder.removeprefix(f"{ADAPTERS}/")
            settled = self._take(db, own, name, self._look(name))
        else:
            inside = sorted(part for part in self._storage.folders(folder) if is_part(part))
            self._drop(db, own, inside)
            settled = all([self._visit(db, own, f"{folder}/", part) for part in inside])
        if not stamp or not settled:
            return False
        db.execute("UPDATE folder SET stamp = ? WHERE id = ?", (stamp, own))
        self._learned += 1
        return True

    def _drop(self, db: sqlite3.Connection, parent: int, inside: Collection[str]) -> None:
        """Forget what is no longer there, in the file too: it may have been erased for good reason."""
        if tables.forget_others(db, parent, inside):
            self._learned = _WORTH_WRITING

    def _look(self, name: str) -> Logs:
        events = {alias: aliases.last(self._store, name, alias) for alias in aliases.known(self._store, name)}
        return Logs(numbering.last(self._store, name), self._store.numbers(tombstones(name)), events)

    def _visit_all(self, db: sqlite3.Connection) -> None:
        """Bring everything up to date from one listing of the storage."""
        found: dict[str, Logs] = {}
        files: Counter[tuple[str, str | None]] = Counter()  # of a name's records, and of the log of an alias
        for path in self._storage.walk(ADAPTERS):
            entry = filed(path)
            if entry is None:
                continue
            logs = found.setdefault(entry.name, Logs())
            files[entry.name, entry.alias] += entry.kind in ("record", "event")
            if entry.kind == "record":
                logs.last = max(logs.last, entry.number)
            elif entry.kind == "tombstone":
                logs.tombstones = sorted([*logs.tombstones, entry.number])
            elif entry.alias is not None:
                logs.events[entry.alias] = max(logs.events.get(entry.alias, 0), entry.number)
        if not found:
            check_there(self._storage)
        root, _ = tables.folder(db, None, ADAPTERS)
        self._drop(db, root, found)
        for name, logs in found.items():
            if logs.last > files[name, None]:  # a gap, and perhaps something beyond it that is no record
                logs.last = numbering.last(self._store, name)
            for alias, last in logs.events.items():
                if last > files[name, alias]:
                    logs.events[alias] = aliases.last(self._store, name, alias)
            own, _ = tables.folder(db, root, name)
            self._take(db, own, name, logs)

    def _take(self, db: sqlite3.Connection, own: int, name: str, logs: Logs) -> bool:
        """Let the rows of a name say what its logs say. Returns whether everything could be read."""
        known, mark, unread = tables.known(db, own)
        if logs.last < known.last or (mark and self._mark(name, known.last) != mark):
            tables.forget(db, own)  # records were taken away, and others may stand in their place
            self._learned = _WORTH_WRITING
            known, mark, unread = Logs(), "", []
        if not logs.last:
            return True
        new = range(known.last + 1, logs.last + 1)
        there = (
            new if len(new) <= _MOST_LOST else (n for n in numbering.numbers(self._store, name) if n in new)
        )
        unread = self._read(db, own, name, [*unread, *there])
        if known.last != logs.last or not mark:
            mark = self._mark(name, logs.last)
        if known.tombstones or logs.tombstones:
            tables.mark_removed(db, own, logs.tombstones)
        if known.events != logs.events:
            logs.events = self._follow(db, own, name, logs.events)
        elsewhere = {number for number in unread if self._is_elsewhere(name, number)}
        gone = elsewhere.union(logs.tombstones)
        newest = next((number for number in range(logs.last, 0, -1) if number not in gone), None)
        tables.put_name(db, own, name, newest, logs, mark, unread)
        return elsewhere.issuperset(unread) and -1 not in logs.events.values()

    def _is_elsewhere(self, name: str, number: int) -> bool:
        """Whether a record was never brought here, into a mirror of a part; its folder's stamp tells when it is."""
        folder = log(name)
        return self._store.in_part(folder) and not self._storage.exists(numbered(folder, number))

    def _read(self, db: sqlite3.Connection, own: int, name: str, numbers: list[int]) -> list[int]:
        """Take these records in. Returns the numbers of those that cannot be read: to be tried again."""
        unread = []
        for number in numbers:
            try:
                tables.put(db, own, records.read(self._storage, name, number))
            except (OSError, Damaged) as error:
                if isinstance(error, OSError) and not (
                    self._storage.is_local or isinstance(error, FileNotFoundError)
                ):
                    raise  # a request that failed; nothing is known to be lost
                if not self._is_elsewhere(name, number):
                    _log.warning("%s@%d is left out of searches: %s", name, number, error)
                unread.append(number)
            else:
                self._learned += 1
        return unread

    def _follow(self, db: sqlite3.Connection, own: int, name: str, events: dict[str, int]) -> dict[str, int]:
        """Take in what the aliases of a name mean. Returns its events as far as they could be read."""
        try:
            meant = aliases.current(self._store, name)
        except Damaged as error:
            _log.warning("the aliases of %s are left out of searches: %s", name, error)
            tables.put_aliases(db, own, {})
            return dict.fromkeys(events, -1)
        tables.put_aliases(db, own, meant)
        self._learned += 1
        return events

    def _mark(self, name: str, number: int) -> str:
        """What tells this record from another one that took its place; nothing in a remote hub, which is not asked."""
        if not number or not self._storage.is_local:
            return ""
        try:
            return sha256(self._storage.read(numbered(log(name), number)))[:16]
        except OSError:
            return ""
