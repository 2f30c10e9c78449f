"""What happened to a name, in one order: publications, tombstones, and the changes of its aliases.

    .records/       1         2              3            each log tells its own order, whatever the clocks say
    .tombstones/                                  2
    .events/production/  1         2 rollback

Clocks of several machines disagree, so that between the logs an entry counts as no earlier than the one before it in
its own log, and than the publication of the version that it speaks of.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from hub import aliases
from hub.errors import Damaged
from hub.records import Record
from hub.store import Store, numbered

What = Literal["published", "set", "rolled back", "removed", "tombstone"]


@dataclass(frozen=True)
class Entry:
    """One thing that happened. when: UTC, ISO 8601, by the clock of whoever did it; number: its place in its own log;
    version: None where an alias was removed; alias: None for what is of no alias; why: of a publication its message."""

    when: str
    who: str
    what: What
    version: int | None
    alias: str | None
    number: int
    why: str


def of(store: Store, folder: str, published: Sequence[Record], wanted: Iterable[str]) -> tuple[Entry, ...]:
    """Everything of the adapter in `folder`, oldest first. wanted: the aliases to tell of. Raises Damaged."""
    logs = [[_publication(record) for record in published]]
    logs += [_changes(store, folder, alias) for alias in wanted]
    logs.append(_tombstones(store, f"{folder}/.tombstones"))
    begins: dict[int | None, datetime] = {}
    placed = []
    for log in logs:
        at = datetime.min.replace(tzinfo=UTC)
        for entry in log:
            at = max(at, _time(entry.when), begins.get(entry.version, at))
            if entry.what == "published":
                begins[entry.version] = at
            placed.append((at, entry))
    return tuple(entry for _, entry in sorted(placed, key=lambda pair: pair[0]))


def _publication(record: Record) -> Entry:
    return Entry(
        record.created, record.publisher, "published", record.version, None, record.version, record.message
    )


def _changes(store: Store, folder: str, alias: str) -> list[Entry]:
    found = []
    for number, event in aliases.history(store, folder, alias).items():
        what: What = "removed" if event.version is None else "rolled back" if event.back_to else "set"
        found.append(Entry(event.when, event.who, what, event.version, alias, number, event.why))
    return found


def _tombstones(store: Store, log: str) -> list[Entry]:
    """They are numbered by the versions that they bury, so that their own order is that of their times."""
    found = []
    for number in store.numbers(log):
        path = numbered(log, number)
        try:
            told = json.loads(store.place.read(path))
            found.append(
                Entry(told["when"], told["who"], "tombstone", int(told["version"]), None, number, told["why"])
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise Damaged(
                f"tombstone {path} cannot be read ({error}); `repertoire rm` the version again"
            ) from error
    return sorted(found, key=lambda entry: entry.when)


def _time(when: str) -> datetime:
    """The moment that an entry says; the earliest where it says none, so that its place in its log decides."""
    try:
        found = datetime.fromisoformat(when)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
