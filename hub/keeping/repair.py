"""Mend a hub from what is in it: blobs from sound copies, version folders from blobs, permissions, the index.

Where a blob is damaged, a copy with the right hash may lie in the trash, in a version folder that shares no file with
it, anywhere else in the hub, or in another hub. What has no place in a version folder goes to the trash. What lies in a
log and is no entry of it is set aside:

    .aside/adapters/acme/spring/ad-copy/.records/000050.json-5f3a9c01      nothing reads it, and nothing deletes it

Records, alias events and tombstones are derived from
nothing: what is wrong with them is told, and must come from another copy of the hub. Stopped anywhere, a repair is
finished by another one.
"""

import stat
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from time import time

from adapters.format import Bytes
from hub.catalogue import numbering
from hub.catalogue.records import File, Record
from hub.catalogue.version import project
from hub.errors import Damaged, HubError
from hub.keeping import disk
from hub.keeping.findings import Finding, finding
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


def repair(
    store: Store,
    dry_run: bool = False,
    told: Callable[[int, int], None] | None = None,
    other: Store | None = None,
) -> Repaired:
    """Mend what `verify` finds, but for what it only notes; each by itself, and what cannot be mended is told.

    Args:
        store: the hub's.
        dry_run: change nothing.
        told: as of `verify`.
        other: of another hub, from which damaged blobs are brought back where none of this one is sound.
    """
    done = Repaired(dry_run)
    findings = [found for found in verify(store, told=told).findings if found.level != "note"]
    standing = {(record.name, record.version): record for record in _standing(store)}
    blobs = list(filter(_is_of_a_blob, findings))
    digests = {found.where.rsplit("/", 1)[-1] for found in blobs}
    files = {file.sha256: file for record in standing.values() for file in record.files}
    copies = _copies(store, [file for digest, file in files.items() if digest in digests])
    mended = {
        found.where
        for found in blobs
        if _tried(done, found, partial(_mend_blob, store, found.where, files, copies, other, done))
    }
    lost = {found.where for found in blobs} - mended
    folders: dict[str, tuple[Record, Finding | None]] = {
        projection(record.name, record.version): (record, None)
        for record in standing.values()
        if any(blob(file.sha256) in mended for file in record.files)
    }
    for found in findings:
        if _is_of_a_blob(found) or found.where in mended:  # a blob that was mended is another file now
            continue
        record = standing.get(layout.version_of(found.where) or ("", 0))
        if found.kind in ("folder missing", "folder differs", "link", "no file") and record is not None:
            folders[projection(record.name, record.version)] = (record, found)
            if not dry_run:  # what is not there is not moved either
                _tried(done, found, partial(_throw, store, found.where))
        else:
            _tried(done, found, partial(_mend_other, store, found, done))
    for folder, (record, cause) in folders.items():
        if any(blob(file.sha256) in lost for file in record.files):
            continue  # the blob is what is told of
        cause = cause or finding(
            "folder missing", folder, f"{record.reference} has no folder of its sound files"
        )
        _tried(done, cause, partial(_make_folder, store, folder, record, done))
    for file in index_files(store.storage) if done.mended else ():
        done.mended[file] = "the index was taken away; the next search makes it again"
        if not dry_run:
            store.storage.remove(file)
    return done


def _tried(done: Repaired, found: Finding, mend: Callable[[], bool]) -> bool:
    """Whether this mended it; else it is left, and why is told."""
    try:
        if mend():
            return True
    except (OSError, HubError) as error:
        done.mended.pop(found.where, None)
        why = error.strerror or error if isinstance(error, OSError) else error
        found = replace(found, what=f"{found.what}; it could not be mended: {why}")
    if found not in done.left:
        done.left.append(found)
    return False


def _throw(store: Store, path: str) -> bool:
    trash.throw(store.storage, path, time())
    return True


def _make_folder(store: Store, folder: str, record: Record, done: Repaired) -> bool:
    if not done.dry_run:
        store.storage.discard(folder)
        project(store.storage, record)
    done.mended[folder] = f"the folder of {record.reference} was made again"
    return True


def _is_of_a_blob(found: Finding) -> bool:
    return found.kind in _BLOB_KINDS and layout.kind(found.where) == "blob"


def _mend_blob(
    store: Store,
    path: str,
    files: Mapping[str, File],
    copies: Mapping[str, Sequence[str]],
    other: Store | None,
    done: Repaired,
) -> bool:
    """Bring a blob back from a sound copy, if there is one. files: hash -> what standing versions name."""
    digest, storage = path.rsplit("/", 1)[-1], store.storage
    most = files[digest].most if digest in files else None
    thrown = trash.find(storage, digest, most)
    lying = (copy for copy in copies.get(digest, ()) if store.sound(copy, digest, most))
    source = thrown[0].path if thrown else next(lying, None)
    if source is not None:
        done.mended[path] = f"brought back from {source}"
        if not done.dry_run:
            storage.replace(path, storage.read(source, most))
        return True
    if other is None:
        return False
    data = other.get(digest, most)
    done.mended[path] = f"brought back from {other.storage.address}"
    if not done.dry_run:
        storage.replace(path, data)
    return True


def _copies(store: Store, lacking: Sequence[File]) -> dict[str, list[str]]:
    """Hash of each of these -> files of the hub that have its size; version folders first."""
    root = store.storage.folder("")
    if root is None or not lacking:
        return {}
    found: dict[int, list[str]] = {}
    for path, status in sorted(disk.look(root, [""]).files.items()):
        if stat.S_ISREG(status.st_mode) and layout.kind(path) != "blob":
            found.setdefault(status.st_size, []).append(path)
    return {file.sha256: found.get(file.size, []) for file in lacking}


def _mend_other(store: Store, found: Finding, done: Repaired) -> bool:
    """Permissions, strays, and the folder of a removed version."""
    root, where = store.storage.folder(""), found.where
    if found.kind == "stray":
        done.mended[where] = f"set aside, under {layout.ASIDE}"
        if not done.dry_run:
            _set_aside(store, where)
        return True
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


def _set_aside(store: Store, path: str) -> None:
    """Move a stray to where nothing reads it; what came into its place meanwhile is put back."""
    storage, target = store.storage, f"{layout.ASIDE}/{path}-{uuid.uuid4().hex[:8]}"
    before = _content(store, path)
    storage.move(path, target)
    after = _content(store, target)
    if after is not None and after != before:
        storage.create({path: after})


def _content(store: Store, path: str) -> Bytes | None:
    try:
        return store.storage.read(path)
    except OSError:
        return None


def _standing(store: Store) -> Iterator[Record]:
    """The records of all versions that stand and can be read."""
    for name in names(store.storage):
        for number in numbering.standing(store, name):
            with suppress(Damaged):
                yield read(store, name, number)
