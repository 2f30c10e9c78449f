"""What a hub needs: the blobs that a version, an alias or a publication under way depends on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import time

from hub.catalogue import aliases, numbering, records, tombstones
from hub.catalogue.records import Record
from hub.errors import Damaged
from hub.storage.layout import home, log, numbered
from hub.storage.layout import tombstones as buried_in
from hub.storage.listing import names
from hub.storage.numbers import gaps
from hub.storage.pins import LIFE, pins
from hub.storage.store import Store

MANY = 100
"""Entries that are missing next to each other are told one by one up to so many, and more of them as one."""


@dataclass
class Needs:
    """Blobs by hash.

    live: what somebody needs -> one who does, a reference or a publication under way.
    removed: what only removed versions name -> when the last of them was removed, unix seconds.
    most: what a version names -> so many bytes are read of it.
    """

    live: dict[str, str] = field(default_factory=dict)
    removed: dict[str, float] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)


def needs(store: Store, without: str | None = None, told: Callable[[str], None] | None = None) -> Needs:
    """What the hub needs; without that of one client, where it is given. told: called with each name.

    Pins are read before records, as pins.py explains. Raises Damaged, with every record that is missing or cannot be
    read, for what such a version needs cannot be known.
    """
    found, problems = Needs(), []
    for pin in pins(store.storage):
        if time() - pin.since < LIFE and not (without and pin.log.startswith(f"{home(without)}/")):
            found.live.update(dict.fromkeys(pin.digests, f"a publication into {pin.log}"))
    for name in names(store.storage):
        if without and name.startswith(f"{without}/"):
            continue
        if told is not None:
            told(name)
        for last_try in (False, True):  # a name may be purged, and published again, while it is read
            try:
                _needs_of(store, name, found)
                break
            except Damaged as error:
                if last_try and store.storage.exists(home(name)):
                    problems.append(str(error))
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise Damaged(
            f"what these versions need cannot be known, so that nothing was taken away:{listed}\n"
            "Bring back their files from another copy of the hub, or give the versions up with `repertoire rm`"
        )
    found.removed = {digest: when for digest, when in found.removed.items() if digest not in found.live}
    return found


def _needs_of(store: Store, name: str, found: Needs) -> None:
    """Add what one name needs. Raises Damaged with all that is wrong with it."""
    current = aliases.current(store, name)
    aliased = set(current.values())
    in_part = store.in_part(log(name))
    versions = numbering.numbers(store, name)
    there = set(versions)
    problems = [
        f"{name}@{alias} means version {version}, whose record is lost; `repertoire alias set` gives that up"
        for alias, version in current.items()
        if version > max(versions, default=0)
    ]
    missing = [] if in_part else gaps(versions)
    for lost in (lost for lost in missing if len(lost) > MANY):
        problems.append(f"{name} has no records {lost[0]} to {lost[-1]}, though later ones")
    few = (number for lost in missing if len(lost) <= MANY for number in lost)
    for number in sorted([*versions, *few]):
        tombstone = None
        try:
            tombstone = tombstones.find(store, name, number)
            record = read(store, name, number)
        except Damaged as error:
            if in_part and not store.storage.exists(numbered(log(name), number)):
                continue
            given_up = tombstone is not None or (
                number not in there and store.storage.exists(_buried(name, number))
            )
            if not given_up or number in aliased:
                problems.append(str(error))
            continue
        for file in record.files:
            found.most[file.sha256] = file.most
            if tombstone is None or number in aliased:
                found.live[file.sha256] = record.reference
            else:
                found.removed[file.sha256] = max(tombstone.moment, found.removed.get(file.sha256, 0.0))
    if problems:
        raise Damaged("\n  - ".join(problems))


def _buried(name: str, number: int) -> str:
    return numbered(buried_in(name), number)


def read(store: Store, name: str, number: int) -> Record:
    """The record of a version. Raises Damaged, also where it is missing."""
    try:
        return records.read(store.storage, name, number)
    except OSError as error:
        raise Damaged(f"the record of {name}@{number} cannot be read ({error.strerror or error})") from error
