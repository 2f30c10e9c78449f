"""The log of what was shown and what users did about it.

an answer (loop.py)  --->  add(impression)  --->  a queue  --->  one thread, in batches  --->  database
the program          --->  feedback(id, "click")  --^            waits until it is on the disk
"""

import os
import weakref
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Table, delete, func, select

from hub.errors import BadFeedback
from hub.feedback.database import Database, address_of, insert_new
from hub.feedback.events import Impression, Outcome
from hub.feedback.tables import canaries, challenged, clients, impressions, outcomes, shown
from hub.feedback.taking import Taken, take
from hub.feedback.user_keys import UserKeys
from hub.feedback.writer import Writer
from recipes.data import masked

if TYPE_CHECKING:
    from hub.feedback.loop import Loop
    from hub.hub import Hub
    from hub.registry.registry import Registry

_EXPIRE_EVERY = 3600.0  # seconds


class Feedback:
    """The feedback log of a hub. Any thread may call it, and many processes may write at once.

    Args:
        hub: a Hub or its address, beside which the log lies.
        url: of a database instead; None is the one that REPERTOIRE_FEEDBACK names, where it names one.
        most: impressions and outcomes that may wait to be written.
        patience: seconds to wait for the disk before an event is said not to be taken.
        moment: seconds for which impressions that nobody waits for lie in this process, to be written together. Until
            then another process does not know them: 0 where several answer and any of them may be told outcomes.
        clock: gives seconds since 1970.

    Raises:
        FeedbackError: there is no such database, a newer Repertoire wrote it, or it does not answer.
    """

    def __init__(
        self,
        hub: "Hub | str | os.PathLike[str]",
        url: str | None = None,
        most: int = 10_000,
        patience: float = 60.0,
        moment: float = 0.2,
        clock: Callable[[], float] = time,
    ) -> None:
        self.database = Database(
            url or address_of(hub if isinstance(hub, str | os.PathLike) else hub.address)
        )
        self._clock = clock
        self._keys = UserKeys(self.database)
        self._writer = Writer(self._write, most, patience, moment)
        self._expired = float("-inf")
        self._ended = weakref.finalize(self, _end, self._writer, self.database)
        with self.database.read():
            pass

    def add(self, impression: Impression, on_disk: bool = False) -> str | None:
        """Log an impression.

        Args:
            impression: with texts as they may be stored.
            on_disk: wait until it is there.

        Returns:
            Its id; None where it was dropped, since the queue is full.

        Raises:
            BadFeedback: a time, a probability or a propensity of it can be none.
            FeedbackError: with `on_disk`, where it was not taken.
        """
        _check([impression])
        taken = self._writer.put(impression, on_disk)
        return impression.id if taken or on_disk else None

    def add_all(self, made: Sequence[Impression]) -> None:
        """Log many impressions; on the disk when this returns. One whose id is there already stays as it is. Raises
        FeedbackError where they were not taken, and BadFeedback, as `add`, where none is."""
        _check(made)
        if made:
            self._writer.put(made, wait=True)

    def feedback(
        self,
        impression: str,
        kind: str,
        *,
        value: float | None = None,
        at: float | datetime | str | None = None,
        text: str | None = None,
        position: int = 1,
        event: str = "",
        client: str | Sequence[str] | None = None,
    ) -> bool:
        """Tell what a user did; on the disk when this returns. Told again, it changes nothing.

        Args:
            impression: the id that the answer came with.
            kind: click, conversion or dislike; of ad copy accepted, edited or rejected; of behavior label.
            value: such as what a conversion is worth.
            at: when: seconds since 1970, a datetime or ISO 8601 with its zone; None is now.
            text: of edited the final text, of label the label that is right.
            position: of what was shown, 1 for the first.
            event: an id of your own, where one impression has several of a kind.
            client: under which names its impression must be, such as `acme`; None asks nothing.

        Returns:
            Whether it was new.

        Raises:
            BadFeedback: it is not taken, and why.
            FeedbackError: the log does not answer; sending it again is safe.
        """
        (taken,) = self.feedback_all([Outcome(impression, kind, at, value, text, position, event, client)])
        if taken.status == "refused":
            raise BadFeedback([taken.why])
        return taken.status == "taken"

    def feedback_all(self, given: Sequence[Outcome]) -> list[Taken]:
        """Tell many outcomes at once, in any order; on the disk when this returns.

        Args:
            given: what users did.

        Returns:
            What became of each: what is refused says why, and the others are taken.

        Raises:
            FeedbackError: the log does not answer; sending them again is safe.
        """
        faults = ["; ".join(each.problems()) for each in given]
        sound = [each for each, fault in zip(given, faults, strict=True) if not fault]
        found = iter(self._writer.put(sound, wait=True) if sound else ())
        return [Taken("refused", fault) if fault else next(found) for fault in faults]

    def now(self) -> float:
        """Seconds since 1970, by the clock of this log."""
        return self._clock()

    def user_key(self, client: str, user: str) -> str:
        """What a client's user is known by in the log."""
        return self._keys.hashed(client, user)

    def expire(self) -> int:
        """Erase what is past its recipe's `feedback.retention_days`. Returns how many impressions."""
        with self.database.write() as connection:
            old = impressions.c.expires < self._clock()
            gone = select(impressions.c.id).where(old)
            for table in (shown, outcomes):
                connection.execute(delete(table).where(table.c.impression.in_(gone)))
            return connection.execute(delete(impressions).where(old)).rowcount

    def count(self, client: str) -> dict[str, int]:
        """How many rows of each table are a client's."""
        with self.database.read() as connection:
            return {
                table.name: connection.execute(
                    select(func.count()).select_from(table).where(own)
                ).scalar_one()
                for table, own in _rows_of(client)
            }

    def summary(self) -> list[dict[str, Any]]:
        """What is logged of each name: impressions, outcomes, and the times (UTC, ISO 8601) of the first and the last
        impression."""
        told = (
            select(func.count())
            .select_from(outcomes.join(impressions, impressions.c.id == outcomes.c.impression))
            .where(impressions.c.name == (own := impressions.alias()).c.name)
            .scalar_subquery()
        )
        asked = select(own.c.name, func.count(), told, func.min(own.c.at), func.max(own.c.at))
        with self.database.read() as connection:
            return [
                {
                    "name": name,
                    "impressions": seen,
                    "outcomes": came,
                    "since": _iso(first),
                    "until": _iso(last),
                }
                for name, seen, came, first, last in connection.execute(
                    asked.group_by(own.c.name).order_by(own.c.name)
                )
            ]

    def purge(self, client: str, dry_run: bool = False) -> dict[str, int]:
        """Erase all that the log holds of a client, its secret too, also from the files of the database.

        Args:
            client: the first part of its names.
            dry_run: change nothing.

        Returns:
            Table -> rows that were erased, or would be.
        """
        if not dry_run:
            self.flush()
        found = self.count(client)
        if not dry_run and any(found.values()):
            with self.database.write() as connection:
                # What belongs to an impression is found by it, and goes before it.
                for table, own in reversed(_rows_of(client)):
                    connection.execute(delete(table).where(own))
            self._keys.forget(client)
            self.database.shrink()
        return found

    def around(self, registry: "Registry") -> "Loop":
        """A loop of a registry and this log: what `Registry(..., log=...)` answers by."""
        from hub.feedback.loop import Loop

        return Loop(registry, self)

    def flush(self) -> None:
        """Wait until all that was logged is on the disk. Raises FeedbackError where that takes too long."""
        self._writer.flush()

    def state(self) -> dict[str, Any]:
        """Where it lies, what was written and dropped since the start, what waits, and what the matter is. Plain
        JSON."""
        return {
            "address": self.database.address,
            "written": self._writer.written,
            "dropped": self._writer.dropped,
            "waiting": self._writer.waiting(),
            "trouble": self._writer.trouble,
        }

    def close(self) -> None:
        """Write what waits, and let go of the database."""
        self._ended()

    def _write(self, items: Sequence[Impression | Sequence[Impression | Outcome]]) -> Sequence[Any]:
        """Items in one transaction: all impressions first, so that an outcome finds its own."""
        each = [[item] if isinstance(item, Impression) else item for item in items]
        noted = [given for some in each for given in some if isinstance(given, Impression)]
        told = [given for some in each for given in some if isinstance(given, Outcome)]
        now = self._clock()
        if now > self._expired + _EXPIRE_EVERY:
            self.expire()
            self._expired = now
        with self.database.write() as connection:
            insert_new(connection, impressions, [impression.row() for impression in noted])
            insert_new(connection, shown, [row for impression in noted for row in impression.places_rows()])
            found = iter(take(connection, told, now, masked))
        return [[next(found) for given in some if isinstance(given, Outcome)] for some in each]


def _rows_of(client: str) -> list[tuple[Table, ColumnElement[bool]]]:
    """Every table, and which of its rows are a client's."""
    own = select(impressions.c.id).where(impressions.c.client == client)
    return [
        (impressions, impressions.c.client == client),
        (shown, shown.c.impression.in_(own)),
        (outcomes, outcomes.c.impression.in_(own)),
        (clients, clients.c.client == client),
        *(
            (table, table.c.name.startswith(f"{client}/", autoescape=True))
            for table in (canaries, challenged)
        ),
    ]


def _check(made: Sequence[Impression]) -> None:
    if problems := [f"impression {each.id}: {fault}" for each in made for fault in each.problems()]:
        raise BadFeedback(problems)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _end(writer: Writer, database: Database) -> None:
    writer.close()
    database.close()
