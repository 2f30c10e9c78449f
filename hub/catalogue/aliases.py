"""Aliases such as `production`: an append-only log of who pointed which name at which version, when and why.

    adapters/<client>/<campaign>/<task>/.events/<alias>/000007.json      the highest number is current

A removal is an event without a version. A rollback is an event that names the one that it brings back, so that a
second rollback goes on from there, as a second undo does:

    event      1    2    3    4          5          6     7
               set  set  set  rollback   rollback   set   rollback
    back_to                   2          1                5's 1
    means      1    2    3    2          1          4     1

Before an event comes the one that was current when it was made; before a rollback, what came before the event that it
brought back. Going back passes over removals, over events that meant the same version, over versions that can no
longer be had, and over events that are lost or cannot be read, of which it tells.

`latest` is no event: it is always the newest version.
"""

import errno
import json
import logging
from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import partial

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hub.catalogue import provenance
from hub.errors import Damaged, Moved, NotInHub
from hub.storage.layout import LAST_NUMBER, alias_log, alias_logs, is_part, numbered
from hub.storage.numbers import Numbers
from hub.storage.storage import NO_FILE
from hub.storage.store import Store

_log = logging.getLogger(__name__)


class Event(BaseModel):
    """One change of an alias.

    Attributes:
        alias: such as `production`.
        version: what it means from then on; None where it was removed.
        who: as they were named then.
        when: UTC, ISO 8601.
        why: in a sentence, or empty.
        back_to: of a rollback, the number of the event that it brought back.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    alias: str
    version: int | None = Field(ge=1)
    who: str
    when: str
    why: str
    back_to: int | None = Field(default=None, ge=1)

    def to_bytes(self) -> bytes:
        """JSON with sorted keys."""
        return json.dumps(self.model_dump(), sort_keys=True, ensure_ascii=False).encode() + b"\n"


def event(alias: str, version: int | None, who: str | None, why: str) -> Event:
    """An event of this moment; by the user of this process where nobody is named."""
    return Event(alias=alias, version=version, who=who or provenance.user(), when=provenance.now(), why=why)


def record(store: Store, name: str, event: Event, expect: int | None = None) -> None:
    """Make an event the current one of its alias, from the moment that this returns.

    expect: the version that the alias must mean until then, 0 for none. Raises Moved where it means another; NotInHub
    for the removal of an alias that is not there.
    """
    log = alias_log(name, event.alias)

    def entry(there: Numbers) -> bytes:
        if expect is not None or event.version is None:
            now = read(store, log, there.last)
            _check(event.alias, now, expect)
            if event.version is None and (now is None or now.version is None):
                raise NotInHub(
                    f"there is no alias {event.alias!r} to remove; `repertoire alias ls` lists what there is"
                )
        return event.to_bytes()

    store.append(log, entry, look=partial(look, store, name, event.alias))


def roll_back(
    store: Store,
    name: str,
    event: Event,
    to: int | None = None,
    expect: int | None = None,
    stands: Callable[[int], bool] = lambda version: True,
) -> Event:
    """Make an alias mean again what it meant before, or the version `to`, one that it meant at any time.

    event: who, when and why; the rest is filled in. stands: whether a version can still be had. Raises Moved as
    `record`, and also where somebody moved the alias while this was going on: two operators who roll back at the same
    moment go back one step, not two. Raises NotInHub where there is nothing to go back to.
    """
    log, found = alias_log(name, event.alias), look(store, name, event.alias)
    now = read(store, log, found.last)
    _check(event.alias, now, expect)
    events = _Events(store, log, found)
    number = _before(events, stands) if to is None else _latest(events, to)
    if number is None and to is not None:
        raise NotInHub(f"{event.alias!r} never meant version {to}; `repertoire alias set` points it there")
    if number is None:
        raise NotInHub(
            f"{event.alias!r} meant no other version before; `repertoire history` shows what it meant"
        )
    brought = events.at(number)
    assert brought is not None
    back = event.model_copy(update={"version": brought.version, "back_to": number})
    looks = iter([found])  # another writer is met where the number is taken

    def entry(there: Numbers) -> bytes:
        if there.last != found.last:
            raise _moved(event.alias, read(store, log, there.last), now.version or 0 if now else 0)
        return back.to_bytes()

    store.append(log, entry, look=lambda: next(looks, None) or look(store, name, event.alias))
    return back


def brings_back(store: Store, name: str, alias: str, stands: Callable[[int], bool]) -> int | None:
    """The version that a rollback would bring back now; None where there is nothing to go back to. stands: as of
    `roll_back`."""
    events = _Events(store, alias_log(name, alias), look(store, name, alias))
    number = _before(events, stands)
    event = None if number is None else events.at(number)
    return None if event is None else event.version


def last_event(store: Store, name: str, alias: str) -> Event | None:
    """The event that is current; None where there was none yet. Raises Damaged."""
    return read(store, alias_log(name, alias), last(store, name, alias))


def last(store: Store, name: str, alias: str) -> int:
    """The number of the event that is current; 0 where there was none yet."""
    return store.last(alias_log(name, alias), partial(_is_event, store, name, alias))


def look(store: Store, name: str, alias: str) -> Numbers:
    """The events of one alias, what lies beside them and is none, and the number that the next one takes."""
    return store.look(alias_log(name, alias), partial(_is_event, store, name, alias))


def version_of(store: Store, name: str, alias: str) -> int | None:
    """What an alias means now; None where it was never set, or removed. Raises Damaged."""
    event = last_event(store, name, alias)
    return None if event is None else event.version


def current(store: Store, name: str) -> dict[str, int]:
    """Alias -> version, of all aliases of a name. Raises Damaged."""
    meant = {alias: version_of(store, name, alias) for alias in known(store, name)}
    return {alias: version for alias, version in meant.items() if version is not None}


def highest(store: Store, name: str, last: int) -> int:
    """The highest version that an alias of a name means, as far as that can be told; where that is above `last`, that
    any of them ever meant."""
    every = known(store, name)
    found = _highest(event for alias in every for event in history(store, name, alias, 1).values())
    if found <= last:
        return found
    return _highest(event for alias in every for event in history(store, name, alias).values())


def _highest(events: Iterable[Event | None]) -> int:
    versions = (event.version or 0 for event in events if event is not None)
    return max((version for version in versions if version <= LAST_NUMBER), default=0)


def known(store: Store, name: str) -> list[str]:
    """All aliases that were ever set, sorted."""
    return sorted(alias for alias in store.storage.folders(alias_logs(name)) if is_part(alias))


def history(store: Store, name: str, alias: str, limit: int | None = None) -> dict[int, Event | None]:
    """Number -> event of one alias, oldest first, or the last `limit`; None for one that cannot be read."""
    found = look(store, name, alias)
    events = _Events(store, alias_log(name, alias), found)
    wanted = found.entries if limit is None else found.entries[max(0, len(found.entries) - limit) :]
    return {number: events.at(number) for number in wanted}


def read(store: Store, log: str, number: int) -> Event | None:
    """One event of a log; None for number 0, before the first. Raises Damaged."""
    if number == 0:
        return None
    path = numbered(log, number)
    try:
        event = Event.model_validate_json(store.storage.read(path))
        if event.back_to is not None and event.back_to >= number:
            raise ValueError(f"it goes back to event {event.back_to}")
        if event.alias != log.rpartition("/")[2]:
            raise ValueError(f"it says that it is of alias {event.alias!r}")
    except (OSError, ValueError) as error:
        told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise Damaged(f"alias event {path} cannot be read ({told}); set the alias again") from error
    return event


def _is_event(store: Store, name: str, alias: str, number: int) -> bool:
    """Whether this can be read as an event of this alias. What could not be looked at, for want of a permission or a
    disk that answers, is taken for one."""
    try:
        return read(store, alias_log(name, alias), number) is not None
    except Damaged as error:
        cause = error.__cause__
        return isinstance(cause, OSError) and cause.errno not in {*NO_FILE, errno.ENOENT}


class _Events:
    """The events of one log, each read when it is asked for, so that going back a step reads a few of thousands."""

    def __init__(self, store: Store, log: str, found: Numbers) -> None:
        self._store, self._log = store, log
        self._numbers, self.last = found.entries, found.last
        self._read: dict[int, Event | None] = {}

    def at(self, number: int) -> Event | None:
        """One event; None where it is missing or cannot be read, which is told: somebody had their hands in the log."""
        if number not in self._read:
            try:
                self._read[number] = read(self._store, self._log, number)
            except Damaged as error:
                _log.warning("%s; it is passed over", error)
                self._read[number] = None
        return self._read[number]

    def before(self, number: int) -> int:
        """The number of the event before; 0 for the first."""
        at = bisect_left(self._numbers, number)
        return self._numbers[at - 1] if at else 0

    def origin(self, number: int) -> int:
        """The event itself, or the one that it brought back."""
        event = self.at(number)
        return number if event is None else event.back_to or number


def _before(events: _Events, stands: Callable[[int], bool]) -> int | None:
    """The event that a rollback of the current event brings back; see the module's first lines."""
    number = events.last
    event = events.at(number)
    now = None if event is None else event.version
    while number > 0:
        number = events.before(events.origin(number))
        event = events.at(number)
        version = None if event is None else event.version
        if version is not None and version != now and stands(version):
            return events.origin(number)
    return None


def _latest(events: _Events, version: int) -> int | None:
    """The newest event that pointed at a version of its own accord."""
    number = events.last
    while number > 0:
        event = events.at(number)
        if event is not None and event.version == version:
            return events.origin(number)
        number = events.before(number)
    return None


def _check(alias: str, now: Event | None, expect: int | None) -> None:
    if expect is not None and expect != (now.version or 0 if now else 0):
        raise _moved(alias, now, expect)


def _moved(alias: str, now: Event | None, expect: int) -> Moved:
    if now is None:
        return Moved(
            f"{alias!r} was never set, but was expected to mean version {expect}; leave --expect out to set it"
        )
    meaning = f"means version {now.version}" if now.version else "means nothing"
    expected = f"version {expect}" if expect else "nothing"
    why = f": {now.why}" if now.why else ""
    return Moved(
        f"{alias!r} {meaning} now, not {expected}: {now.who} moved it at {now.when}{why}. Nothing was changed; look at "
        f"`repertoire history`, then say --expect {now.version or 0}"
    )
