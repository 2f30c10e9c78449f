"""Hubs in step: `push`, `pull` and `sync` bring one hub what it lacks of another, byte for byte.

    1. signatures, tombstones   of what arrives: a removed version is never there without its tombstone, a signed one
                                never unsigned
    2. blobs                    those that are missing or have another size, a bounded number of bytes at a time
    3. records                  under the same numbers, the next one of every name; then the version folders
    4. alias events             in order, those of aliases whose version is there
    5. tombstones               of versions that were there, and that no alias means by now
    6. all of it is looked at again in the hub where it arrived

Broken off anywhere, the target holds whole versions; the next run finds what is still missing. Nothing is overwritten:
what is a conflict stands in lacking.py.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import zip_longest

from adapters.format import Bytes
from hub.catalogue import numbering
from hub.errors import BadName, Damaged, NoHub, NotInHub
from hub.exchange.conflicts import Conflict
from hub.exchange.holding import Selection, blob_marks, look, md5, same, split, together
from hub.exchange.lacking import Lacking, hold_back, lacking
from hub.hub import Hub
from hub.storage.address import open_storage
from hub.storage.layout import LARGEST, PART, blob, home, is_part, log, projection
from hub.storage.names import check_name, parse
from hub.storage.pins import pin

Address = str | os.PathLike[str]
Progress = Callable[[int, int], None]
_BATCH_BYTES = 128 << 20
_BATCH_FILES = 256
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Transfer:
    """What went from one hub to another, or would.

    Attributes:
        source: address of the one.
        target: address of the other.
        dry_run: whether nothing was moved.
        versions: references of those that the target lacked.
        blobs: contents, by sha256.
        files: paths of records, events, tombstones and signatures.
        size: bytes of blobs and files.
        conflicts: where the two contradict each other; what they are about did not move.
        problems: what the source holds damaged, and what stayed behind for it.
    """

    source: str
    target: str
    dry_run: bool
    versions: tuple[str, ...]
    blobs: tuple[str, ...]
    files: tuple[str, ...]
    size: int
    conflicts: tuple[Conflict, ...]
    problems: tuple[str, ...]


def push(
    hub: Hub,
    remote: Address,
    *,
    only: Sequence[str] = (),
    client: str | None = None,
    campaign: str | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Transfer:
    """Bring another hub what it lacks of this one. It is made where there is none.

    Conflicts and damaged versions are told in what is returned, and all else moves; after a failure the next run goes
    on.

    Args:
        hub: from where.
        remote: the address of the other.
        only: names, with all their versions, or references, with one.
        client: only what belongs to this client.
        campaign: only what belongs to this campaign of the client.
        dry_run: find out what would move.
        progress: called with the bytes that have moved and those that will.

    Raises:
        BadName: for a selection that the grammar does not allow.
        NotInHub: for what `only` names and this hub lacks.
        Damaged: where something did not arrive as it left.
        Unreachable: where an object store does not answer.
    """
    return _move(hub, remote, _selection(hub, only, client, campaign), dry_run, progress)


def pull(
    hub: Address,
    remote: Address,
    *,
    only: Sequence[str] = (),
    client: str | None = None,
    campaign: str | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Transfer:
    """Bring a hub what it lacks of a remote one. Where there is no hub it is made, and notes its origin.
    Raises as `push`.

    Args:
        hub: the address of the one that gets it.
        remote: the address from where.
        only: names, with all their versions, or references, with one.
        client: only what belongs to this client.
        campaign: only what belongs to this campaign of the client.
        dry_run: find out what would move.
        progress: called with the bytes that have moved and those that will.
    """
    source = Hub(remote, create=False)
    wanted = _selection(source, only, client, campaign)
    return _move(source, hub, wanted, dry_run, progress, origin=source.address)


def sync(
    hub: Hub,
    remote: Address,
    *,
    client: str | None = None,
    campaign: str | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> tuple[Transfer, Transfer]:
    """`push`, then `pull`. Arguments and errors as there; returns what went there, and what came back."""
    wanted = _selection(hub, (), client, campaign)
    there = _move(hub, remote, wanted, dry_run, progress)
    try:
        back = _move(Hub(remote, create=False), hub.address, wanted, dry_run, progress)
    except NoHub:  # a dry run did not make it
        back = Transfer(there.target, there.source, dry_run, (), (), (), 0, (), ())
    return there, back


def _selection(source: Hub, only: Sequence[str], client: str | None, campaign: str | None) -> Selection:
    """Raises BadName, NotInHub."""
    if only and (client or campaign):
        raise BadName("give names, or a client and a campaign, not both")
    if campaign and not client:
        raise BadName(f"the campaign {campaign!r} belongs to a client; give the client too")
    if wrong := [part for part in (client, campaign) if part and not is_part(part)]:
        raise BadName(f"{wrong[0]!r} can be no client and no campaign")
    if not only:
        return Selection((home("/".join(filter(None, (client, campaign)))),)) if client else Selection()
    versions: dict[str, set[int] | None] = {}
    for text in only:
        name = parse(text).name
        if "@" not in text:
            if not numbering.last(source.store, check_name(name)):
                raise NotInHub(f"no {name} in {source.address}; `repertoire ls` lists what there is")
            versions[name] = None
        elif (numbers := versions.setdefault(name, set())) is not None:
            numbers.add(source.resolve(text).number)
    return Selection(tuple(home(name) for name in versions), versions)


def _move(
    source: Hub,
    target: Address,
    wanted: Selection,
    dry_run: bool,
    progress: Progress | None,
    origin: str | None = None,
) -> Transfer:
    arriving: Hub | None = None
    try:
        arriving = Hub(target, create=not dry_run, origin=origin)
    except NoHub:
        if not dry_run:
            raise
    storage = open_storage(target) if arriving is None else arriving.storage
    lacked = lacking(source.storage, storage, wanted)
    if arriving is not None and not dry_run:
        _Carrier(source, arriving, lacked, progress).carry(wanted)
    return Transfer(
        source.address,
        storage.address,
        dry_run,
        tuple(lacked.versions),
        tuple(lacked.blobs),
        tuple(lacked.files),
        _size(lacked),
        tuple(lacked.conflicts),
        tuple(lacked.problems),
    )


def _checked(hub: Hub, digest: str, size: int) -> Bytes | Damaged:
    """A blob of so many bytes, or why it cannot be had."""
    try:
        return hub.store.get(digest, max(size, LARGEST))
    except Damaged as error:
        return error


def _size(lacked: Lacking) -> int:
    return sum(lacked.blobs.values()) + sum(map(len, lacked.files.values()))


class _Carrier:
    """Moves what is lacking; what turns out not to move is taken out of it."""

    def __init__(self, source: Hub, target: Hub, lacked: Lacking, progress: Progress | None) -> None:
        self.source, self.target, self.lacked = source, target, lacked
        self._progress, self._total, self._done = progress, _size(lacked), 0
        self._sent: dict[str, str] = {}  # path of a blob -> MD5
        self._given_up: set[str] = set()  # blobs that nothing needs any more

    def carry(self, wanted: Selection) -> None:
        storage = self.target.storage
        with self._pinned():
            storage.create(self.lacked.notes)
            self._advance(self.lacked.notes)
            self._note_taken()
            for digests in _batches(self.lacked.blobs):
                self._carry_blobs(digests)
            self._mark_parts()
            for turn in _turns(self.lacked.records):
                self._carry_entries(turn, self.lacked.records)
            self._unmark_whole()
            for digests in _batches(self._note_taken()):
                self._carry_blobs(digests)
        if storage.folder("") is not None:
            for version in self.lacked.versions:
                self._show(version)
        for turn in _turns(self.lacked.events):
            self._carry_entries(turn, self.lacked.events)
        self._carry_removals()
        self._verify(wanted)

    def _mark_parts(self) -> None:
        """Say of which names only some versions will be here, before they arrive."""
        for name, queue in self.lacked.records.items():
            numbers = {*numbering.numbers(self.target.store, name), *(split(path)[1] for path in queue)}
            if len(numbers) < max(numbers, default=0):
                self.target.storage.create({f"{log(name)}/{PART}": b""})

    def _unmark_whole(self) -> None:
        for name in self.lacked.records:
            numbers = numbering.numbers(self.target.store, name)
            if len(numbers) == max(numbers, default=0):
                self.target.storage.remove(f"{log(name)}/{PART}")

    @contextmanager
    def _pinned(self) -> Iterator[None]:
        """No collector takes meanwhile what the records need that are about to arrive; a pin for each client."""
        needed: dict[str, set[str]] = {}
        for record, digests in self.lacked.needs.items():
            needed.setdefault(home(split(record)[0].split("/")[0]), set()).update(digests)
        paths = [pin(self.target.storage, f"{client}/", digests) for client, digests in needed.items()]
        try:
            yield
        finally:
            for path in paths:
                with suppress(OSError):  # a pin that stays only keeps its blobs for a day
                    self.target.storage.remove(path)

    def _note_taken(self) -> dict[str, int]:
        """Blobs that are needed and that a collector took away since they were seen: they move too. Digest -> size."""
        needed = {digest for digests in self.lacked.needs.values() for digest in digests}
        sent = {path.rpartition("/")[2] for path in self._sent}
        waiting = self.lacked.blobs.keys() - sent
        there = blob_marks(self.target.storage, needed - waiting)
        taken = {digest: 0 for digest in sorted(needed - waiting) if blob(digest) not in there}
        for digest in taken:
            with suppress(FileNotFoundError):
                taken[digest] = self.source.storage.size(blob(digest))
        self.lacked.blobs |= taken
        self._total = _size(self.lacked)
        return taken

    def _carry_blobs(self, digests: Sequence[str]) -> None:
        sizes = self.lacked.blobs
        got = dict(
            zip(digests, together(lambda one: _checked(self.source, one, sizes[one]), digests), strict=True)
        )
        for digest, data in got.items():
            if isinstance(data, Damaged):
                self._miss(digest, data)
        blobs = {blob(digest): data for digest, data in got.items() if not isinstance(data, Damaged)}
        created = self.target.storage.create(blobs)
        for path in blobs.keys() - created:
            if self.target.storage.read(path) != blobs[path]:
                self.target.storage.replace(path, blobs[path])
        self._sent |= {path: md5(data) for path, data in blobs.items()}
        self._advance(blobs)

    def _miss(self, digest: str, why: Damaged) -> None:
        """Leave behind what needs a blob that cannot be had."""
        del self.lacked.blobs[digest]
        records = [record for record, needed in self.lacked.needs.items() if digest in needed]
        for record in records:
            self._given_up |= self.lacked.needs[record]
            self.lacked.leave(record, str(why))
        if digest not in self._given_up:
            self.lacked.problems.append(f"{self.target.address} needs a blob that cannot be had: {why}")

    def _carry_entries(
        self, turn: Sequence[tuple[str, str]], queues: Mapping[str, Mapping[str, Bytes]]
    ) -> None:
        """The next entry of every queue, of those that still move."""
        moving = {path: queues[key][path] for key, path in turn if path in queues.get(key, ())}
        taken = moving.keys() - self.target.storage.create(moving)
        for path in taken:
            if self.target.storage.read(path) != moving[path]:
                self.lacked.cut(
                    path, f"somebody took its place in {self.target.address} meanwhile; do this again"
                )
        self._advance(moving)

    def _carry_removals(self) -> None:
        """What its aliases mean may have changed since the hubs were compared, and not only by what arrived."""
        lacked, storage = self.lacked, self.target.storage
        names = {split(path)[0] for path in lacked.removals}
        hold_back(lacked, storage, look(storage, Selection(tuple(map(home, names)))))
        storage.create(lacked.removals)
        for path in lacked.removals:
            if storage.folder("") is not None:
                storage.discard(projection(*split(path)))
        self._advance(lacked.removals)

    def _show(self, version: str) -> None:
        """Its folder; a removed version has none."""
        try:
            self.target.project(self.target.resolve(version))
        except NotInHub:
            return
        except OSError as error:
            _log.warning("%s has arrived, but its folder could not be made: %s", version, error)

    def _verify(self, wanted: Selection) -> None:
        """Raise Damaged where something is not as it was sent."""
        storage = self.target.storage
        marks = {path: mark for folder in wanted.folders for path, mark in storage.marks(folder).items()}
        marks |= blob_marks(storage, self.lacked.blobs)

        def arrived(path: str) -> bool:
            if path in files:
                return path in marks and same(storage, path, marks[path], files[path])
            digest = path.rpartition("/")[2]
            whole = (self.lacked.blobs[digest], self._sent[path])
            return marks.get(path) == whole or not isinstance(
                _checked(self.target, digest, whole[0]), Damaged
            )

        files = self.lacked.files
        paths = [*files, *self._sent]
        if wrong := [path for path, well in zip(paths, together(arrived, paths), strict=True) if not well]:
            raise Damaged(
                f"{len(wrong)} files did not arrive in {self.target.address} as they were sent: "
                f"{', '.join(wrong[:5])}{' ...' if len(wrong) > 5 else ''}; do this again, and look after its disk"
            )

    def _advance(self, moved: Mapping[str, Bytes]) -> None:
        self._done += sum(map(len, moved.values()))
        if self._progress is not None:
            self._progress(self._done, self._total)


def _batches(blobs: Mapping[str, int]) -> Iterator[list[str]]:
    """Digests of a bounded number of bytes, or of one blob."""
    batch: list[str] = []
    size = 0
    for digest, more in blobs.items():
        if batch and (size + more > _BATCH_BYTES or len(batch) == _BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(digest)
        size += more
    if batch:
        yield batch


def _turns(queues: Mapping[str, Mapping[str, Bytes]]) -> Iterator[list[tuple[str, str]]]:
    """Key and path of the first entry of every queue, then of the second, and so on; a bounded number at once."""
    for turn in zip_longest(*([(key, path) for path in queue] for key, queue in queues.items())):
        entries = [entry for entry in turn if entry is not None]
        for start in range(0, len(entries), _BATCH_FILES):
            yield entries[start : start + _BATCH_FILES]
