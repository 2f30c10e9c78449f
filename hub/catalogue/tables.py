"""The database of the index: its tables, what is put in and taken out, and the file that holds it.

    folder               a folder of `adapters/`, and the stamp that it had
    name                 one `client/campaign/task`, and what its logs hold
    version, message     one version, with a column for each metric
    alias                what it means now
    base, tags, metric   texts that many versions share

Nothing here looks at a hub; `index.py` does, and `search.py` asks.
"""

import json
import sqlite3
import zlib
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from adapters.format import Bytes
from hub.catalogue.records import Record

LIES = (sqlite3.Error, ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What reading an index comes to whose rows somebody made up."""
_FORMAT = 2
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


@dataclass
class Logs:
    """What the logs of one name hold. last: its highest record. tombstones: versions that were removed. events:
    alias -> number of its last event."""

    last: int = 0
    tombstones: list[int] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=dict)


def make(hub: str) -> sqlite3.Connection:
    """An empty database for the hub with this id."""
    db = _connect()
    db.executescript(_TABLES)
    db.execute("INSERT INTO about VALUES (?, ?)", (_FORMAT, hub))
    return db


def opened(image: Bytes, hub: str) -> sqlite3.Connection | None:
    """The database that a file holds; None where it holds none of this hub and this format."""
    if len(image) < 512 or image[_CRC] != _crc(image):
        return None
    try:
        db = _connect(image)
        about = db.execute("SELECT format, hub FROM about").fetchone()
    except sqlite3.DatabaseError:
        return None
    return db if about == (_FORMAT, hub) else None


def image_of(db: sqlite3.Connection) -> bytearray:
    """The file of a database."""
    image = bytearray(db.serialize())
    image[_CRC] = _crc(image)
    return image


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


def put(db: sqlite3.Connection, own: int, record: Record) -> None:
    """Take a version in. own: the number of its name."""
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


def folder(db: sqlite3.Connection, parent: int | None, part: str) -> tuple[int, str]:
    """Number and stamp of a folder; it is taken in when it is new."""
    where = (parent or 0, part)
    known = db.execute("SELECT id, stamp FROM folder WHERE parent = ? AND part = ?", where).fetchone()
    if known is None:
        made = db.execute("INSERT INTO folder (parent, part, stamp) VALUES (?, ?, '')", where)
        known = (made.lastrowid, "")
    return int(known[0]), str(known[1])


def known(db: sqlite3.Connection, own: int) -> tuple[Logs, str, list[int]]:
    """What the index holds of a name: its logs, the mark of its last record, and the records that could not be read."""
    row = db.execute(
        "SELECT last, tombstones, events, mark, unread FROM name WHERE id = ?", (own,)
    ).fetchone()
    if row is None:
        return Logs(), "", []
    return Logs(row[0], json.loads(row[1]), json.loads(row[2])), row[3], json.loads(row[4])


def put_name(
    db: sqlite3.Connection,
    own: int,
    name: str,
    newest: int | None,
    logs: Logs,
    mark: str,
    unread: Collection[int],
) -> None:
    """Say what the logs of a name hold. newest: its newest version that stands. mark, unread: as in `known`."""
    texts = [json.dumps(value) for value in (logs.tombstones, logs.events, list(unread))]
    db.execute(
        "INSERT OR REPLACE INTO name VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (own, name, newest, logs.last, mark, *texts),
    )


def put_aliases(db: sqlite3.Connection, own: int, meant: Mapping[str, int]) -> None:
    """Say what the aliases of a name mean, alias -> version."""
    db.execute("DELETE FROM alias WHERE name = ?", (own,))
    db.executemany(
        "INSERT INTO alias VALUES (?, ?, ?)", [(own, alias, number) for alias, number in meant.items()]
    )


def mark_removed(db: sqlite3.Connection, own: int, tombstones: list[int]) -> None:
    """Mark these versions of a name as removed, and no others."""
    db.execute("UPDATE version SET removed = 0 WHERE name = ? AND removed", (own,))
    db.executemany(
        "UPDATE version SET removed = 1 WHERE name = ? AND number = ?",
        [(own, number) for number in tombstones],
    )


def forget_others(db: sqlite3.Connection, parent: int, inside: Collection[str]) -> bool:
    """Drop the folders in this one that are no longer there. Returns whether there are any."""
    known = dict(db.execute("SELECT part, id FROM folder WHERE parent = ?", (parent,)))
    gone = known.keys() - set(inside)
    for part in gone:
        forget(db, known[part])
        db.execute("DELETE FROM folder WHERE id = ?", (known[part],))
    return bool(gone)


def forget(db: sqlite3.Connection, own: int) -> None:
    """Drop what the index says of a folder and of those below it."""
    forget_others(db, own, [])
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


def _connect(image: Bytes | None = None) -> sqlite3.Connection:
    """A database in memory. It believes nothing that its file says beyond rows, and leaves no trace of what was
    deleted."""
    db = sqlite3.connect(":memory:", check_same_thread=False)
    if image is not None:
        db.deserialize(image)
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute("PRAGMA secure_delete = ON")
    return db


def _crc(image: Bytes) -> bytes:
    """CRC-32 of a database without the four bytes that hold it."""
    view = memoryview(image)
    return zlib.crc32(view[_CRC.stop :], zlib.crc32(view[: _CRC.start])).to_bytes(4, "big")
