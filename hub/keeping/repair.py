"""Mend a hub from what is in it: blobs from sound copies, version folders from blobs, permissions, the index.

Where a blob is damaged, a copy with the right hash may lie in the trash, or in a version folder that shares no file
with it. What has no place in a version folder goes to the trash. Records, alias events and tombstones are derived from
nothing: what is wrong with them is told, and must come from another copy of the hub. Stopped anywhere, a repair is
finished by another one.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import time

from hub.catalogue import numbering
from hub.catalogue.records import Record
from hub.catalogue.version import project
from hub.errors import Damaged
from hub.keeping import disk
from hub.keeping.findings import Finding
from hub.keeping.needs import read
from hub.keeping.verify import verify
from hub.storage import layout, trash
from hub.storage.layout import blob, projection
from hub.storage.listing import index_files, names
from hub.storage.store import Store

_BLOB_KINDS = ("blob missing", "blob damaged", "blob in the trash", "link", "no file")


@dataclass
class Repaired:
    """What a repair did, or would do.

    Attributes:
        dry_run: whether nothing was changed.
        mended: path -> what was done.
        left: what the hub cannot mend by itself.
    """

    dry_run: bool
    mended: dict[str, str] = field(default_factory=dict)
    left: list[Finding] = field(default_factory=list)


def repair(store: Store, dry_run: bool = False, told: Callable[[int, int], None] | None = None) -> Repaired:
    """Mend what `verify` finds, but for what it only notes. told: as there."""
    done = Repaired(dry_run)
    findings = [found for found in verify(store, told=told).findings if found.level != "note"]
    standing = {(record.name, record.version): record for record in _standing(store)}
    blobs = list(filter(_is_of_a_blob, findings))
    copies = _copies({found.where.rsplit("/", 1)[-1] for found in blobs}, standing.values())
    mended = {found.where for found in blobs if _mend_blob(store, found.where, copies, done)}
    done.left += [found for found in blobs if found.where not in mended]
    lost = {found.where for found in done.left}
    folders = {
        projection(record.name, record.version): record
        for record in standing.values()
        if any(blob(file.sha256) in mended for file in record.files)
    }
    for found in findings:
        if _is_of_a_blob(found):
            continue
        record = standing.get(layout.version_of(found.where) or ("", 0))
        if found.kind in ("folder missing", "folder differs", "link", "no file") and record is not None:
            folders[projection(record.name, record.version)] = record
            if not dry_run:  # what is not there is not moved either
                trash.throw(store.storage, found.where, time())
        elif not _mend_other(store, found, done):
            done.left.append(found)
    for folder, record in folders.items():
        if any(blob(file.sha256) in lost for file in record.files):
            continue  # the blob is what is told of
        done.mended[folder] = f"the folder of {record.reference} was made again"
        if not dry_run:
            store.storage.discard(folder)
            project(store.storage, record)
    for file in index_files(store.storage) if done.mended else ():
        done.mended[file] = "the index was taken away; the next search makes it again"
        if not dry_run:
            store.storage.remove(file)
    return done


def _is_of_a_blob(found: Finding) -> bool:
    return found.kind in _BLOB_KINDS and layout.kind(found.where) == "blob"


def _mend_blob(store: Store, path: str, copies: Mapping[str, Sequence[str]], done: Repaired) -> bool:
    """Bring a blob back from a sound copy, if there is one."""
    digest, storage = path.rsplit("/", 1)[-1], store.storage
    thrown = trash.find(storage, digest)
    source = (
        thrown[0].path
        if thrown
        else next((copy for copy in copies.get(digest, ()) if store.sound(copy, digest)), None)
    )
    if source is None:
        return False
    done.mended[path] = f"brought back from {source}"
    if not done.dry_run:
        storage.replace(path, storage.read(source))
    return True


def _copies(digests: Collection[str], standing: Iterable[Record]) -> dict[str, list[str]]:
    """Where version folders show these blobs."""
    found: dict[str, list[str]] = {}
    for record in standing:
        for file in record.files:
            if file.sha256 in digests:
                path = f"{projection(record.name, record.version)}/{file.name}"
                found.setdefault(file.sha256, []).append(path)
    return found


def _mend_other(store: Store, found: Finding, done: Repaired) -> bool:
    """Permissions, and the folder of a removed version."""
    root, where = store.storage.folder(""), found.where
    if found.kind == "permissions" and root is not None:
        done.mended[where] = "its permissions were put right"
        if not done.dry_run:
            with suppress(FileNotFoundError):
                disk.put_right(root / where)
        return True
    if found.kind == "folder of a removed version":
        done.mended[where] = "taken away, as the version was"
        if not done.dry_run:
            store.storage.discard(where)
        return True
    return False


def _standing(store: Store) -> Iterator[Record]:
    """The records of all versions that stand and can be read."""
    for name in names(store.storage):
        for number in numbering.standing(store, name):
            with suppress(Damaged):
                yield read(store, name, number)
