"""What one hub lacks of another, found by listing both and reading only what the listings leave open.

Nothing that the target has is ever overwritten:

    both have version 3 of a name, and it differs   a conflict; nothing of that name moves
    ... but it is removed in both hubs              no conflict: nobody can mean it any more
    the logs of an alias part                       a conflict where it means different versions now; none of it moves
    one removed what an alias of the other means    a conflict; neither the tombstone nor the alias moves
    ... but the alias moves away by what is moved   no conflict: tombstones arrive after alias events
    a tombstone, a signature                        each hub keeps its own
"""

import json
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

from adapters.format import Bytes
from hub.catalogue import records
from hub.errors import Damaged
from hub.exchange import conflicts
from hub.exchange.conflicts import Conflict
from hub.exchange.holding import (
    Holding,
    Selection,
    blob_marks,
    look,
    read_all,
    reference,
    same,
    split,
    together,
    without_strays,
)
from hub.intake.allowed import ALLOWED
from hub.storage.layout import alias_log, alias_logs, blob
from hub.storage.storage import Storage


@dataclass
class Lacking:
    """What the target lacks.

    notes: signatures, and tombstones of versions that arrive, path -> content. blobs: hash -> size. records: name ->
    path -> content, by number. events: log -> path -> content, by number. removals: tombstones of versions that the
    target has, path -> content. needs: path of a record -> its blobs. problems: what the source holds damaged, and
    what stays behind for it, in words.
    """

    notes: dict[str, Bytes] = field(default_factory=dict)
    blobs: dict[str, int] = field(default_factory=dict)
    records: dict[str, dict[str, Bytes]] = field(default_factory=dict)
    events: dict[str, dict[str, Bytes]] = field(default_factory=dict)
    removals: dict[str, Bytes] = field(default_factory=dict)
    needs: dict[str, set[str]] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def files(self) -> dict[str, Bytes]:
        """All that moves, but the blobs."""
        queues = [self.notes, *self.records.values(), *self.events.values(), self.removals]
        return {path: data for queue in queues for path, data in queue.items()}

    @property
    def versions(self) -> list[str]:
        """References of the versions that move."""
        return [reference(path) for queue in self.records.values() for path in queue]

    def leave(self, record: str, why: str) -> None:
        """Leave a version behind, and every alias that means it."""
        self.problems.append(f"{reference(record)} stays behind: {why}")
        name, number = split(record)
        self.records[name].pop(record)
        self.needs.pop(record)
        for log, queue in list(self.events.items()):
            if log.startswith(f"{alias_logs(name)}/") and _meant([*queue.values()][-1]) == number:
                del self.events[log]

    def cut(self, path: str, why: str) -> None:
        """Leave behind an entry of a log and all that follow it."""
        queue = next(queue for queue in [*self.records.values(), *self.events.values()] if path in queue)
        later = [*queue][[*queue].index(path) :]
        if path in self.needs:
            for record in later:
                self.leave(record, why)
            return
        self.problems.append(f"{path} stays behind: {why}")
        for event in later:
            del queue[event]


def lacking(source: Storage, target: Storage, wanted: Selection) -> Lacking:
    """What `target` lacks of `source`, and where the two contradict each other. Raises Unreachable."""
    here, there = without_strays(source, look(source, wanted)), look(target, wanted)
    pairs = {name: (ours, there.get(name, Holding())) for name, ours in sorted(here.items())}
    differ = _differ(source, target, [*pairs.values()])
    found = Lacking()
    for name, (ours, theirs) in list(pairs.items()):
        gone = ours.tombstones.keys() & theirs.tombstones.keys()
        contested = [number for number, path in ours.records.items() if path in differ and number not in gone]
        for number in contested:
            found.conflicts.append(conflicts.contested(source, target, name, number))
        if contested:
            del pairs[name]
    _find_versions(found, source, target, pairs, wanted)
    _find_events(found, source, target, pairs, wanted, differ)
    notes: list[str] = []
    removals: list[str] = []
    for name, (ours, theirs) in pairs.items():
        tombstones = {path: number for number, path in ours.tombstones.items()}
        for path, number in (ours.signatures | tombstones).items():
            if path not in theirs.marks and wanted.takes(name, number):
                late = path in tombstones and number in theirs.records
                (removals if late else notes).append(path)
    found.notes, found.removals = read_all(source, notes), read_all(source, removals)
    hold_back(found, target, there, moving=found.events)
    return found


def hold_back(
    found: Lacking, target: Storage, there: Mapping[str, Holding], moving: Container[str] = ()
) -> None:
    """Leave out the tombstones of versions that an alias of the target means, each a conflict.

    there: what the target holds. moving: logs of aliases that will mean something else before the tombstones arrive.
    """
    current = {
        log[max(log)]: (name, alias)
        for name in sorted({split(path)[0] for path in found.removals})
        for alias, log in there[name].events.items()
        if alias_log(name, alias) not in moving
    }
    meaning: dict[tuple[str, int | None], list[str]] = defaultdict(list)
    for path, event in read_all(target, current).items():
        name, alias = current[path]
        meaning[name, _meant(event)].append(alias)
    for path in list(found.removals):
        if aliases := meaning.get(split(path)):
            del found.removals[path]
            found.conflicts.append(conflicts.removed(*split(path), sorted(aliases), here=True))


def _differ(source: Storage, target: Storage, pairs: Iterable[tuple[Holding, Holding]]) -> set[str]:
    """Paths of records and events that both hubs have, with different content."""
    shared = [
        (path, ours.marks[path], theirs.marks[path])
        for ours, theirs in pairs
        for path in ours.logs
        if path in theirs.marks
    ]

    def equal(one: tuple[str, tuple[int, str | None], tuple[int, str | None]]) -> bool:
        path, (size, md5), (other_size, other_md5) = one
        if size != other_size:
            return False
        if md5 and md5 == other_md5:
            return True
        if md5 and not other_md5:
            return same(source, path, (size, md5), target.read(path))
        return same(target, path, (other_size, other_md5), source.read(path))

    return {one[0] for one, is_equal in zip(shared, together(equal, shared), strict=True) if not is_equal}


def _find_versions(
    found: Lacking,
    source: Storage,
    target: Storage,
    pairs: Mapping[str, tuple[Holding, Holding]],
    wanted: Selection,
) -> None:
    """Records that the target lacks; and blobs, for these and for versions that it has and that lost some. A removed
    version needs none."""
    lacked: list[str] = []
    shared: list[str] = []
    removed: set[str] = set()
    for name, (ours, theirs) in pairs.items():
        for number, path in sorted(ours.records.items()):
            if wanted.takes(name, number):
                (shared if number in theirs.records else lacked).append(path)
                if number in ours.tombstones or number in theirs.tombstones:
                    removed.add(path)
    closer = source if target.folder("") is None else target
    needed: dict[str, int] = {}
    for path, data in [*read_all(source, lacked).items(), *read_all(closer, set(shared) - removed).items()]:
        name, number = split(path)
        try:
            files = records.from_bytes(data, name, number).files
            if strange := [file.name for file in files if file.name not in ALLOWED]:
                raise Damaged(f"its record lists {', '.join(strange)}, which no version may hold")
        except Damaged as error:
            found.problems.append(f"{reference(path)} stays behind: {error}")
            continue
        blobs = {} if path in removed else {file.sha256: file.size for file in files}
        needed |= blobs
        if number not in pairs[name][1].records:
            found.records.setdefault(name, {})[path] = data
            found.needs[path] = set(blobs)
    there = blob_marks(target, needed)
    found.blobs = {
        digest: size for digest, size in needed.items() if there.get(blob(digest), (None, None))[0] != size
    }


def _find_events(
    found: Lacking,
    source: Storage,
    target: Storage,
    pairs: Mapping[str, tuple[Holding, Holding]],
    wanted: Selection,
    differ: set[str],
) -> None:
    """Alias events that the target lacks, of aliases whose version it has then."""
    logs = [(name, alias) for name, (ours, _) in pairs.items() for alias in ours.events]
    lacked = {
        (name, alias): [
            path
            for number, path in sorted(pairs[name][0].events[alias].items())
            if number not in pairs[name][1].events.get(alias, {})
        ]
        for name, alias in logs
    }
    contents = read_all(source, [path for paths in lacked.values() for path in paths])
    removed: dict[tuple[str, int], list[str]] = defaultdict(list)  # in the target: its aliases in the source
    for name, alias in logs:
        (ours, theirs), paths = pairs[name], lacked[name, alias]
        here, there = ours.events[alias], theirs.events.get(alias, {})
        if any(path in differ for path in here.values()):
            meant, other = (
                _meant(storage.read(events[max(events)]))
                for storage, events in ((source, here), (target, there))
            )
            if meant != other and (meant is None or wanted.takes(name, meant)):
                found.conflicts.append(conflicts.parted(name, alias, meant, other))
        elif paths:
            meant = _meant(contents[paths[-1]])
            if meant is not None and not wanted.takes(name, meant):
                continue
            if meant is not None and meant in theirs.tombstones.keys() - ours.tombstones.keys():
                removed[name, meant].append(alias)
            elif why := _unfit(found, ours, theirs, meant):
                found.problems.append(
                    f"alias {alias} of {name} stays behind: it means version {meant}, which {why}"
                )
            else:
                found.events[alias_log(name, alias)] = {path: contents[path] for path in paths}
    for (name, number), aliases in removed.items():
        found.conflicts.append(conflicts.removed(name, number, sorted(aliases), here=False))


def _unfit(found: Lacking, ours: Holding, theirs: Holding, version: int | None) -> str | None:
    """Why no alias of the target should come to mean a version."""
    if version is None:
        return None
    if version in ours.tombstones:
        return "was removed"
    return None if version in theirs.records or ours.records.get(version) in found.needs else "does too"


def _meant(event: Bytes) -> int | None:
    """The version of an alias event; None for a removal, and for what cannot be read."""
    try:
        version = json.loads(event)["version"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return version if isinstance(version, int) else None
