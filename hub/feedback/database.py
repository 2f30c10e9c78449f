"""Where the log lies: SQLite beside the hub, or the database that REPERTOIRE_FEEDBACK names.

campaigns/                      the hub
campaigns.feedback.sqlite       its log, in WAL: readers and the one writer do not wait for each other

REPERTOIRE_FEEDBACK=postgresql+psycopg://user:password@host/database
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from hub.errors import BadFeedback, FeedbackError
from hub.feedback.migrations import migrate
from hub.feedback.tables import metadata
from hub.storage.address import open_storage

VARIABLE = "REPERTOIRE_FEEDBACK"
_WAIT = 30.0  # seconds for which SQLite waits for another process's transaction


def address_of(hub: str | os.PathLike[str]) -> str:
    """The URL of a hub's log.

    Args:
        hub: its address.

    Raises:
        FeedbackError: the hub is remote, and nothing names a database.
    """
    if named := os.environ.get(VARIABLE):
        return named
    folder = open_storage(hub).folder("")
    if folder is None:
        raise FeedbackError(
            f"{os.fspath(hub)} is no folder on this machine, so that its feedback log cannot lie beside it; name a "
            f"database: {VARIABLE}=postgresql+psycopg://user:password@host/database"
        )
    return sqlite_url(folder.with_name(f"{folder.name}.feedback.sqlite"))


def sqlite_url(path: Path) -> str:
    """The URL of a file of SQLite, whatever its name holds, such as `?` or `%20`."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def has_log(hub: str | os.PathLike[str]) -> bool:
    """Whether a hub has a log: a database is named, or its file lies beside the hub."""
    if os.environ.get(VARIABLE):
        return True
    folder = open_storage(hub).folder("")
    return folder is not None and Path(make_url(address_of(hub)).database or "").exists()


class Database:
    """One log's database. Any thread may use it.

    Args:
        url: of SQLAlchemy: `sqlite:///path` or `postgresql+psycopg://...`.

    Raises:
        FeedbackError: from here and from all that is done with it: no such kind of database, it cannot be reached or
            written, or a newer Repertoire wrote it.
    """

    def __init__(self, url: str) -> None:
        try:
            self._engine = _engine(url)
            self.address = make_url(url).render_as_string(hide_password=True)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise FeedbackError(
                f"the feedback log's address cannot be used ({error}); write sqlite:///path, or "
                "postgresql+psycopg://user:password@host/database"
            ) from None
        if self._engine.dialect.name not in ("sqlite", "postgresql"):
            raise FeedbackError(
                f"a feedback log lies in SQLite or PostgreSQL, not in {self._engine.dialect.name}"
            )
        self.embedded = self._engine.dialect.name == "sqlite"
        self._migrated = False
        self._lock = Lock()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that others wait for; on the disk when the block ends."""
        with self._told():
            self._ready()
            with self._engine.begin() as connection:
                opened = connection.info.get("file")
                yield connection
            self._see_that_it_is_there(opened)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that waits for nobody and sees one moment."""
        with self._told():
            self._ready()
            with self._engine.connect().execution_options(reads=True) as connection:
                yield connection

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """A connection outside of any transaction, for as long as the block lasts."""
        with self._told(), self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def path(self) -> Path | None:
        """The file of SQLite; None where it has none."""
        name = self._engine.url.database if self.embedded else None
        return Path(name) if name and name != ":memory:" else None

    def shrink(self) -> None:
        """Give erased bytes back, so that they stand in no file of the database any more."""
        how: Any = {"plain": True} if self.embedded else {"isolation_level": "AUTOCOMMIT"}
        with self._told(), self._engine.connect().execution_options(**how) as connection:
            if self.embedded:
                connection.execute(text("VACUUM"))
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
            else:
                connection.execute(text(f"VACUUM FULL {', '.join(metadata.tables)}"))

    def close(self) -> None:
        """Let go of its connections."""
        self._engine.dispose()

    def _ready(self) -> None:
        with self._lock:
            if not self._migrated:
                with self._engine.begin() as connection:
                    migrate(connection)
                self._migrated = True

    def _see_that_it_is_there(self, opened: object) -> None:
        """SQLite goes on writing into a file that was deleted or replaced, where nobody will read it. Raises
        FeedbackError: what was written is then written again, as soon as there is a file; opened: which one it was."""
        if not self.embedded or opened is None:
            return
        path = str(self._engine.url.database)
        found = _file(path)
        if found == opened:
            return
        if found is not None:  # another one, such as a backup that was brought back
            self._engine.dispose()
            self._migrated = False
        told = "its file was taken away; bring it back" if found is None else "its file is another one now"
        raise FeedbackError(f"the feedback log {self.address} does not answer ({told})")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (IntegrityError, DataError) as error:
            raise BadFeedback([f"the database does not take it: {error.orig}"]) from error
        except (SQLAlchemyError, OSError) as error:
            told = str(getattr(error, "orig", None) or error).strip().split("\n")[0]
            raise FeedbackError(
                f"the feedback log {self.address} does not answer ({told}); what was acknowledged is safe"
            ) from error


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; one that is there already stays, so that a transaction may be tried again.

    Args:
        connection: of the log.
        table: of its.
        rows: column -> value.
    """
    if rows:
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        connection.execute(insert(table).on_conflict_do_nothing(), rows)


def _engine(url: str) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": _WAIT, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def opened(raw: Any, record: Any) -> None:
        raw.isolation_level = None  # transactions are begun below, also for what changes the schema
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            raw.execute(f"PRAGMA {pragma}")
        record.info["file"] = _file(str(engine.url.database))

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        how = connection.get_execution_options()
        if not how.get("plain"):
            connection.exec_driver_sql("BEGIN" if how.get("reads") else "BEGIN IMMEDIATE")

    return engine


def _file(path: str) -> tuple[int, int] | None:
    """Which file a path is, by its device and number; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
