"""Look at everything in a hub, and tell all that is not as it should be. Nothing is changed, nothing is followed.

    records     parse, lie where they say, count without gaps
    blobs       are there, with the hash and the size that records give them; each is read once
    adapters    their bytes are what intake would let in today
    aliases     their events parse and count without gaps, and point at versions that stand
    tombstones  parse, and belong to versions
    folders     hold exactly the record's files: the blobs themselves, or the same bytes (on a disk only)
    the rest    no links, pipes, strangers; nobody may write (on a disk only)

Others may publish, remove and collect meanwhile: what vanishes with its version while it is looked at is no finding.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from adapters.format import CONFIG, WEIGHTS, Bytes
from hub.catalogue import aliases, numbering, records, tombstones
from hub.catalogue.numbering import stands
from hub.catalogue.records import Record
from hub.errors import Damaged, NotInHub
from hub.intake.allowed import ALLOWED, REQUIRED
from hub.keeping import disk
from hub.keeping.findings import Finding, Kind, finding
from hub.keeping.needs import MANY
from hub.storage import layout, listing, trash
from hub.storage.layout import alias_log, blob, home, is_digest, log, numbered
from hub.storage.listing import names
from hub.storage.numbers import gaps
from hub.storage.store import Store, sha256


@dataclass
class Verified:
    """What was looked at and what was found.

    Attributes:
        names: that have a version.
        versions: those that stand.
        removed: those that do not.
        blobs: that were read.
        bytes: that they have.
        unneeded: of them, those that no standing version names; `gc` collects them.
        findings: all that is not as it should be.
    """

    names: int = 0
    versions: int = 0
    removed: int = 0
    blobs: int = 0
    bytes: int = 0
    unneeded: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged; warnings and notes do not count."""
        return all(found.level != "damage" for found in self.findings)


@dataclass
class _Seen:
    """What records say. wanted: digest -> (size, who needs it). pairs: weights -> configurations beside them."""

    records: dict[str, list[Record]] = field(default_factory=dict)
    removed: dict[str, set[int]] = field(default_factory=dict)
    wanted: dict[str, tuple[int, list[Record]]] = field(default_factory=dict)
    pairs: dict[str, set[str]] = field(default_factory=dict)


def verify(store: Store, target: str = "", told: Callable[[int, int], None] | None = None) -> Verified:
    """Look at the whole hub, or at a part of it.

    Args:
        store: the hub's.
        target: a client, `client/campaign` or a name; empty for the whole hub.
        told: called with the bytes read so far, and all that will be.

    Raises:
        NotInHub: where there is no such target.
    """
    storage, seen, done = store.storage, _Seen(), Verified()
    chosen = [name for name in names(storage) if not target or f"{name}/".startswith(f"{target}/")]
    if target and not chosen:
        raise NotInHub(
            f"no client, campaign or name {target!r} in {storage.address}; `repertoire ls` lists all"
        )
    for name in chosen:
        done.findings += _name_findings(store, name, seen)
        done.names += name in seen.records
    done.versions = sum(map(len, seen.records.values()))
    done.removed = sum(map(len, seen.removed.values()))
    found = list(_blob_findings(store, seen, not target, done, told))
    root = storage.folder("")
    if root is None:
        done.findings += found
    if root is not None:
        look = disk.look(root, [home(target)] if target else [""])
        done.findings += disk.with_other_names(root, look, found)
        done.findings += disk.findings(look, whole=not target)
        done.findings += disk.folder_findings(store, root, look, seen.records, seen.removed)
    elif not target:
        strangers = (path for path in storage.walk("") if layout.kind(path) == "stranger")
        done.findings += [finding("stranger", path, "no file of a hub lies here") for path in strangers]
    if not target:
        for path in sorted(storage.walk(layout.ASIDE)):
            done.findings.append(
                finding("set aside", path, "a repair found it in a log, and it was no entry of it")
            )
        for client in listing.unfinished_purges(storage):
            done.findings.append(
                finding("purge unfinished", layout.purge_note(client), f"{client} is not all erased")
            )
    return done


def _name_findings(store: Store, name: str, seen: _Seen) -> Iterator[Finding]:
    """Records, tombstones and alias events of one name; adds to `seen` what they say."""
    found, storage = numbering.look(store, name), store.storage
    numbers, present = found.entries, set(found.entries)
    removed = set(store.numbers(layout.tombstones(name)))
    for number in found.strays:
        path = numbered(log(name), number)
        if storage.exists(path):  # else it went meanwhile, with its client
            yield finding("stray", path, f"it is no record, and {name} has no version {number}")
    for number in sorted(removed):
        path = numbered(layout.tombstones(name), number)
        try:
            tombstones.find(store, name, number)
        except Damaged as error:
            if number not in present and number > max(numbers, default=0):
                yield finding("stray", path, f"it is no tombstone, and {name} has no version {number}")
                continue
            yield finding("tombstone unreadable", path, str(error))
        if number > max(numbers, default=0):
            yield finding(
                "record missing", numbered(log(name), number), f"{name}@{number} was removed, but never was"
            )
    if numbers:
        seen.records[name], seen.removed[name] = [], removed
    unfilled = [] if store.in_part(log(name)) else gaps(numbers)
    for lost in (lost for lost in unfilled if len(lost) > MANY):
        path = numbered(log(name), lost[0])
        yield finding(
            "record missing", path, f"{name} has no records {lost[0]} to {lost[-1]}, though later ones"
        )
    few = (number for lost in unfilled if len(lost) <= MANY for number in lost)
    for number in sorted([*numbers, *few]):
        path = numbered(log(name), number)
        try:
            record = records.from_bytes(storage.read(path), name, number)
        except (Damaged, OSError) as error:
            missing = not storage.exists(path)
            if number in removed or not storage.exists(home(name)) or (missing and store.in_part(log(name))):
                continue
            kind: Kind = "record unreadable" if storage.exists(path) else "record missing"
            why = error.strerror or error if isinstance(error, OSError) else error
            yield finding(kind, path, f"{name}@{number} has no record to load it by: {why}")
            continue
        problems = list(_record_problems(record))
        if problems:
            yield finding("record unreadable", path, f"{record.reference} says {' and '.join(problems)}")
        elif number not in removed:
            seen.records[name].append(record)
            for file in record.files:
                seen.wanted.setdefault(file.sha256, (file.size, []))[1].append(record)
            weights, config = record.file(WEIGHTS).sha256, record.file(CONFIG).sha256
            seen.pairs.setdefault(weights, set()).add(config)
    for alias in aliases.known(store, name):
        yield from _event_findings(store, name, alias)


def _record_problems(record: Record) -> Iterator[str]:
    """What a record may parse with, and no publication wrote."""
    listed = [file.name for file in record.files]
    if len(listed) != len(set(listed)) or not set(REQUIRED) <= set(listed) <= set(ALLOWED):
        yield f"that it holds {', '.join(listed) or 'no files'}; a version holds {', '.join(ALLOWED)}"
    for file in record.files:
        if not is_digest(file.sha256) or file.size < 0:
            yield f"that {file.name} has sha256 {file.sha256[:80]!r} and {file.size} bytes"
    if record.parent != (record.version - 1 or None):
        yield f"that its parent is version {record.parent}"


def _event_findings(store: Store, name: str, alias: str) -> Iterator[Finding]:
    """One alias: its log, and where it points now."""
    entries = alias_log(name, alias)
    found = aliases.look(store, name, alias)
    numbers = found.entries
    for number in found.strays:
        path = numbered(entries, number)
        if store.storage.exists(path):
            yield finding("stray", path, f"it is no event of {name}@{alias}, whose log does not reach to it")
    for lost in gaps(numbers):
        path, many = numbered(entries, lost[0]), f": {lost[0]} to {lost[-1]}" if lost[1:] else ""
        if store.storage.exists(entries) and not store.storage.exists(path):
            yield finding("alias event missing", path, f"the log of {name}@{alias} has a gap{many}")
    for number in numbers:
        path = numbered(entries, number)
        try:
            event = aliases.read(store, entries, number)
        except Damaged as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                yield finding("alias event unreadable", path, str(error))
            continue
        assert event is not None
        if event.version is not None and number == numbers[-1] == aliases.last(store, name, alias):
            means = f"{name}@{alias} means version {event.version}"
            if not store.storage.exists(numbered(log(name), event.version)):
                yield finding("alias dangling", path, f"{means}, which is not there")
            elif store.storage.exists(numbered(layout.tombstones(name), event.version)):
                yield finding("alias dangling", path, f"{means}, which was removed")


def _blob_findings(
    store: Store, seen: _Seen, whole: bool, done: Verified, told: Callable[[int, int], None] | None
) -> Iterator[Finding]:
    """Every blob that a version needs, and where the whole hub is looked at every other too; each is read once.

    Configurations are read first and kept, since each is parsed with the weights beside it.
    """
    sizes = {digest: size for digest, (size, _) in seen.wanted.items()}
    if whole:
        others = [digest for digest in listing.digests(store.storage) if digest not in sizes]
        done.unneeded = len(others)
        sizes |= {digest: _size(store, digest) for digest in others}
    configs: dict[str, Bytes] = dict.fromkeys((one for many in seen.pairs.values() for one in many), b"")
    total = sum(sizes.values())
    for digest in sorted(sizes, key=lambda digest: digest not in configs):
        needed_by = seen.wanted.get(digest, (0, []))[1]
        most = max(sizes[digest], layout.LARGEST) if needed_by else None
        try:
            data = store.storage.read(blob(digest), most)
        except OSError as error:
            left = [record for record in needed_by if stands(store, record.name, record.version)]
            if left or not (
                needed_by or isinstance(error, FileNotFoundError)
            ):  # else all were removed meanwhile
                yield _unread(store, digest, left, error, most)
            continue
        done.blobs, done.bytes = done.blobs + 1, done.bytes + len(data)
        if told is not None:
            told(done.bytes, total)
        if sha256(data) != digest:
            kind: Kind = "blob damaged" if needed_by else "unneeded blob damaged"
            who = f"; {_some(needed_by)} cannot be loaded" if needed_by else ""
            yield finding(kind, blob(digest), f"its bytes have another hash{who}")
            continue
        if needed_by and len(data) != sizes[digest]:
            yield finding(
                "record unreadable",
                blob(digest),
                f"records say {sizes[digest]:,} bytes, it has {len(data):,}; needed by {_some(needed_by)}",
            )
        if digest in configs:
            configs[digest] = data
        for config in sorted(seen.pairs.get(digest, ())):
            if configs[config]:
                yield from _adapter_findings(configs, config, digest, data, needed_by)


def _adapter_findings(
    configs: Mapping[str, Bytes], config: str, digest: str, data: Bytes, needed_by: list[Record]
) -> Iterator[Finding]:
    from hub.intake.admission import stored_problems

    problems = stored_problems(configs[config], data)
    if problems:
        more = f" and {len(problems) - 3} more" if problems[3:] else ""
        yield finding(
            "adapter unsound",
            blob(digest),
            f"{_some(needed_by)} is no sound adapter: {'; '.join(problems[:3])}{more}",
        )


def _unread(store: Store, digest: str, needed_by: list[Record], error: OSError, most: int | None) -> Finding:
    if isinstance(error, FileNotFoundError):
        if trash.find(store.storage, digest, most):
            return finding(
                "blob in the trash", blob(digest), f"{_some(needed_by)} needs it, and it lies in the trash"
            )
        return finding("blob missing", blob(digest), f"{_some(needed_by)} cannot be loaded")
    why = f": {error.strerror or error}"
    if not needed_by:
        return finding("unneeded blob damaged", blob(digest), f"it cannot be read{why}")
    return finding("blob damaged", blob(digest), f"{_some(needed_by)} cannot be loaded{why}")


def _size(store: Store, digest: str) -> int:
    try:
        return store.storage.size(blob(digest))
    except OSError:
        return 0


def _some(needed_by: list[Record]) -> str:
    more = f" and {len(needed_by) - 3} more" if needed_by[3:] else ""
    return ", ".join(record.reference for record in needed_by[:3]) + more
