"""What names and aliases mean while a registry runs: known without asking the hub, and never long out of date.

    request   "acme/spring/behavior@production"  ->  the version in memory; the disk is not touched
    watch     one thread; four times a second, for each reference in use:
              is there an entry behind the last one of its log?      .events/production/000008.json    one `exists`
              was the version that answers removed?                  .tombstones/000003.json           one `exists`
              if so: what does it mean now?  ->  load that version  ->  switch

Logs are numbered without gaps, so that the next number tells whether anything came: exact, where the time of a folder
may be too coarse, and the same in every place. (inotify would be Linux only and sees nothing of network file systems.)
Every half minute a reference is resolved in full all the same, for logs that somebody mended by hand.

The version that answers stays until the new one lies in memory, checked against the base. One that cannot be had
(damaged, for another base, removed) changes nothing: the old one goes on, `behind` says why, and it is tried again
after 1, 2, 4 ... 60 seconds and as soon as the reference moves again. A hub that is not there, or cannot be read, takes
nothing away either. A reference that means nothing any more (its alias was removed) is answered by nothing.

In a remote hub each look costs money: the pause begins at a second, grows by a quarter with every look that finds
nothing new, up to half a minute, and is a second again when something moved. References that nobody used for ten
minutes are no longer looked at.
"""

import logging
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING

from adapters.base import hand_back_threads
from adapters.errors import RepertoireError
from hub.catalogue import aliases, numbering
from hub.catalogue.trust import unproved
from hub.catalogue.version import Version
from hub.errors import NotInHub, Unreachable
from hub.registry.content import content
from hub.registry.held import Held
from hub.storage.layout import alias_log, log, numbered, tombstones
from hub.storage.names import LATEST, Reference, parse
from hub.storage.numbers import Numbers
from hub.storage.reach import check_there

if TYPE_CHECKING:
    from hub.hub import Hub

_PAUSE = 0.25  # seconds between two looks
_REMOTE_PAUSES = (1.0, 30.0)
_SLOWER = 1.25
_IN_FULL = 30.0
_RETRIES = (1.0, 60.0)
_UNUSED = 600.0
_MOST_NUMBERED = 4096
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Followed:
    """One reference that a registry follows.

    version: the one that answers, `name@3`; None where the reference means nothing any more. behind: what it should be
    and why it is not, None where all is well. moves: how often it has moved. warning: what is to be known of the one
    that answers.
    """

    reference: str
    version: str | None
    behind: str | None
    moves: int
    warning: str | None = None


@dataclass(eq=False)
class _Entry:
    """times: `monotonic`. signs: paths whose coming tells that the reference may mean something else. last: the number
    of its log's last entry."""

    reference: Reference
    version: Version | None
    signs: tuple[str, ...]
    last: int
    pause: float
    due: float
    in_full: float
    used: float
    behind: str | None = None
    tries: int = 0
    moves: int = 0


class Following:
    """The references that one registry was asked for, and the thread that watches them from the first on.

    ready: brings a version into memory, and raises where it cannot be used. held: what moves along. Any thread may call
    it.
    """

    def __init__(self, hub: "Hub", ready: Callable[[Version], None], held: Held) -> None:
        self._hub = hub
        self._ready = ready
        self._held = held
        self._pauses = (_PAUSE, _PAUSE) if hub.storage.is_local else _REMOTE_PAUSES
        self._entries: dict[str, _Entry] = {}
        self._numbered: dict[str, Version] = {}  # by reference, while the hub does not answer
        self._lock = Lock()  # of what is remembered, never held for long
        self._looking = Lock()  # held by whoever looks and loads
        self._closed = Event()
        self._thread: Thread | None = None

    def version(self, text: str) -> Version:
        """The version that a reference is answered by now. Raises BadName, NotInHub.

        A reference with a number asks the hub each time, and so does one that is new, or that the watch cannot vouch
        for: where its thread is not alive (in a forked process), or where the reference meant nothing when it looked.
        Where the hub does not answer, a number means what it meant before.
        """
        reference = parse(text)
        if reference.version is not None:
            return self._by_number(text)
        entry = self._entries.get(str(reference))
        if entry is None:
            return self._begin(reference)
        entry.used = monotonic()
        version = entry.version
        if version is None or self._thread is None or not self._thread.is_alive():
            return self._hub.resolve(text)
        return version

    def look(self, name: str) -> None:
        """Look at the references of one name now, and not when their time has come."""
        for _, entry in self._all():
            if entry.reference.name == name:
                self._look(entry, at_once=True)

    def report(self) -> list[Followed]:
        """Everything that is followed, by reference."""
        return [
            Followed(
                text,
                version.reference if version else None,
                entry.behind,
                entry.moves,
                unproved(version.record) if version else None,
            )
            for text, entry in self._all()
            for version in [entry.version]
        ]

    def close(self) -> None:
        """End the watch."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)  # it may be waiting for a disk or a network that does not answer

    def _by_number(self, text: str) -> Version:
        try:
            version = self._hub.resolve(text)
        except (Unreachable, OSError):
            known = self._numbered.get(text)
            if known is None:
                raise
            return known
        with self._lock:
            self._numbered[text] = version
            if len(self._numbered) > _MOST_NUMBERED:
                del self._numbered[next(iter(self._numbered))]
        return version

    def _begin(self, reference: Reference) -> Version:
        there = _log_at(self._hub, reference)
        version = self._hub.resolve(str(reference))
        now, pause = monotonic(), self._pauses[0]
        signs = (numbered(_log_of(reference), there.next), _tombstone(version))
        entry = _Entry(reference, version, signs, there.last, pause, now + pause, now + _IN_FULL, now)
        with self._lock:
            known = self._entries.setdefault(str(reference), entry)
            if self._thread is None and not self._closed.is_set():
                arguments = (weakref.ref(self), self._closed)
                self._thread = Thread(target=_watch, args=arguments, name="repertoire-follow", daemon=True)
                self._thread.start()
        return known.version or version

    def _round(self) -> float:
        """Look at every reference whose time has come, all in one waking. Returns the seconds until the next round."""
        now = monotonic()
        for text, entry in self._all():
            if self._closed.is_set():
                break
            if now - entry.used > _UNUSED and text not in self._held:
                with self._lock:
                    del self._entries[text]
            elif entry.due <= now:
                self._look(entry)
        return self._pauses[0]

    def _look(self, entry: _Entry, at_once: bool = False) -> None:
        with self._looking:
            now = monotonic()
            try:
                if not (at_once or now >= entry.in_full or any(map(self._hub.storage.exists, entry.signs))):
                    entry.pause = min(entry.pause * _SLOWER, self._pauses[1])
                    entry.due = now + entry.pause
                    return
                there = _log_at(self._hub, entry.reference)
                before = entry.version
                removed = before is not None and self._hub.storage.exists(_tombstone(before))
            except Exception as error:
                self._stay(entry, str(entry.reference), error)
                entry.due = entry.in_full  # a disk or a network does not answer: no look makes sense before
                return
            entry.due = now + entry.pause
            if there.last < entry.last:
                _log.warning(
                    "%s ends at %d and not at %d any more: it was purged, or brought back from an older copy",
                    _log_of(entry.reference),
                    there.last,
                    entry.last,
                )
            entry.last = there.last
            self._follow(entry, there.last)
            entry.signs = (numbered(_log_of(entry.reference), there.next),)
            if entry.version is not None and not (removed and entry.version is before):
                entry.signs += (_tombstone(entry.version),)

    def _follow(self, entry: _Entry, last: int) -> None:
        """Let a reference be answered by what it means now. last: the number of its log's last entry."""
        wanted, version = str(entry.reference), None
        try:
            number = self._meant(entry.reference, last)
            if number is not None:
                wanted = f"{entry.reference.name}@{number}"
                version = self._hub.resolve(wanted)
                if entry.version is None or entry.version.record != version.record:
                    self._ready(version)
            else:
                check_there(self._hub.storage)
        except Exception as error:
            self._stay(entry, wanted, error)
        else:
            self._move(entry, version)
        finally:
            hand_back_threads()

    def _meant(self, reference: Reference, last: int) -> int | None:
        """The version that a reference points at, whether or not it can be had; None where it means nothing."""
        if reference.alias != LATEST:
            event = aliases.read(self._hub.store, _log_of(reference), last)
            return None if event is None else event.version
        try:
            return self._hub.resolve(reference.name).number
        except NotInHub:
            return None

    def _move(self, entry: _Entry, version: Version | None) -> None:
        entry.tries, entry.behind, entry.in_full = 0, None, monotonic() + _IN_FULL
        before, text = entry.version, str(entry.reference)
        if (before and before.record) == (version and version.record):
            return
        if before is not None and version is not None and before.number == version.number:
            _log.warning(
                "%s is another version now than the one that answered so far: it came from another copy of the hub",
                version.reference,
            )
        entry.version = version
        entry.pause = self._pauses[0]
        entry.due = monotonic() + entry.pause
        _log.info("%s is %s now", text, version.reference if version else "nothing")
        self._held.move(text, content(version) if version else None)
        entry.moves += 1

    def _stay(self, entry: _Entry, wanted: str, error: Exception) -> None:
        """Go on with what there is, say so once, and try again later."""
        told = str(error) if isinstance(error, RepertoireError | OSError) else repr(error)
        behind = f"{wanted}: {told}"
        known = behind == entry.behind
        entry.behind, entry.tries = behind, entry.tries + 1 if known else 1
        entry.in_full = monotonic() + min(_RETRIES[0] * 2 ** (entry.tries - 1), _RETRIES[1])
        if not known:
            going_on = entry.version.reference if entry.version else "nothing"
            _log.warning("%s goes on with %s; it cannot be %s", entry.reference, going_on, behind)

    def _all(self) -> list[tuple[str, _Entry]]:
        with self._lock:
            return sorted(self._entries.items())


def _watch(reference: "weakref.ref[Following]", closed: Event) -> None:
    """Holds nothing while it waits, so that a registry that nobody closed can still be forgotten."""
    pause = 0.0
    while not closed.wait(pause):
        following = reference()
        if following is None:
            return
        pause = following._round()
        del following


def _log_of(reference: Reference) -> str:
    if reference.alias == LATEST:
        return log(reference.name)
    return alias_log(reference.name, reference.alias)


def _log_at(hub: "Hub", reference: Reference) -> Numbers:
    """The log of a reference as it is now: its last entry, and where the next one will lie."""
    if reference.alias == LATEST:
        return numbering.look(hub.store, reference.name)
    return aliases.look(hub.store, reference.name, reference.alias)


def _tombstone(version: Version) -> str:
    return numbered(tombstones(version.name), version.number)
