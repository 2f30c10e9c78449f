"""The index: what the records and alias logs of a hub say, in one file that answers a search in milliseconds.

    index.sqlite      a whole SQLite database that is only ever replaced as a whole; its header holds the CRC-32 of it

It is derived. No publication waits for it or writes it, and it never decides what exists: resolving, loading and
publishing read the hub's own files. A search takes the database into memory and brings it up to date there first:

    adapters/                     stamp as in the index: nothing changed in the whole hub
    adapters/acme/                another stamp: look at its campaigns ...
    adapters/acme/spring/         ... at the names of those that changed ...
    adapters/acme/spring/ad-copy/ ... and there read the records that are new, and the aliases that moved

What stamps promise stands in `place.py`. A place without stamps is listed once for each search, and its new records are
read. The file is written again when it saves the next search enough; where it cannot be, the search works all the same.
A file that is missing, truncated, damaged, of another hub or of another format is as good as none.

Whoever puts files into a hub by other means than this project's, or changes a record in its place, tells the index by
`repertoire search --rebuild`, or by removing the file.
"""

import json
import logging
import sqlite3
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock

from adapters.format import Bytes
from hub.catalogue import aliases, records
from hub.catalogue.records import Record
from hub.errors import Damaged, HubError
from hub.storage.layout import ADAPTERS, alias_log, filed, log, numbered, tombstones
from hub.storage.names import is_part
from hub.storage.store import Store, sha256

FILE = "index.sqlite"
_FORMAT = 2
_WORTH_WRITING = 200  # records and stamps that the next search would have to read again
_MOST_METRICS = 1000  # columns
_CRC = slice(60, 64)  # `user_version` in the header of a database: four bytes that SQLite leaves to its users
_TABLES = """
CREATE TABLE about (format INTEGER, hub TEXT);
CREATE TABLE folder (id INTEGER PRIMARY KEY, parent INTEGER, part TEXT, stamp TEXT, UNIQUE (parent, part));
CREATE TABLE name (
    id INTEGER PRIMARY KEY, name TEXT, newest INTEGER,
    last INTEGER, mark TEXT, tombstones TEXT, events TEXT, unread TEXT
);
CREATE TABLE alias (name INTEGER, alias TEXT, number INTEGER, PRIMARY KEY (name, alias)) WITHOUT ROWID;
CREATE TABLE base (id INTEGER PRIMARY KEY, base TEXT UNIQUE);
CREATE TABLE tags (id INTEGER PRIMARY KEY, tags TEXT UNIQUE);
CREATE TABLE metric (id INTEGER PRIMARY KEY, metric TEXT UNIQUE);
CREATE TABLE version (
    name INTEGER, number INTEGER, removed INTEGER, created TEXT, publisher TEXT, task TEXT, method TEXT,
    size INTEGER, base INTEGER, tags INTEGER, data BLOB, digest BLOB,
    PRIMARY KEY (name, number)
) WITHOUT ROWID;
CREATE TABLE message (  -- of a version; apart, since a search for words reads all of them, and little else
    name INTEGER, number INTEGER, message TEXT,
    folded TEXT,  -- by str.casefold; NULL where that changes nothing
    PRIMARY KEY (name, number)
) WITHOUT ROWID;
"""
_log = logging.getLogger(__name__)


@dataclass
class _Logs:
    """What the logs of one name hold. last: its highest record. tombstones: versions that were removed. events:
    alias -> number of its last event."""

    last: int = 0
    tombstones: list[int] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=dict)


class Index:
    """The index of one hub. Any thread may read it, one at a time."""

    def __init__(self, store: Store, hub: str) -> None:
        self._store, self._place, self._hub = store, store.place, hub
        self._lock = Lock()
        self._db: sqlite3.Connection | None = None
        self._learned = 0

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The database as the hub's files are now; nobody else has it for so long. Raises OSError where the hub itself
        cannot be read."""
        with self._lock:
            yield self._fresh()

    def rebuild(self) -> None:
        """Make the index from the records and alias logs alone, and write it. Raises OSError where it cannot be."""
        with self._lock:
            self._db = self._make()
            self._place.replace(FILE, _image(self._db))
            self._learned = 0
            self._fresh()

    def _fresh(self) -> sqlite3.Connection:
        self._db = self._db or self._open()
        if self._db is not None:
            try:
                self._catch_up(self._db)
            except sqlite3.DatabaseError as error:  # sound by its sum, and no index all the same
                _log.info("%s of %s is made again (%s)", FILE, self._place.address, error)
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
        db = _connect()
        db.executescript(_TABLES)
        db.execute("INSERT INTO about VALUES (?, ?)", (_FORMAT, self._hub))
        self._catch_up(db)
        db.execute("VACUUM")
        return db

    def _open(self) -> sqlite3.Connection | None:
        """The database that the file holds; None where it holds none of this hub."""
        try:
            image = self._place.read(FILE)
        except OSError:
            return None
        if len(image) < 512 or image[_CRC] != _crc(image):
            return None
        try:
            db = _connect(image)
            about = db.execute("SELECT format, hub FROM about").fetchone()
        except sqlite3.DatabaseError:
            return None
        return db if about == (_FORMAT, self._hub) else None

    def _write(self, db: sqlite3.Connection) -> bool:
        """Save the next search what this one learned. Returns whether that can be."""
        self._learned = 0
        if not self._place.exists(ADAPTERS):
            return False  # an empty hub, or one whose folder was taken away
        try:
            self._place.replace(FILE, _image(db))
        except (OSError, HubError) as error:
            _log.debug("%s of %s is not written: %s", FILE, self._place.address, error)
            return False
        return True

    def _catch_up(self, db: sqlite3.Connection) -> None:
        with db:
            if self._place.near:
                self._visit(db, None, "", ADAPTERS)
            else:
                self._visit_all(db)

    def _visit(self, db: sqlite3.Connection, parent: int | None, above: str, part: str) -> bool:
        """Bring one folder up to date, and what is below it. Returns whether its stamp will tell of any change."""
        folder = f"{above}{part}"
        stamp = self._place.stamp(folder)  # before anything in it is looked at
        own, known = _folder(db, parent, part)
        if stamp and stamp == known:
            return True
        if folder.count("/") == 3:
            name = folder.removeprefix(f"{ADAPTERS}/")
            settled = self._take(db, own, name, self._look(name))
        else:
            inside = sorted(part for part in self._place.folders(folder) if is_part(part))
            self._drop(db, own, inside)
            settled = all([self._visit(db, own, f"{folder}/", part) for part in inside])
        if not stamp or not settled:
            return False
        db.execute("UPDATE folder SET stamp = ? WHERE id = ?", (stamp, own))
        self._learned += 1
        return True

    def _drop(self, db: sqlite3.Connection, parent: int, inside: Collection[str]) -> None:
        """Forget what is no longer there, in the file too: it may have been erased for good reason."""
        if _forget_others(db, parent, inside):
            self._learned = _WORTH_WRITING

    def _look(self, name: str) -> _Logs:
        events = {
            alias: self._store.last(alias_log(name, alias)) for alias in aliases.known(self._store, name)
        }
        return _Logs(self._store.last(log(name)), self._store.numbers(tombstones(name)), events)

    def _visit_all(self, db: sqlite3.Connection) -> None:
        """Bring everything up to date from one listing of the place."""
        found: dict[str, _Logs] = {}
        for path in self._place.walk(ADAPTERS):
            entry = filed(path)
            if entry is None:
                continue
            logs = found.setdefault(entry.name, _Logs())
            if entry.kind == "record":
                logs.last = max(logs.last, entry.number)
            elif entry.kind == "tombstone":
                logs.tombstones = sorted([*logs.tombstones, entry.number])
            elif entry.alias is not None:
                logs.events[entry.alias] = max(logs.events.get(entry.alias, 0), entry.number)
        root, _ = _folder(db, None, ADAPTERS)
        self._drop(db, root, found)
        for name, logs in found.items():
            own, _ = _folder(db, root, name)
            self._take(db, own, name, logs)

    def _take(self, db: sqlite3.Connection, own: int, name: str, logs: _Logs) -> bool:
        """Let the rows of a name say what its logs say. Returns whether everything could be read."""
        known, mark, unread = _known(db, own)
        if logs.last < known.last or (mark and self._mark(name, known.last) != mark):
            _forget(db, own)  # records were taken away, and others may stand in their place
            self._learned = _WORTH_WRITING
            known, mark, unread = _Logs(), "", []
        if not logs.last:
            return True
        unread = self._read(db, own, name, [*unread, *range(known.last + 1, logs.last + 1)])
        if known.last != logs.last or not mark:
            mark = self._mark(name, logs.last)
        if known.tombstones or logs.tombstones:
            _remove(db, own, logs.tombstones)
        if known.events != logs.events:
            logs.events = self._follow(db, own, name, logs.events)
        elsewhere = {number for number in unread if self._is_elsewhere(name, number)}
        gone = elsewhere.union(logs.tombstones)
        standing = (number for number in range(logs.last, 0, -1) if number not in gone)
        texts = [json.dumps(value) for value in (logs.tombstones, logs.events, unread)]
        db.execute(
            "INSERT OR REPLACE INTO name VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (own, name, next(standing, None), logs.last, mark, *texts),
        )
        return elsewhere.issuperset(unread) and -1 not in logs.events.values()

    def _is_elsewhere(self, name: str, number: int) -> bool:
        """Whether a record was never brought here, into a mirror of a part; its folder's stamp tells when it is."""
        folder = log(name)
        return self._store.in_part(folder) and not self._place.exists(numbered(folder, number))

    def _read(self, db: sqlite3.Connection, own: int, name: str, numbers: list[int]) -> list[int]:
        """Take these records in. Returns the numbers of those that cannot be read: to be tried again."""
        unread = []
        for number in numbers:
            try:
                data = self._place.read(numbered(log(name), number))
                _put(db, own, records.from_bytes(data, name, number))
            except (OSError, Damaged) as error:
                if isinstance(error, OSError) and not (
                    self._place.near or isinstance(error, FileNotFoundError)
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
        db.execute("DELETE FROM alias WHERE name = ?", (own,))
        try:
            meant = aliases.current(self._store, name)
        except Damaged as error:
            _log.warning("the aliases of %s are left out of searches: %s", name, error)
            return dict.fromkeys(events, -1)
        db.executemany(
            "INSERT INTO alias VALUES (?, ?, ?)", [(own, alias, number) for alias, number in meant.items()]
        )
        self._learned += 1
        return events

    def _mark(self, name: str, number: int) -> str:
        """What tells this record from another one that took its place; nothing of a far place, which is not asked."""
        if not number or not self._place.near:
            return ""
        try:
            return sha256(self._place.read(numbered(log(name), number)))[:16]
        except OSError:
            return ""


def packed(digest: str | None) -> bytes | str | None:
    """A digest as the index keeps it: hex digits as bytes."""
    with suppress(ValueError):
        data = bytes.fromhex(digest or "")
        return data if data.hex() == digest else digest
    return digest


def unpacked(digest: bytes | str | None) -> str | None:
    """What `packed` was given."""
    return digest.hex() if isinstance(digest, bytes) else digest


def metric_columns(db: sqlite3.Connection) -> Mapping[str, str]:
    """Metric -> the column of `version` that holds it."""
    return {metric: f"m{number}" for number, metric in db.execute("SELECT id, metric FROM metric")}


def _put(db: sqlite3.Connection, own: int, record: Record) -> None:
    from recipes.judge import Metrics  # only an index that is behind needs to know what a report is

    columns, report = metric_columns(db), record.metrics or {}
    measured = {
        column: float(value)
        for metric, value in (Metrics.read(report.get("after")) or Metrics()).numbers.items()
        if value == value and (column := columns.get(metric) or _new_column(db, metric))
    }
    row = {
        "name": own,
        "number": record.version,
        "removed": 0,
        "created": record.created,
        "publisher": record.publisher,
        "task": record.task,
        "method": record.method,
        "size": record.length if record.method == "prefix" else record.rank,
        "base": _once(db, "base", json.dumps(record.base.model_dump(), ensure_ascii=False)),
        "tags": _once(db, "tags", json.dumps(record.tags, ensure_ascii=False)),
        "data": packed(record.data_digest),
        "digest": packed(record.digest),
        **measured,
    }
    db.execute(
        f"INSERT OR REPLACE INTO version ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
        list(row.values()),
    )
    folded = record.message.casefold()
    db.execute(
        "INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?)",
        (own, record.version, record.message, None if folded == record.message else folded),
    )


def _connect(image: Bytes | None = None) -> sqlite3.Connection:
    """A database in memory. It believes nothing that its file says beyond rows, and leaves no trace of what was
    deleted."""
    db = sqlite3.connect(":memory:", check_same_thread=False)
    if image is not None:
        db.deserialize(image)
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute("PRAGMA secure_delete = ON")
    return db


def _image(db: sqlite3.Connection) -> bytearray:
    """The file of a database."""
    image = bytearray(db.serialize())
    image[_CRC] = _crc(image)
    return image


def _crc(image: Bytes) -> bytes:
    """CRC-32 of a database without the four bytes that hold it."""
    view = memoryview(image)
    return zlib.crc32(view[_CRC.stop :], zlib.crc32(view[: _CRC.start])).to_bytes(4, "big")


def _folder(db: sqlite3.Connection, parent: int | None, part: str) -> tuple[int, str]:
    """Number and stamp of a folder; it is taken in when it is new."""
    where = (parent or 0, part)
    known = db.execute("SELECT id, stamp FROM folder WHERE parent = ? AND part = ?", where).fetchone()
    if known is None:
        made = db.execute("INSERT INTO folder (parent, part, stamp) VALUES (?, ?, '')", where)
        known = (made.lastrowid, "")
    return int(known[0]), str(known[1])


def _known(db: sqlite3.Connection, own: int) -> tuple[_Logs, str, list[int]]:
    """What the index holds of a name: its logs, the mark of its last record, and the records that could not be read."""
    row = db.execute(
        "SELECT last, tombstones, events, mark, unread FROM name WHERE id = ?", (own,)
    ).fetchone()
    if row is None:
        return _Logs(), "", []
    return _Logs(row[0], json.loads(row[1]), json.loads(row[2])), row[3], json.loads(row[4])


def _remove(db: sqlite3.Connection, own: int, tombstones: list[int]) -> None:
    """Mark these versions of a name as removed, and no others."""
    db.execute("UPDATE version SET removed = 0 WHERE name = ? AND removed", (own,))
    db.executemany(
        "UPDATE version SET removed = 1 WHERE name = ? AND number = ?",
        [(own, number) for number in tombstones],
    )


def _forget_others(db: sqlite3.Connection, parent: int, inside: Collection[str]) -> bool:
    """Drop the folders in this one that are no longer there. Returns whether there are any."""
    known = dict(db.execute("SELECT part, id FROM folder WHERE parent = ?", (parent,)))
    gone = known.keys() - set(inside)
    for part in gone:
        _forget(db, known[part])
        db.execute("DELETE FROM folder WHERE id = ?", (known[part],))
    return bool(gone)


def _forget(db: sqlite3.Connection, own: int) -> None:
    """Drop what the index says of a folder and of those below it."""
    _forget_others(db, own, [])
    for table, column in (("name", "id"), ("alias", "name"), ("version", "name"), ("message", "name")):
        db.execute(f"DELETE FROM {table} WHERE {column} = ?", (own,))


def _once(db: sqlite3.Connection, table: str, text: str) -> int:
    """Number of a text that many versions share; table and its column have one name."""
    found = db.execute(f"SELECT id FROM {table} WHERE {table} = ?", (text,)).fetchone()
    if found is None:
        found = (db.execute(f"INSERT INTO {table} ({table}) VALUES (?)", (text,)).lastrowid,)
    return int(found[0])


def _new_column(db: sqlite3.Connection, metric: str) -> str | None:
    """A column of `version` for a metric; None beyond the most that are kept."""
    if db.execute("SELECT count(*) FROM metric").fetchone()[0] >= _MOST_METRICS:
        return None
    column = f"m{_once(db, 'metric', metric)}"
    db.execute(f"ALTER TABLE version ADD COLUMN {column} REAL")
    return column
