"""Garbage collection: what nothing needs goes to the trash, and from there, after a grace, for good.

    1  read what is needed; move every other blob to the trash
    2  list the trash, and only then read again what is needed
    3  of that list: move back what is needed after all; delete what is not and whose grace is over; leave the rest

A blob is deleted only when all that could need it was read after it had left its place. Whoever relied on it before is
seen by then, through its pin or its record (see pins.py); whoever comes later finds it missing and stores it again. So
any number of collectors and publishers may run at once, each may be killed anywhere, and the clock decides only how
long somebody may change their mind. (In a remote storage, where a move is a copy and a deletion, two collectors at once
need a grace that is longer than a move.)
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import time

from hub.catalogue import aliases
from hub.keeping.needs import Needs, needs
from hub.storage import trash
from hub.storage.layout import blob, projection, tombstones
from hub.storage.listing import digests, names
from hub.storage.pins import LIFE, pins
from hub.storage.store import Store
from hub.storage.trash import GRACE


@dataclass(frozen=True)
class Waiting:
    """A file in the trash, or on its way there. until: unix seconds after which a collection deletes it."""

    what: str
    size: int
    until: float


@dataclass
class Collected:
    """What a collection did, or would do.

    Attributes:
        dry_run: whether nothing was changed.
        moved: how many blobs left their place for the trash.
        deleted: what is gone for good.
        freed: bytes.
        restored: blobs that were in the trash and turned out to be needed.
        waiting: what stays in the trash.
        leftovers: bytes that killed writers left behind.
        folders: version folders of removed versions that were still there.
    """

    dry_run: bool
    moved: int = 0
    deleted: list[str] = field(default_factory=list)
    freed: int = 0
    restored: list[str] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    leftovers: int = 0
    folders: list[str] = field(default_factory=list)


def collect(
    store: Store, grace: float = GRACE, dry_run: bool = False, told: Callable[[str], None] | None = None
) -> Collected:
    """Collect what no version that stands, no alias and no publication under way needs.

    Args:
        store: the hub's.
        grace: seconds between a version's removal (or, for what no record names, the move to the trash) and its
            deletion.
        dry_run: change nothing.
        told: called with each name that is read.

    Raises:
        Damaged: where a record cannot be read, before anything is touched.
    """
    now, storage = time(), store.storage
    found = needs(store, told=told)
    done = Collected(dry_run)
    for name in names(storage):
        for number in sorted(set(store.numbers(tombstones(name))) - _aliased(store, name)):
            folder = projection(name, number)
            if storage.exists(folder):
                done.folders.append(folder)
                if not dry_run:
                    storage.discard(folder)
    if dry_run:
        _foresee(store, found, grace, now, done)
        return done
    empty_out(store, found, lambda: needs(store, told=told), grace, done)
    for old in [pin for pin in pins(storage) if now - pin.since > LIFE]:
        storage.remove(old.path)
    done.leftovers = storage.sweep(now - grace)
    return done


def empty_out(
    store: Store,
    found: Needs,
    look_again: Callable[[], Needs],
    grace: float,
    done: Collected,
    spare_removed: bool = False,
) -> None:
    """The three steps, for what is not in `found`. spare_removed: leave what removed versions name where it is."""
    storage, now = store.storage, time()
    for digest in list(digests(storage)):
        if digest not in found.live and not (spare_removed and digest in found.removed):
            done.moved += trash.throw(storage, blob(digest), min(found.removed.get(digest, now), now))
    entries = list(trash.entries(storage))
    if not entries:
        return
    found = look_again()
    for entry in entries:
        try:
            size = storage.size(entry.path)
        except FileNotFoundError:  # another collector, or a reader, was faster
            continue
        if entry.digest in found.live:
            restore(store, entry, done, found.most.get(entry.what))
        elif spare_removed and entry.digest in found.removed:
            continue
        elif entry.since + grace <= now:
            storage.remove(entry.path)
            done.deleted.append(entry.what)
            done.freed += size
        else:
            done.waiting.append(Waiting(entry.what, size, entry.since + grace))


def restore(store: Store, entry: trash.Entry, done: Collected, most: int | None) -> None:
    """Bring a needed blob back from the trash; where a sound one is in its place already, drop the copy. most: bytes
    that it can have."""
    storage, digest = store.storage, entry.what
    if store.sound(blob(digest), digest, most):
        storage.remove(entry.path)
    elif store.sound(entry.path, digest, most):
        with suppress(FileNotFoundError):
            storage.move(entry.path, blob(digest))
            done.restored.append(digest)


def _aliased(store: Store, name: str) -> set[int]:
    return set(aliases.current(store, name).values())


def _foresee(store: Store, found: Needs, grace: float, now: float, done: Collected) -> None:
    """What a collection would do."""
    storage = store.storage
    stale = [digest for digest in digests(storage) if digest not in found.live]
    done.moved = len(stale)
    ages = [
        *((digest, blob(digest), min(found.removed.get(digest, now), now)) for digest in stale),
        *((entry.what, entry.path, entry.since) for entry in trash.entries(storage)),
    ]
    for what, path, since in ages:
        if what in found.live:
            done.restored.append(what)
        elif since + grace <= now:
            done.deleted.append(what)
            done.freed += storage.size(path)
        else:
            done.waiting.append(Waiting(what, storage.size(path), since + grace))
