"""What a reference means now, and what to say of one that means nothing.

acme/spring/behavior               the newest version that was not removed
acme/spring/behavior@production    the version that the alias's last event names
acme/spring/behavior@3             version 3, unless it was removed
"""

from collections.abc import Iterable
from functools import partial

from hub.catalogue import aliases, numbering, records, tombstones
from hub.catalogue.near_names import near_names
from hub.catalogue.records import Record
from hub.errors import Damaged, HubError, NotInHub
from hub.storage.layout import log, numbered
from hub.storage.names import LATEST, Reference
from hub.storage.reach import check_there
from hub.storage.store import Store


def resolve(store: Store, reference: Reference) -> Record:
    """The record of the version that a reference means now. Raises NotInHub with what there is instead, Damaged."""
    name, number = reference.name, reference.version
    if number is None and reference.alias == LATEST:
        newest = numbering.newest(store, name)
        if not newest:
            raise missing(store, reference)
        return record_of(store, name, newest)
    if number is None:
        number = aliases.version_of(store, name, reference.alias) or 0
    there = number > 0 and store.storage.exists(numbered(log(name), number))
    if not there and not 1 <= number <= numbering.last(store, name):
        raise _lost(store, reference, number)
    tombstone = tombstones.find(store, name, number)
    if tombstone is not None:
        raise NotInHub(f"{name}@{number} was {tombstone}; {_rest(store, name)}")
    return record_of(store, name, number)


def stands(store: Store, name: str, number: int) -> bool:
    """Whether a version can be had."""
    try:
        resolve(store, Reference(name, version=number))
    except HubError:
        return False
    return True


def record_of(store: Store, name: str, number: int) -> Record:
    """The record of a version that is there, or was. Raises NotInHub where a mirror never got it, Damaged."""
    try:
        return records.read(store.storage, name, number)
    except FileNotFoundError:
        if not store.in_part(log(name)):
            raise _without_record(store, f"{name}@{number}") from None
        raise NotInHub(
            f"{store.storage.address} holds no version {number} of {name}, though newer ones: it mirrors a part of a "
            f"hub; `repertoire pull --only {name}@{number}` brings it"
        ) from None


def versions(store: Store, name: str, limit: int | None, before: int | None) -> list[Record]:
    """The records of the versions that stand, oldest first: all, or the newest `limit` of those `before` a number.
    Raises NotInHub, Damaged."""
    standing = numbering.standing(store, name)
    if not standing:
        raise missing(store, Reference(name))
    wanted = [number for number in standing if before is None or number < before]
    return [record_of(store, name, number) for number in _last_of(wanted, limit)]


def published(store: Store, name: str, limit: int | None = None) -> list[Record]:
    """The records of all versions, or of the newest `limit`; without those that cannot be read and were removed. Raises
    Damaged."""
    found = []
    for number in _last_of(numbering.numbers(store, name), limit):
        try:
            found.append(record_of(store, name, number))
        except Damaged:
            if numbering.stands(store, name, number):
                raise
    return found


def check_known(store: Store, name: str, wanted: Iterable[str]) -> None:
    """Raise NotInHub where a name has no version, or never had one of these aliases."""
    unknown = sorted({*wanted} - {*aliases.known(store, name)})
    if unknown or not (store.storage.exists(numbered(log(name), 1)) or numbering.last(store, name)):
        raise missing(store, Reference(name, alias=(unknown or [LATEST])[0]))


def _lost(store: Store, reference: Reference, number: int) -> HubError:
    """What to say of a version that has no record: of one that was there once, that it was lost."""
    name = reference.name
    means = reference.version is None and number > 0
    if not means and not numbering.is_left(store, name, number):
        return missing(store, reference)
    if not means:
        return _without_record(store, f"{name}@{number}")
    return _without_record(
        store, f"{name}@{reference.alias} means version {number}, which", ", or set the alias again"
    )


def _without_record(store: Store, which: str, more: str = "") -> NotInHub:
    return NotInHub(
        f"{which} has no record in {store.storage.address}, as after a backup that was restored in part; bring the "
        f"record back from another copy of the hub{more}"
    )


def missing(store: Store, reference: Reference) -> NotInHub:
    """What to say of a reference that means nothing here, with what there is instead. Raises Unreachable where the hub
    itself is not there."""
    check_there(store.storage)
    name, newest, address = reference.name, numbering.last(store, reference.name), store.storage.address
    if newest and not numbering.standing(store, name):
        return NotInHub(_rest(store, name))
    if newest and reference.version is not None:
        return NotInHub(f"{name} has no version {reference.version}; it has 1 to {newest}")
    if newest:
        known = ", ".join([*aliases.current(store, name), LATEST])
        return NotInHub(f"{name} has no alias {reference.alias!r}; it has {known} and versions 1 to {newest}")
    near = near_names(store.storage, name, partial(numbering.standing, store))
    if near is None:
        return NotInHub(f"no {name} in {address}: the hub is empty; fill it with `repertoire publish`")
    hint = f"did you mean {', '.join(near)}?" if near else "`repertoire ls` lists what there is"
    return NotInHub(f"no {name} in {address}; {hint}")


def _last_of(numbers: list[int], limit: int | None) -> list[int]:
    return numbers if limit is None else numbers[max(0, len(numbers) - limit) :]


def _rest(store: Store, name: str) -> str:
    """What there is where a version was removed."""
    standing = numbering.standing(store, name)
    if not standing:
        return f"all versions of {name} were removed; publish a new one"
    older = " and older ones" if standing[10:] else ""
    return f"there is {', '.join(f'{name}@{number}' for number in standing[-10:])}{older}"
