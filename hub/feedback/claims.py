"""One refresher of a campaign: who refreshes it holds it until it ends, however it ends.

    SQLite        a file beside the log that the kernel locks: campaigns.feedback.sqlite.refresh-3f1a...
    PostgreSQL    an advisory lock, on a connection of its own

Two that refreshed one campaign would train the same rows twice, and replace each other's canaries.
"""

import hashlib
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from hub.errors import FeedbackError
from hub.storage.held_files import hold, holder, let_go

if TYPE_CHECKING:
    from hub.feedback.database import Database

_TRY = text("SELECT pg_try_advisory_lock(:number)")
_LET_GO = text("SELECT pg_advisory_unlock(:number)")


class Claims:
    """The campaigns that are refreshed here, until it is closed or the process ends."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._stack = ExitStack()

    def take(self, database: "Database", name: str) -> None:
        """Hold a campaign, unless it is held here already.

        Args:
            database: of the log.
            name: `client/campaign/task`.

        Raises:
            FeedbackError: another refresher holds it.
        """
        if name in self._held:
            return
        number = hashlib.sha256(name.encode()).digest()[:8]
        told = (
            self._file(database.path, number.hex(), name)
            if database.embedded
            else self._lock(database, int.from_bytes(number, signed=True))
        )
        if told is not None:
            raise FeedbackError(
                f"another refresh holds {name} ({told}); end that one, such as a server's `--refresh`, or leave the "
                "campaign out of this file"
            )
        self._held.add(name)

    def close(self) -> None:
        """Hold none any more."""
        self._stack.close()
        self._held.clear()

    def _file(self, log: Path | None, number: str, name: str) -> str | None:
        """Hold a file; who holds it, where another does."""
        if log is None:
            return None
        path = log.with_name(f"{log.name}.refresh-{number}")
        try:
            handle = hold(path, f"refresh of {name}")
        except OSError as error:
            raise FeedbackError(
                f"{path} cannot be written ({error.strerror}), which says who refreshes"
            ) from error
        if handle is None:
            return holder(path) or "it begins just now"
        self._stack.callback(let_go, path, handle)
        return None

    def _lock(self, database: "Database", number: int) -> str | None:
        """Hold a lock of the database; who holds it, where another does."""
        with ExitStack() as own:
            connection = own.enter_context(database.alone())
            if not connection.execute(_TRY, {"number": number}).scalar():
                return "another process of the same database"
            # A connection that is given back keeps its locks.
            own.callback(connection.execute, _LET_GO, {"number": number})
            self._stack.push(own.pop_all())
        return None
