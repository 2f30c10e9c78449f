"""What happened to a name, in one order: publications, removals, and the changes of its aliases.

    .records/       1         2              3            each log tells its own order, whatever the clocks say
    .tombstones/                                  2
    .events/production/  1         2 rollback

Clocks of several machines disagree, so that between the logs an entry counts as no earlier than the one before it in
its own log, and than the publication of the version that it speaks of.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from hub.catalogue import aliases, numbering, tombstones
from hub.catalogue.records import Record
from hub.storage import layout
from hub.storage.store import Store

What = Literal["published", "set", "rolled back", "removed", "unreadable"]


@dataclass(frozen=True)
class Entry:
    """One thing that happened.

    Attributes:
        when: UTC, ISO 8601, by the clock of whoever did it.
        who: as they were named then.
        what: `published`, `set`, `rolled back` or `removed`; `unreadable` for an event of which nothing is known but
            its number.
        version: None where an alias was removed.
        alias: None where the version itself was published or removed.
        number: of the entry in its own log.
        why: of a publication its message.
    """

    when: str
    who: str
    what: What
    version: int | None
    alias: str | None
    number: int
    why: str


def of(
    store: Store, name: str, published: Sequence[Record], wanted: Iterable[str], limit: int | None = None
) -> tuple[Entry, ...]:
    """Everything of one name, oldest first, or the last `limit`. wanted: the aliases to tell of. Raises Damaged.

    A page is placed by what it holds itself: of each log its last entries.
    """
    logs = [[_publication(record) for record in published]]
    logs += [_changes(store, name, alias, limit) for alias in wanted]
    logs.append(_removals(store, name))
    begins: dict[int | None, datetime] = {}
    placed = []
    for log in logs:
        at = datetime.min.replace(tzinfo=UTC)
        for entry in log:
            at = max(at, _time(entry.when), begins.get(entry.version, at))
            if entry.what == "published":
                begins[entry.version] = at
            placed.append((at, entry))
    ordered = [entry for _, entry in sorted(placed, key=lambda pair: pair[0])]
    return tuple(ordered if limit is None else ordered[max(0, len(ordered) - limit) :])


def _publication(record: Record) -> Entry:
    return Entry(
        record.created, record.publisher, "published", record.version, None, record.version, record.message
    )


def _changes(store: Store, name: str, alias: str, limit: int | None) -> list[Entry]:
    found = []
    for number, event in aliases.history(store, name, alias, limit).items():
        if event is None:
            found.append(
                Entry("", "", "unreadable", None, alias, number, "the event is lost or cannot be read")
            )
            continue
        what: What = "removed" if event.version is None else "rolled back" if event.back_to else "set"
        found.append(Entry(event.when, event.who, what, event.version, alias, number, event.why))
    return found


def _removals(store: Store, name: str) -> list[Entry]:
    """Tombstones are numbered by the versions that they remove, so that their own order is that of their times."""
    removed = set(store.numbers(layout.tombstones(name)))
    if removed:
        removed.intersection_update(numbering.numbers(store, name))
    found = [each for each in (tombstones.find(store, name, number) for number in sorted(removed)) if each]
    return [
        Entry(each.when, each.who, "removed", each.version, None, each.version, each.why)
        for each in sorted(found, key=lambda each: each.moment)
    ]


def _time(when: str) -> datetime:
    """The moment that an entry says; the earliest where it says none, so that its number in its log decides."""
    try:
        found = datetime.fromisoformat(when)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)
