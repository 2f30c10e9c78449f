"""The answers that a run has so far, beside the file that it will write: whole at any moment, whenever it is killed.

out.parquet.state   SQLite: what was asked, which version each reference meant then, and a row for each answer
                        row 0   {"label": "glad", ...}   group, score, crc
                        row 1   {"error": "..."}
"""

import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from adapters.errors import RequestError

_TABLES = """
CREATE TABLE IF NOT EXISTS asked (what TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS versions (reference TEXT PRIMARY KEY, version TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (row INTEGER PRIMARY KEY, told TEXT NOT NULL, "group" TEXT, score REAL, crc INTEGER);
"""
_EVERY = 256  # answers that are written together
_RANKED = """
SELECT told, ranks.rank FROM answers LEFT JOIN (
    SELECT row, RANK() OVER (PARTITION BY "group" ORDER BY score DESC) AS rank FROM answers
    WHERE "group" IS NOT NULL AND score IS NOT NULL
) AS ranks USING (row) ORDER BY row
"""
_PLAIN = "SELECT told, NULL FROM answers ORDER BY row"


def forget(path: Path) -> None:
    """Take a journal away, and what SQLite left beside it when it was killed."""
    for each in (path.with_name(f"{path.name}-journal"), path):
        each.unlink(missing_ok=True)


class Unusable(RequestError):
    """A journal that a run cannot go on from: another run's, or damaged."""


def open_journal(path: Path, asked: Mapping[str, Any], anew: bool) -> "Journal":
    """The journal of a run, with the answers that it has.

    Args:
        path: of the journal; it is made where it is not there.
        asked: all that the answers depend on, as JSON.
        anew: begin again where the journal is another run's or damaged.

    Raises:
        RequestError: it is, or another process has it.
    """
    try:
        return Journal(path, asked)
    except Unusable:
        if not anew:
            raise
        forget(path)
        return Journal(path, asked)


class Journal:
    """The answers of one run; see `open_journal`. One process has it at a time. count: of the answers."""

    def __init__(self, path: Path, asked: Mapping[str, Any]) -> None:
        self.path = path
        self._removed = False
        self._unwritten: list[tuple[int, str, str | None, float | None, int]] = []
        self._base = sqlite3.connect(path, isolation_level=None, timeout=0)
        try:
            self._base.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._base.execute("BEGIN EXCLUSIVE")
            for statement in filter(str.strip, _TABLES.split(";")):
                self._base.execute(statement)
            self.count = self._sound()
            self._same(json.dumps(asked, sort_keys=True))
            self._base.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._base.close()
            raise RequestError(
                f"{path}: {error}; wait for the run that has it, or choose another --out"
            ) from None
        except sqlite3.DatabaseError as error:
            self._base.close()
            raise self._damaged(str(error)) from None
        except BaseException:
            self._base.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._removed:
            return
        self.write()
        if self.count:
            self._base.close()
        else:  # nothing is lost, and nothing stands in another run's way
            self.remove()

    def version(self, reference: str) -> str | None:
        """Which version a reference meant when it was first asked; None where it was not."""
        found = self._base.execute("SELECT version FROM versions WHERE reference=?", (reference,)).fetchone()
        return found[0] if found else None

    def remember(self, reference: str, version: str) -> None:
        """A reference means this version until the run is done."""
        self._base.execute("INSERT OR REPLACE INTO versions VALUES (?, ?)", (reference, version))

    def add(self, answer: Mapping[str, Any], group: str | None, score: float | None) -> None:
        """The answer to the next row. group: what it is ranked in; score: by which."""
        told = json.dumps(answer)
        self._unwritten.append(
            (self.count, told, None if group is None else ascii(group), score, zlib.crc32(told.encode()))
        )
        self.count += 1
        if len(self._unwritten) >= _EVERY:
            self.write()

    def write(self) -> None:
        """Put on the disk what is not there yet: all of it or nothing."""
        if self._unwritten:
            self._base.execute("BEGIN")
            self._base.executemany("INSERT INTO answers VALUES (?, ?, ?, ?, ?)", self._unwritten)
            self._base.execute("COMMIT")
            self._unwritten.clear()

    def answers(self, ranked: bool) -> Iterator[dict[str, Any]]:
        """Every answer, in the order of the rows; with `rank`, from 1, inside its group. ranked: whether they have
        one."""
        self.write()
        for told, rank in self._base.execute(_RANKED if ranked else _PLAIN):
            yield json.loads(told) | ({"rank": rank} if ranked else {})

    def remove(self) -> None:
        """The answers are in their file."""
        self._base.close()
        forget(self.path)
        self._removed = True

    def _sound(self) -> int:
        """How many answers there are. Raises Unusable where one is not what was written, or one is missing."""
        count = 0
        for row, told, crc in self._base.execute("SELECT row, told, crc FROM answers ORDER BY row"):
            if row != count or zlib.crc32(told.encode()) != crc:
                raise self._damaged(f"the answer to row {count + 1} is not what was written")
            count += 1
        return count

    def _same(self, asked: str) -> None:
        before = self._base.execute("SELECT what FROM asked").fetchone()
        if not self.count:
            self._base.execute("DELETE FROM asked")
            self._base.execute("DELETE FROM versions")
            self._base.execute("INSERT INTO asked VALUES (?)", (asked,))
        elif before is None or before[0] != asked:
            was, now = json.loads(before[0] if before else "{}"), json.loads(asked)
            changed = ", ".join(key for key in {**was, **now} if was.get(key) != now.get(key))
            raise Unusable(
                f"{self.path} holds the answers of another run ({changed} differs); say the same as then to go on, or "
                "--force to begin again"
            )

    def _damaged(self, why: str) -> Unusable:
        return Unusable(f"{self.path} is damaged ({why}); begin again with --force")
