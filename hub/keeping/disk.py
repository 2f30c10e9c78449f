"""What only a hub on a disk can have: links, pipes, wrong permissions, second names, version folders.

Nothing here follows a link, and nothing opens what is no regular file.
"""

import os
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from hub.catalogue.numbering import stands
from hub.catalogue.records import Record
from hub.keeping.findings import Finding, finding
from hub.storage import layout
from hub.storage.layout import blob, log, numbered, projection
from hub.storage.store import Store

_OURS = ("blob", "record", "event", "tombstone", "signature", "folder", "marker")


@dataclass
class Disk:
    """What lies in the hub: path -> what the file system says of it; folders only where they cannot be listed."""

    files: dict[str, os.stat_result] = field(default_factory=dict)
    unlisted: dict[str, str] = field(default_factory=dict)


def look(root: Path, folders: list[str]) -> Disk:
    """All files in some folders of a hub, and below."""
    disk = Disk()
    waiting = [root / folder for folder in folders]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            disk.unlisted[folder.relative_to(root).as_posix()] = error.strerror or str(error)
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
                continue
            try:
                disk.files[os.path.relpath(entry.path, root)] = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
    return disk


def with_other_names(root: Path, disk: Disk, found: Iterable[Finding]) -> Iterator[Finding]:
    """The same findings; those of a damaged blob say under which other paths the very file lies, since whoever changed
    it there, in its place, changed it for all of them."""
    paths: dict[tuple[int, int], list[str]] = {}
    for path, status in sorted(disk.files.items()):
        paths.setdefault((status.st_dev, status.st_ino), []).append(path)
    for one in found:
        others: list[str] = []
        if one.kind in ("blob damaged", "unneeded blob damaged"):
            with suppress(OSError):
                status = os.lstat(root / one.where)
                others = [path for path in paths.get((status.st_dev, status.st_ino), ()) if path != one.where]
        if others:
            more = f" and {len(others) - 3} more" if others[3:] else ""
            shared = f"; the very same file is {', '.join(others[:3])}{more}"
            one = replace(one, what=f"{one.what}{shared}")
        yield one


def findings(disk: Disk, whole: bool) -> Iterator[Finding]:
    """Links, strangers, permissions, second names. whole: the whole hub was looked at, so that names can be counted."""
    for folder, why in disk.unlisted.items():
        yield finding("cannot be listed", folder, why)
    names = Counter((status.st_dev, status.st_ino) for status in disk.files.values())
    told = set()
    for path, status in sorted(
        disk.files.items(), key=lambda item: (layout.kind(item[0]) != "blob", item[0])
    ):
        kind, mode, inode = layout.kind(path), status.st_mode, (status.st_dev, status.st_ino)
        if kind == "work":
            continue
        if stat.S_ISLNK(mode):
            yield finding(
                "link", path, "this is a symbolic link; nothing in a hub is, and it was not followed"
            )
        elif not stat.S_ISREG(mode):
            yield finding("no file", path, "this is a pipe, a socket or a device; it was not opened")
        elif kind == "stranger":
            yield finding("stranger", path, "no file of a hub lies here")
        elif kind in _OURS and inode not in told:
            told.add(inode)
            if mode & 0o222 or not mode & 0o400:
                fault = "can be written to" if mode & 0o222 else "cannot be read by its owner"
                yield finding("permissions", path, f"the file {fault} ({stat.filemode(mode)})")
            if whole and kind == "blob" and status.st_nlink > names[inode]:
                outside = status.st_nlink - names[inode]
                yield finding(
                    "name outside", path, f"the same file has {outside} more names outside of the hub"
                )


def folder_findings(
    store: Store,
    root: Path,
    disk: Disk,
    records: Mapping[str, Sequence[Record]],
    removed: Mapping[str, Collection[int]],
) -> Iterator[Finding]:
    """Version folders that are missing, or hold something else than the record says; of these names.

    records: name -> those that stand. removed: name -> numbers. A folder that shows a damaged blob is not told of: the
    blob is.
    """
    shown: dict[str, dict[int, dict[str, os.stat_result]]] = {}
    for path, status in disk.files.items():
        if whose := layout.version_of(path):
            inside = "/".join(path.split("/")[5:])
            shown.setdefault(whose[0], {}).setdefault(whose[1], {})[inside] = status
    for name in sorted({*records, *shown}):
        folders = shown.get(name, {})
        for record in records.get(name, ()):
            found = list(_compare(store, root, record, folders.pop(record.version, None)))
            if found and stands(store, name, record.version):  # else it was removed meanwhile
                yield from found
        for number in sorted(folders):
            folder = projection(name, number)
            if not store.storage.exists(folder):
                continue
            if number in removed.get(name, ()):
                yield finding("folder of a removed version", folder, f"{name}@{number} was removed")
            elif not store.storage.exists(numbered(log(name), number)):
                yield finding("folder of no version", folder, f"there is no record of {name}@{number}")


def _compare(
    store: Store, root: Path, record: Record, shown: Mapping[str, os.stat_result] | None
) -> Iterator[Finding]:
    """A version folder against its record: the same files by inode, or else by hash."""
    folder = projection(record.name, record.version)
    if shown is None:
        if not store.storage.exists(folder):
            yield finding(
                "folder missing", folder, f"{record.reference} has no folder for stock PEFT to load"
            )
            return
        shown = {}
    if "" in shown:  # the folder itself is a link, which is told of as such
        return
    expected = {file.name: file for file in record.files}
    for extra in sorted(shown.keys() - expected.keys()):
        yield finding(
            "folder differs", f"{folder}/{extra}", f"the record of {record.reference} lists no such file"
        )
    for name, file in expected.items():
        status = shown.get(name)
        if status is None:
            yield finding("folder differs", f"{folder}/{name}", "the file is missing")
        elif stat.S_ISREG(status.st_mode) and not (
            _is(root / blob(file.sha256), status) or store.sound(f"{folder}/{name}", file.sha256, file.size)
        ):
            yield finding("folder differs", f"{folder}/{name}", f"not the bytes that {record.reference} has")


def _is(path: Path, status: os.stat_result) -> bool:
    """Whether this is the very file."""
    try:
        return os.path.samestat(os.lstat(path), status)
    except OSError:
        return False


def put_right(path: Path) -> None:
    """Give a file of the hub its permissions: nobody writes, its owner reads."""
    status = os.lstat(path)
    if stat.S_ISREG(status.st_mode):
        os.chmod(path, stat.S_IMODE(status.st_mode) & ~0o222 | 0o400)
