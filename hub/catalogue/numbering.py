"""Which versions a name has, by the numbers in its logs.

    .records/       000001  000002  000003          000050      000003 is the last, whether or not it can be read;
                    └── without gaps ────┘                      000050 counts where it can be read, or where a folder
                                                                or a tombstone speaks of it; else it is a stray
    .tombstones/            000002                              version 2 was removed

What is no version is passed over and told: it hides none that was acknowledged. Everything here is linear in the files
that there are, and reads none of a log without gaps.
"""

from collections.abc import Callable
from functools import partial

from hub.catalogue import provenance, records, tombstones
from hub.errors import Damaged
from hub.storage.layout import log, numbered, projection
from hub.storage.layout import tombstones as buried_in
from hub.storage.store import Store


def numbers(store: Store, name: str) -> list[int]:
    """The numbers of all versions, in order; those that were removed too."""
    return store.numbers(log(name), _is_version(store, name))


def last(store: Store, name: str) -> int:
    """The highest number of a version, removed or not; 0 where there is none."""
    return store.last(log(name), _is_version(store, name))


def free(store: Store, name: str) -> int:
    """The number that the next version takes: above every version, and every tombstone that can be read, where neither
    a record nor a tombstone lies."""
    taken, removed = set(store.numbers(log(name))), set(store.numbers(buried_in(name)))
    highest = max(taken, default=0)
    if highest != len(taken):
        highest = last(store, name)
    beyond = sorted((number for number in removed if number > highest), reverse=True)
    number = 1 + next((number for number in beyond if _is_removed(store, name, number)), highest)
    while number in taken or number in removed:
        number += 1
    return number


def give_up_after(store: Store, name: str, number: int) -> None:
    """Bury what lies in the places after a version that was just written, and cannot be read: it was there first, so
    that it is no version, and the next ones count on above it."""
    while store.storage.exists(numbered(log(name), number + 1)) and not _says_version(
        store, name, number + 1
    ):
        number += 1
        why = "no version: what lies in its place cannot be read, and lay there before its number was reached"
        tombstone = tombstones.Tombstone(number, provenance.user(), provenance.now(), why)
        store.storage.create({numbered(buried_in(name), number): tombstone.to_bytes()})


def strays(store: Store, name: str) -> set[int]:
    """The numbers of records that are no version."""
    return {*store.numbers(log(name))} - {*numbers(store, name)}


def stands(store: Store, name: str, version: int) -> bool:
    """Whether there is such a version and nobody removed it."""
    storage = store.storage
    return storage.exists(numbered(log(name), version)) and not storage.exists(
        numbered(buried_in(name), version)
    )


def standing(store: Store, name: str) -> list[int]:
    """The numbers of the versions that were not removed, in order."""
    removed = set(store.numbers(buried_in(name)))
    return [number for number in numbers(store, name) if number not in removed]


def newest(store: Store, name: str) -> int:
    """The highest number of a version that was not removed; 0 where there is none."""
    number = last(store, name)
    removed = set(store.numbers(buried_in(name)))
    if number not in removed and (not number or store.storage.exists(numbered(log(name), number))):
        return number
    return max((number for number in numbers(store, name) if number not in removed), default=0)


def _is_version(store: Store, name: str) -> Callable[[int], bool]:
    return partial(_says_version, store, name)


def _says_version(store: Store, name: str, number: int) -> bool:
    """Whether anything but the name of a file says that there is, or was, such a version."""
    try:
        records.read(store.storage, name, number)
        return True
    except PermissionError:  # somebody else may be able to read it
        return True
    except (OSError, Damaged):
        return store.storage.exists(projection(name, number)) or _is_removed(store, name, number)


def _is_removed(store: Store, name: str, number: int) -> bool:
    try:
        return tombstones.find(store, name, number) is not None
    except Damaged:
        return False
