"""The hub: a directory in which adapters live under names, in versions that never change.

What lies where is drawn in `layout.py`. A publication stores blobs, then links the record, then makes the folder.
Stopped before the record, it never was; stopped after it, the version is whole, and publishing again with the same id
only finishes the folder.
"""

import getpass
import json
import logging
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Unpack

from adapters.format import files
from hub.catalogue import aliases, history, records, search, signing, tombstones
from hub.catalogue.index import Index
from hub.catalogue.near_names import near_names
from hub.catalogue.records import Record
from hub.catalogue.search import Filters, Found
from hub.catalogue.signing import PrivateKey
from hub.catalogue.tombstones import Tombstone
from hub.catalogue.trust import Signature, Trust, check_signed, load_trust, signatures
from hub.errors import BadName, HubError, NoHub, NotInHub, Refused
from hub.intake.allowed import REQUIRED
from hub.keeping.collect import GRACE, Collected, collect
from hub.keeping.purge import Purged, purge
from hub.keeping.repair import Repaired, repair
from hub.keeping.verify import Verified, verify
from hub.storage.layout import MARKER, blob, log, names, numbered, projection
from hub.storage.names import LATEST, Reference, check_alias, check_name, parse
from hub.storage.storage import place_of
from hub.storage.store import Store, parsed, sha256

if TYPE_CHECKING:
    from adapters import Adapter, Base
    from adapters.format import Shape
    from adapters.serving import Fetched
    from hub.intake.huggingface import Download

FORMAT = 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Version:
    """One version in a hub. folder: its PEFT directory, for stock PEFT and other tools; None in a remote hub."""

    record: Record
    folder: Path | None

    @property
    def name(self) -> str:
        """`client/campaign/task`."""
        return self.record.name

    @property
    def number(self) -> int:
        """1, 2, 3 ..."""
        return self.record.version

    @property
    def reference(self) -> str:
        """`client/campaign/task@3`: means this version for ever."""
        return self.record.reference

    @property
    def digest(self) -> str:
        """Hash of the content: equal for equal files, whatever their name."""
        return self.record.digest


class Hub:
    """A hub directory. Many processes may read and publish at once; none of them takes a lock.

    address: a folder, `s3://bucket/path` or `gs://bucket/path`. create: make the hub where the place is missing or
    empty. origin: the address of another hub, noted in one that is made to mirror it. trust: a trust file, or one that
    was read: which clients' adapters are loaded only when signed (see `trust.py`); None is the file that
    REPERTOIRE_TRUST names.

    Raises HubError where the place is something else, Unreachable where it does not answer, BadTrust.
    """

    def __init__(
        self,
        address: str | os.PathLike[str],
        create: bool = True,
        origin: str | None = None,
        trust: Trust | str | os.PathLike[str] | None = None,
    ) -> None:
        self.place = place_of(address)
        self.address = self.place.address
        self.store = Store(self.place)
        named = os.environ.get("REPERTOIRE_TRUST") if trust is None else trust
        self.trust = named if named is None or isinstance(named, Trust) else load_trust(named)
        if not self.place.exists(MARKER):
            self._found(create, origin)
        try:
            about = json.loads(self.place.read(MARKER))
            self.id, written = str(about["id"]), int(about["format"])
            self.origin: str | None = about.get("origin")
        except (ValueError, KeyError, TypeError) as error:
            raise HubError(
                f"{MARKER} of {self.address} cannot be read ({error}); restore it from another copy of the hub"
            ) from error
        if written > FORMAT:
            raise HubError(
                f"{self.address} has hub format {written}, this Repertoire reads {FORMAT}; upgrade it"
            )

        self.index = Index(self.store, self.id)

    def publish(
        self,
        source: "Adapter | Download | str | os.PathLike[str]",
        name: str,
        *,
        base: "Base | Shape | None" = None,
        tags: Sequence[str] = (),
        message: str = "",
        publish_id: str | None = None,
        publisher: str | None = None,
        force_reason: str | None = None,
        key: PrivateKey | None = None,
    ) -> Version:
        """Store an adapter, a PEFT directory, or `hf://owner/repo[@revision][/folder]` as the next version of `name`.

        base: what the adapter must fit, by every name and shape: a loaded base, or
        `adapters.base.load_shape(...)`, for which the base's configuration is enough.

        When this returns, the version is on disk for good. With a `publish_id` of your own it is safe to try again
        after a failure that left you in doubt: the same id gives the same version, however often.

        An adapter that failed its recipe's gates is taken only with a `force_reason`, which the record keeps.

        key: sign the version too, as it was written here, whatever the hub says that it holds.

        Raises BadName; Refused with every problem of the adapter or every gate that it failed, before anything is
        written.
        """
        from hub.intake import admission as intake
        from hub.intake import huggingface

        check_name(name)
        if huggingface.is_address(source):
            source = huggingface.fetch(str(source))
        with ExitStack() as early:
            adapter, rendered, told = intake.admit(
                source, base, lambda data: early.enter_context(self.place.begun(data))
            )
            forced = intake.pass_gates(adapter, force_reason)
            digests = {file: sha256(data) for file, data in rendered.items()}
            fields = {
                "format": records.FORMAT,
                "name": name,
                "publish_id": publish_id or uuid.uuid4().hex,
                "created": _now(),
                "publisher": publisher or _user(),
                "message": message,
                "tags": tuple(tags),
                "files": [
                    {"name": file, "sha256": digests[file], "size": len(data)}
                    for file, data in sorted(rendered.items())
                ],
                **told,
                "forced": forced,
                "origin": source.origin if isinstance(source, huggingface.Download) else None,
            }
            earlier: list[Record] = []
            others: set[int] = set()  # versions that were read and have another id; records never change
            written = b""

            def entry(number: int) -> bytes | None:
                nonlocal written
                if publish_id is not None:
                    earlier.extend(self._published_as(name, publish_id, others))
                if earlier:
                    return None
                record = Record.model_validate({**fields, "version": number, "parent": number - 1 or None})
                written = record.to_bytes()
                return written

            contents = {digests[file]: data for file, data in rendered.items()}
            number = self.store.append(log(name), entry, contents)
            if number is None:
                # Found, not written: whoever wrote it may have died before it was there for good.
                self._check_same(earlier[0], publish_id, digests[files.WEIGHTS])
                self.store.keep(contents)
                self.place.create({numbered(log(name), earlier[0].version): earlier[0].to_bytes()})
        version = self._version(name, number or earlier[0].version)
        try:
            self.project(version)
        except OSError as error:
            _log.warning("%s is published, but its folder could not be made: %s", version.reference, error)
        if key is not None:
            if number is None:
                written = self._bytes(version)
                if {file.name: file.sha256 for file in version.record.files} != digests:
                    raise Refused(
                        f"{version.reference}, for which publish id {publish_id!r} stands, has other files, so that "
                        f"it was not signed; look at it, and sign it with `repertoire sign {version.reference}`"
                    )
            signing.sign(self.place, name, version.number, written, key)
        return version

    def resolve(self, reference: str) -> Version:
        """The version that a reference means now. Raises BadName, NotInHub with near names."""
        return self._resolve(parse(reference))

    def read(self, version: Version | str) -> "Adapter":
        """The adapter, parsed from the very bytes whose hashes were checked. Raises Damaged, NotInHub, and Untrusted
        where a trust file asks for a signature that the version does not have."""
        return self.fetch(version).adapter

    def fetch(self, version: Version | str) -> "Fetched":
        """As `read`, with the seconds that reading the bytes and checking them took."""
        from adapters.serving import Fetched

        version = self.resolve(version) if isinstance(version, str) else version
        self.check_signed(version)
        record = version.record
        digests = [record.file(name).sha256 for name in REQUIRED]
        began = perf_counter()
        found = [self.store.read(digest) for digest in digests]
        read = perf_counter()
        adapter = parsed(dict(zip(digests, found, strict=True)), files.parse)
        return Fetched(adapter, read - began, perf_counter() - read)

    def sign(self, reference: str, key: PrivateKey) -> Version:
        """Sign a version, after its files were read and found to be those that its record names: from then on the
        holder of the key vouches for them. Raises BadName, NotInHub, Damaged."""
        version = self.resolve(reference)
        data = self._bytes(version)
        version = self._at(records.from_bytes(data, version.name, version.number))
        for file in version.record.files:
            self.store.get(file.sha256)
        signing.sign(self.place, version.name, version.number, data, key)
        return version

    def signatures(self, version: Version | str) -> list[Signature]:
        """Who signed a version, and whether it counts for the clients' keys in this hub's trust file."""
        record = (self.resolve(version) if isinstance(version, str) else version).record
        return signatures(self.place, record, self.trust)

    def check_signed(self, version: Version) -> None:
        """Raise Untrusted where the trust file asks for a signature that this version does not have."""
        if self.trust is not None:
            check_signed(self.place, version.record, self.trust)

    def names(self) -> tuple[str, ...]:
        """All names that have a version, sorted."""
        return tuple(name for name in sorted(names(self.place)) if self._standing(name))

    def versions(self, name: str) -> tuple[Version, ...]:
        """All versions of one name, oldest first. Raises BadName, NotInHub."""
        found = tuple(self._version(name, number) for number in self._standing(check_name(name)))
        if not found:
            raise self._missing(Reference(name))
        return found

    def list(
        self,
        client: str | None = None,
        campaign: str | None = None,
        task: str | None = None,
        method: str | None = None,
        base: str | None = None,
        tag: str | None = None,
    ) -> tuple[Found, ...]:
        """The newest version of every name, of those that fit. task: what the adapter does, such as `ad-copy`."""
        return self.search(client=client, campaign=campaign, task=task, method=method, base=base, tag=tag)

    def search(self, text: str = "", **filters: Unpack[Filters]) -> tuple[Found, ...]:
        """The versions that fit and have all words of `text` in their name or message, read from the index; see
        `Filters`. A version that was acknowledged before this is called is never missing. Raises BadSearch."""
        return search.search(self.index, text, filters, self.place.folder(""))

    def aliases(self, name: str) -> dict[str, int]:
        """Alias -> version, `latest` included. Raises BadName, NotInHub."""
        newest = self._resolve(Reference(check_name(name))).number
        return {**aliases.current(self.store, name), LATEST: newest}

    def set_alias(
        self,
        name: str,
        alias: str,
        version: int,
        *,
        why: str = "",
        who: str | None = None,
        expect: int | None = None,
    ) -> None:
        """Point an alias at a version; what it pointed at before stays in its log.

        expect: the version that it must mean until now, 0 for none, where another operator may be at work too. Raises
        Moved where it means another; BadName, NotInHub.
        """
        check_alias(alias)
        self._resolve(Reference(check_name(name), version=version))
        aliases.record(self.store, name, _event(alias, version, who, why), expect)

    def remove_alias(
        self, name: str, alias: str, *, why: str = "", who: str | None = None, expect: int | None = None
    ) -> None:
        """Let an alias mean nothing, until it is set or rolled back. Raises as `set_alias`."""
        check_name(name)
        aliases.record(self.store, name, _event(check_alias(alias), None, who, why), expect)

    def rollback(
        self,
        name: str,
        alias: str = "production",
        to: int | None = None,
        *,
        why: str = "",
        who: str | None = None,
        expect: int | None = None,
    ) -> Version:
        """Let an alias mean again what it meant before, a step further back with every rollback, as undo does; or the
        version `to`, one that it meant at any time. Returns the version that it means now.

        expect: as in `set_alias`; without it too, of two rollbacks at the same moment only one succeeds. Raises Moved,
        BadName, NotInHub. How "before" is counted stands in `hub.catalogue.aliases`.
        """
        self._check_known(check_name(name), check_alias(alias))
        if to is not None:
            self._resolve(Reference(name, version=to))
        event, stands = _event(alias, None, who, why), partial(self._stands, name)
        back = aliases.roll_back(self.store, name, event, to, expect, stands)
        return self._resolve(Reference(name, version=back.version))

    def history(self, name: str, alias: str | None = None) -> tuple[history.Entry, ...]:
        """What happened to a name, oldest first: publications, removals, and the changes of its aliases, or of one of
        them. Raises BadName, NotInHub, Damaged."""
        wanted = aliases.known(self.store, check_name(name)) if alias is None else [check_alias(alias)]
        self._check_known(name, *wanted)
        return history.of(self.store, name, self._records(name), wanted)

    def remove(
        self, reference: str, *, why: str = "", who: str | None = None, dry_run: bool = False
    ) -> Tombstone:
        """Remove one version, `name@3`: no reference leads to it any more. Its number is not used again.

        Raises BadName, NotInHub; Refused where an alias points at it.
        """
        given = parse(reference)
        if given.version is None:
            raise BadName(f"{reference!r} may mean another version tomorrow; say which one: {given.name}@3")
        tombstone = Tombstone(given.version, who or _user(), _now(), why)
        return tombstones.remove(self.store, given.name, tombstone, dry_run)

    def verify(self, target: str = "", told: Callable[[int, int], None] | None = None) -> Verified:
        """Look at every file of the hub, or of a client or a name; see verify.py. Raises NotInHub."""
        return verify(self.store, target, told)

    def repair(self, dry_run: bool = False, told: Callable[[int, int], None] | None = None) -> Repaired:
        """Mend what `verify` finds, as far as the hub itself allows; see repair.py."""
        return repair(self.store, dry_run, told)

    def collect(
        self, grace: float = GRACE, dry_run: bool = False, told: Callable[[str], None] | None = None
    ) -> Collected:
        """Take away blobs that nothing needs, once `grace` seconds are over; see collect.py. Raises Damaged."""
        return collect(self.store, grace, dry_run, told)

    def purge(self, client: str, dry_run: bool = False) -> Purged:
        """Erase all that belongs to one client, and look what is left; see purge.py. Raises BadName, Damaged."""
        return purge(self.store, client, dry_run)

    def project(self, version: Version) -> Path | None:
        """Make the version's PEFT directory again where it is missing. Returns it; None in a remote hub."""
        shown = {file.name: blob(file.sha256) for file in version.record.files}
        self.place.project(projection(version.name, version.number), shown)
        return version.folder

    def _resolve(self, reference: Reference) -> Version:
        name, number = reference.name, reference.version
        if number is None and reference.alias == LATEST:
            newest = tombstones.newest(self.store, name)
            if not newest:
                raise self._missing(reference)
            return self._version(name, newest)
        if number is None:
            number = aliases.version_of(self.store, name, reference.alias) or 0
        if not 1 <= number <= self._last(name):
            raise self._missing(reference)
        tombstone = tombstones.find(self.store, name, number)
        if tombstone is not None:
            raise NotInHub(f"{name}@{number} was {tombstone}; {self._rest(name)}")
        return self._version(name, number)

    def _check_known(self, name: str, *wanted: str) -> None:
        """Raise NotInHub where a name has no version, or never had one of these aliases."""
        unknown = sorted({*wanted} - {*aliases.known(self.store, name)})
        if unknown or not self._last(name):
            raise self._missing(Reference(name, alias=(unknown or [LATEST])[0]))

    def _stands(self, name: str, number: int) -> bool:
        """Whether a version can be had."""
        try:
            self._resolve(Reference(name, version=number))
        except HubError:
            return False
        return True

    def _rest(self, name: str) -> str:
        """What there is where a version was removed."""
        standing = self._standing(name)
        if not standing:
            return f"all versions of {name} were removed; publish a new one"
        older = " and older ones" if standing[10:] else ""
        return f"there is {', '.join(f'{name}@{number}' for number in standing[-10:])}{older}"

    def _missing(self, reference: Reference) -> NotInHub:
        """What to say of a reference that means nothing here, with what there is instead."""
        name, newest = reference.name, self._last(reference.name)
        if newest and not self._standing(name):
            return NotInHub(self._rest(name))
        if newest and reference.version is not None:
            return NotInHub(f"{name} has no version {reference.version}; it has 1 to {newest}")
        if newest:
            known = ", ".join(self.aliases(name))
            return NotInHub(
                f"{name} has no alias {reference.alias!r}; it has {known} and versions 1 to {newest}"
            )
        near = near_names(self.store, name)
        if near is None:
            return NotInHub(
                f"no {name} in {self.address}: the hub is empty; fill it with `repertoire publish`"
            )
        hint = f"did you mean {', '.join(near)}?" if near else "`repertoire ls` lists what there is"
        return NotInHub(f"no {name} in {self.address}; {hint}")

    def _check_same(self, earlier: Record, publish_id: str | None, weights: str) -> None:
        """Raise Refused where what is published again with an id is not what it stands for, or was removed."""
        tombstone = tombstones.find(self.store, earlier.name, earlier.version)
        if tombstone is not None:
            raise Refused(
                f"publish id {publish_id!r} stands for {earlier.reference}, which was {tombstone}; "
                "use a new id to publish the adapter again"
            )
        if earlier.file(files.WEIGHTS).sha256 != weights:
            raise Refused(
                f"publish id {publish_id!r} already stands for {earlier.reference}, which has other weights; "
                "use a new id for a new adapter"
            )

    def _published_as(self, name: str, publish_id: str, others: set[int]) -> Iterator[Record]:
        """The record with this publish id, if there is one. Only those whose bytes hold it are parsed: a name may have
        thousands. others: numbers that are known to have another id; all that are read are added."""
        told = json.dumps(publish_id, ensure_ascii=False).encode()
        for number in self.store.numbers(log(name)):
            if number in others:
                continue
            data = self.place.read(numbered(log(name), number))
            if told in data:
                record = records.from_bytes(data, name, number)
                if record.publish_id == publish_id:
                    yield record
                    continue
            others.add(number)

    def _records(self, name: str) -> tuple[Record, ...]:
        return tuple(self._version(name, number).record for number in self.store.numbers(log(name)))

    def _version(self, name: str, number: int) -> Version:
        try:
            data = self.place.read(numbered(log(name), number))
        except FileNotFoundError:
            raise NotInHub(
                f"{self.address} holds no version {number} of {name}, though newer ones: it mirrors a part of a hub; "
                f"`repertoire pull --only {name}@{number}` brings it"
            ) from None
        return self._at(records.from_bytes(data, name, number))

    def _bytes(self, version: Version) -> bytes:
        """What lies in the hub as a version's record."""
        return bytes(self.place.read(numbered(log(version.name), version.number)))

    def _at(self, record: Record) -> Version:
        return Version(record, self.place.folder(projection(record.name, record.version)))

    def _standing(self, name: str) -> Sequence[int]:
        return tombstones.standing(self.store, name)

    def _last(self, name: str) -> int:
        return self.store.last(log(name))

    def _found(self, create: bool, origin: str | None) -> None:
        if not create:
            raise NoHub(f"no hub at {self.address}; `repertoire publish` makes one, or give the right --hub")
        strangers = {*self.place.files(""), *self.place.folders("")} - {".tmp", MARKER}
        if strangers and not self.place.exists(MARKER):  # another process may have made it meanwhile
            raise HubError(f"{self.address} holds other files and no hub.json; give an empty or a new folder")
        about = {"format": FORMAT, "id": uuid.uuid4().hex} | ({"origin": origin} if origin else {})
        self.place.create({MARKER: json.dumps(about, sort_keys=True).encode() + b"\n"})


def _event(alias: str, version: int | None, who: str | None, why: str) -> aliases.Event:
    return aliases.Event(alias=alias, version=version, who=who or _user(), when=_now(), why=why)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run as a user without a name
        return "unknown"
