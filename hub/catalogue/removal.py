"""Removing a version: a tombstone for it, and its folder taken away. Refused while an alias means it."""

from hub.catalogue import aliases, numbering, provenance
from hub.catalogue.tombstones import Tombstone, find
from hub.errors import BadName, NotInHub, Refused
from hub.storage.layout import log, numbered, projection, tombstones
from hub.storage.names import parse
from hub.storage.store import Store


def remove(
    store: Store, reference: str, why: str = "", who: str | None = None, dry_run: bool = False
) -> Tombstone:
    """Remove a version, or only look whether it may be; doing so again finishes what was stopped.

    The record is not read: a damaged version can be removed.

    Args:
        store: the hub's.
        reference: `name@3`, with a number.
        why, who: kept in the tombstone; who is the user of this process unless given.
        dry_run: change nothing.

    Returns:
        The tombstone that stands, which is another's where the version was removed before.

    Raises:
        BadName: for a reference without a number.
        NotInHub: where there is no such version.
        Refused: with the aliases that point at it.
    """
    given = parse(reference)
    name, version = given.name, given.version
    if version is None:
        raise BadName(f"{reference!r} may mean another version tomorrow; say which one: {name}@3")
    last = numbering.last(store, name)
    if not (1 <= version <= last or numbering.is_left(store, name, version)):
        has = f"{name} has 1 to {last}" if last else f"there is no {name}"
        raise NotInHub(f"no version {name}@{version}; {has}")
    if store.in_part(log(name)) and not store.storage.exists(numbered(log(name), version)):
        raise NotInHub(f"{name}@{version} was never brought here; remove it in the hub that has it")
    tombstone = Tombstone(version, who or provenance.user(), provenance.now(), why)
    standing = find(store, name, version)
    if standing is None:
        pointing = [alias for alias, at in aliases.current(store, name).items() if at == version]
        if pointing:
            raise Refused(
                f"{name}@{version} is what {' and '.join(f'{name}@{alias}' for alias in pointing)} means; "
                "point that at another version first (`repertoire alias set`)"
            )
        if dry_run:
            return tombstone
        store.storage.create({numbered(tombstones(name), version): tombstone.to_bytes()})
        standing = find(store, name, version) or tombstone
    if not dry_run:
        store.storage.discard(projection(name, version))
    return standing
