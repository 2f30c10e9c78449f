"""Erase all that belongs to one client.

    .purge/<client>.json      {"digests": [...]}: the client's blobs; there while the purge runs

    1  note which blobs the client's records name
    2  take away the client's folder and pins: from here on, none of its names means anything
    3  take away every blob that no other client's record names, and no other's publication under way: the client's, and
       what its publishers left behind, which no record names; also in the trash, by the steps of collect.py
    4  sweep .tmp, and take the index away, which is made again
    5  walk the hub for what is left, and take the note away when nothing is

Stopped anywhere, it is finished by doing it again: no step needs what an earlier one took away but the note. Others
may publish meanwhile, also adapters that share blobs with the client's. Blobs of others' removed versions stay.
"""

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field

from hub.errors import BadName, Damaged, HubError
from hub.keeping import collect
from hub.keeping.needs import Needs, needs, read
from hub.storage import trash
from hub.storage.layout import (
    ASIDE,
    alias_log,
    alias_logs,
    blob,
    home,
    is_digest,
    is_part,
    log,
    numbered,
    purge_note,
    tombstones,
)
from hub.storage.listing import digests, index_files, names
from hub.storage.pins import pins
from hub.storage.store import Store

_ROUNDS = 5
BEYOND = (
    "A purge reaches this hub alone. Mirrors and hubs that pulled from it, exports, backups and snapshots keep what "
    "they have: purge or delete it there too, or the next pull or sync brings it back. Running registries keep what "
    "they loaded until they are restarted; disks may hold freed blocks until they are written again."
)


@dataclass
class Purged:
    """What a purge took away, or would take away.

    Attributes:
        client: whose.
        dry_run: whether nothing was changed.
        names: the client's.
        versions: how many.
        erased: blobs, by hash.
        freed: their bytes.
        shared: the client's blobs that stay, since others published the same bytes -> a reference that needs them.
        mentions: files of others in which the client's name stands, such as the record of an adapter that was trained
            on from one of the client's.
        beyond: what a purge does not reach, in words.
    """

    client: str
    dry_run: bool
    names: list[str] = field(default_factory=list)
    versions: int = 0
    erased: list[str] = field(default_factory=list)
    freed: int = 0
    shared: dict[str, str] = field(default_factory=dict)
    mentions: list[str] = field(default_factory=list)
    beyond: str = BEYOND


def purge(store: Store, client: str, dry_run: bool = False) -> Purged:
    """Erase a client's names, records, aliases, tombstones, signatures, folders and blobs.

    Args:
        store: the hub's.
        client: the first part of its names.
        dry_run: change nothing.

    Raises:
        BadName: for what is no client's name.
        Damaged: where a record of another client cannot be read, so that its blobs are not known; nothing was touched.
        HubError: where the client goes on publishing.
    """
    if not is_part(client):
        raise BadName(f"{client!r} is no client's name; give the first part of client/campaign/task")
    done, storage = Purged(client, dry_run), store.storage
    own, others = _own(store, client, done), needs(store, client)
    done.mentions = list(_mentions(store, client))
    if dry_run:
        done.shared = _shared(own, others)
        lying = [*((digest, blob(digest)) for digest in digests(storage))]
        lying += [(entry.what, entry.path) for entry in trash.entries(storage)]
        going = [(digest, path) for digest, path in lying if digest not in _known(others)]
        done.erased = sorted({digest for digest, _ in going})
        done.freed = sum(storage.size(path) for _, path in going)
        return done
    for _ in range(_ROUNDS):
        storage.replace(purge_note(client), json.dumps({"digests": sorted(own)}).encode())
        for pin in pins(storage):
            if pin.log.startswith(f"{home(client)}/"):
                storage.remove(pin.path)
        storage.discard(home(client))
        storage.discard(f"{ASIDE}/{home(client)}")
        collected = collect.Collected(dry_run)
        collect.empty_out(
            store, others, lambda: needs(store, client), float("-inf"), collected, spare_removed=True
        )
        done.erased += collected.deleted
        done.freed += collected.freed
        for file in index_files(storage):
            storage.remove(file)
        storage.sweep(float("inf"))
        others = needs(store, client)
        own |= _own(store, client, Purged(client, dry_run))
        if not left(store, client, own, others):
            storage.remove(purge_note(client))
            storage.sweep(float("inf"))
            done.erased, done.shared = sorted(set(done.erased)), _shared(own, others)
            return done
    remains = "".join(f"\n  - {path}" for path in left(store, client, own, others)[:20])
    raise HubError(f"{client} goes on publishing; stop its publishers and purge again. Left:{remains}")


def left(store: Store, client: str, own: set[str], others: Needs) -> list[str]:
    """Paths in the hub that still belong to a client, by their name or by their hash, from a walk over every file."""
    known, found = _known(others), []
    for path in store.storage.walk(""):
        name = path.rsplit("/", 1)[-1]
        digest = name if is_digest(name) else name[-64:]
        if path.removeprefix(f"{ASIDE}/").startswith(f"{home(client)}/") or (
            digest in own and digest not in known
        ):
            found.append(path)
    if store.storage.exists(home(client)):
        found.append(home(client))
    found += [pin.path for pin in pins(store.storage) if pin.log.startswith(f"{home(client)}/")]
    return sorted(set(found))


def _own(store: Store, client: str, done: Purged) -> set[str]:
    """The client's blobs, as its records and a stopped purge name them."""
    found: set[str] = set()
    if store.storage.exists(purge_note(client)):
        try:
            found.update(map(str, json.loads(store.storage.read(purge_note(client)))["digests"]))
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise Damaged(
                f"{purge_note(client)} cannot be read ({error}); take it away and purge again"
            ) from error
    for name in names(store.storage, client):
        done.names.append(name)
        for number in store.numbers(log(name)):
            done.versions += 1
            try:
                found.update(file.sha256 for file in read(store, name, number).files)
            except Damaged:  # what it named is not named by others, and goes as such
                continue
    return found


def _known(others: Needs) -> set[str]:
    return {*others.live, *others.removed}


def _shared(own: set[str], others: Needs) -> dict[str, str]:
    return {
        digest: others.live.get(digest, "a removed version of another client")
        for digest in sorted(own & _known(others))
    }


def _mentions(store: Store, client: str) -> list[str]:
    """Records, alias events and tombstones of others in which the client's name stands."""
    named = re.compile(rb"(?<![a-z0-9._/-])" + re.escape(client.encode()) + rb"/[a-z0-9]")
    found = []
    for name in names(store.storage):
        if name.startswith(f"{client}/"):
            continue
        events = store.storage.folders(alias_logs(name))
        logs = [log(name), tombstones(name), *(alias_log(name, alias) for alias in events)]
        paths = [numbered(entries, number) for entries in logs for number in store.numbers(entries)]
        for path in paths:
            with suppress(OSError):
                found += [path] if named.search(store.storage.read(path)) else []
    return found
