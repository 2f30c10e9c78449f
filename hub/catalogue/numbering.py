"""Which versions a name has, by the numbers in its logs.

    .records/       000001  000002  000003          000050      000003 is the last, whether or not it can be read;
                    └── without gaps ────┘                      000050 counts where it can be read, or where a folder
                                                                or a tombstone speaks of it; else it is a stray
    .tombstones/            000002                              version 2 was removed
    .events/production/     000001                              means version 4, whose record is lost: 5 is next

What is no version is passed over and told: it hides none that was acknowledged. Everything here is linear in the files
that there are, and reads none of a log without gaps.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from hub.catalogue import aliases, provenance, records, tombstones
from hub.errors import Damaged
from hub.storage.layout import log, numbered, projection, signatures
from hub.storage.layout import tombstones as buried_in
from hub.storage.numbers import Numbers
from hub.storage.storage import NO_FILE
from hub.storage.store import Store


def look(store: Store, name: str) -> Numbers:
    """The versions of a name, removed or not, what lies beside them and is none, and the number that the next version
    takes: above every version, and above all that a tombstone or an alias speaks of, where nothing lies that an
    earlier version may have left. Where a backup brought back older records, no number is given a second time."""
    found = store.look(log(name), _is_version(store, name))
    removed = set(store.numbers(buried_in(name)))
    taken = {*found.strays, *removed}
    beyond = sorted((number for number in removed if number > found.last), reverse=True)
    spoken_of = next((number for number in beyond if _is_removed(store, name, number)), found.last)
    number = 1 + max(spoken_of, aliases.highest(store, name, found.last))
    while number in taken or is_left(store, name, number):
        number += 1
    return replace(found, next=number)


def numbers(store: Store, name: str) -> list[int]:
    """The numbers of all versions, in order; those that were removed too."""
    return list(store.look(log(name), _is_version(store, name)).entries)


def last(store: Store, name: str) -> int:
    """The highest number of a version, removed or not; 0 where there is none."""
    return store.last(log(name), _is_version(store, name))


def bury_beside(store: Store, name: str, there: Numbers) -> None:
    """Give up the numbers of strays that the next version would stand next to: beside an entry they would be taken for
    damaged versions. A tombstone before the version, so that no reader meets them in between."""
    strays = set(there.strays)
    for step in (-1, 1):
        number = there.next + step
        while number in strays and not _says_version(store, name, number):
            why = "no version: what lies in its place cannot be read, and lay there before its number was reached"
            tombstone = tombstones.Tombstone(number, provenance.user(), provenance.now(), why)
            store.storage.create({numbered(buried_in(name), number): tombstone.to_bytes()})
            number += step


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
    if not number:
        return 0
    removed = set(store.numbers(buried_in(name)))
    if number not in removed and store.storage.exists(numbered(log(name), number)):
        return number
    return max((number for number in numbers(store, name) if number not in removed), default=0)


def _is_version(store: Store, name: str) -> Callable[[int], bool]:
    return partial(_says_version, store, name)


def _says_version(store: Store, name: str, number: int) -> bool:
    """Whether anything but the name of a file says that there is, or was, such a version. What could not be looked at,
    for want of a permission or a disk that answers, is taken for one."""
    try:
        records.read(store.storage, name, number)
        return True
    except (OSError, Damaged) as error:
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            return True
    return store.storage.exists(projection(name, number)) or _is_removed(store, name, number)


def is_left(store: Store, name: str, number: int) -> bool:
    """Whether a version left its folder or its signatures here, whether or not it has a record."""
    return any(map(store.storage.exists, (projection(name, number), signatures(name, number))))


def _is_removed(store: Store, name: str, number: int) -> bool:
    try:
        return tombstones.find(store, name, number) is not None
    except Damaged as error:
        cause = error.__cause__
        return isinstance(cause, OSError) and cause.errno not in NO_FILE
