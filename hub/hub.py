"""The hub: a directory in which adapters live under names, in versions that never change.

    hub.json                                     format version, id
    blobs/sha256/ab/<64 hex>                     content, read-only
    adapters/<client>/<campaign>/<task>/
      .records/000003.json                       the commit point of version 3
      .events/<alias>/000007.json                alias log; the highest is current
      v000003/                                   plain PEFT directory: links to the blobs, can be made again
    index.sqlite                                 what searches read, can be made again

A publication stores blobs, then links the record, then makes the folder. Stopped before the record, it never was;
stopped after it, the version is whole, and publishing again with the same id only finishes the folder.
"""

import difflib
import getpass
import json
import logging
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Unpack

from adapters import Adapter, files
from adapters.residency import Fetched
from hub import aliases, intake, records, search
from hub.errors import HubError, NoHub, NotInHub, Refused
from hub.index import Index
from hub.names import LATEST, Reference, check_alias, check_name, is_part, parse
from hub.place import place_of
from hub.records import Record
from hub.search import Filters, Found
from hub.store import Store, blob, check, numbered, sha256

FORMAT = 1
_MARKER = "hub.json"
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

    create: make the hub where the folder is missing or empty. Raises HubError where the folder is something else.
    """

    def __init__(self, address: str | os.PathLike[str], create: bool = True) -> None:
        self.place = place_of(address)
        self.address = self.place.address
        self.store = Store(self.place)
        if not self.place.exists(_MARKER):
            self._found(create)
        try:
            about = json.loads(self.place.read(_MARKER))
            self.id, written = str(about["id"]), int(about["format"])
        except (ValueError, KeyError, TypeError) as error:
            raise HubError(
                f"{_MARKER} of {self.address} cannot be read ({error}); restore it from another copy of the hub"
            ) from error
        if written > FORMAT:
            raise HubError(
                f"{self.address} has hub format {written}, this Repertoire reads {FORMAT}; upgrade it"
            )

        self.index = Index(self.store, self.id)

    def publish(
        self,
        source: Adapter | str | os.PathLike[str],
        name: str,
        *,
        tags: Sequence[str] = (),
        message: str = "",
        publish_id: str | None = None,
        publisher: str | None = None,
        force_reason: str | None = None,
    ) -> Version:
        """Store an adapter, or a PEFT directory, as the next version of `name`.

        When this returns, the version is on disk for good. With a `publish_id` of your own it is safe to try again
        after a failure that left you in doubt: the same id gives the same version, however often.

        An adapter that failed its recipe's gates is taken only with a `force_reason`, which the record keeps.

        Raises BadName; Refused with every problem of the adapter or every gate that it failed, before anything is
        written.
        """
        check_name(name)
        adapter, rendered = intake.admit(source)
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
            **records.describe(adapter),
            "forced": forced,
        }
        earlier: list[Record] = []

        def entry(number: int) -> bytes | None:
            if publish_id is not None:
                earlier.extend(r for r in self._records(name) if r.publish_id == publish_id)
            if earlier:
                return None
            return Record.model_validate(
                {**fields, "version": number, "parent": number - 1 or None}
            ).to_bytes()

        number = self.store.append(log(name), entry, {digests[file]: data for file, data in rendered.items()})
        if number is None and earlier[0].file(files.WEIGHTS).sha256 != digests[files.WEIGHTS]:
            raise Refused(
                f"publish id {publish_id!r} already stands for {earlier[0].reference}, which has other weights; "
                "use a new id for a new adapter"
            )
        if (
            number is None
        ):  # found, and not written: whoever wrote it may have died before it was there for good
            self.place.create({numbered(log(name), earlier[0].version): earlier[0].to_bytes()})
        version = self._version(name, number or earlier[0].version)
        try:
            self.project(version)
        except OSError as error:
            _log.warning("%s is published, but its folder could not be made: %s", version.reference, error)
        return version

    def resolve(self, reference: str) -> Version:
        """The version that a reference means now. Raises BadName, NotInHub with near names."""
        return self._resolve(parse(reference))

    def read(self, version: Version | str) -> Adapter:
        """The adapter, parsed from the very bytes whose hashes were checked. Raises Damaged, NotInHub."""
        return self.fetch(version).adapter

    def fetch(self, version: Version | str) -> Fetched:
        """As `read`, with the seconds that reading the bytes and checking them took."""
        record = (self.resolve(version) if isinstance(version, str) else version).record
        digests = [record.file(name).sha256 for name in intake.REQUIRED]
        began = perf_counter()
        found = [self.store.read(digest) for digest in digests]
        read = perf_counter()
        for digest, data in zip(digests, found, strict=True):
            check(digest, data)
        adapter = files.parse(*found)
        return Fetched(adapter, read - began, perf_counter() - read)

    def names(self) -> tuple[str, ...]:
        """All names that have a version, sorted."""
        found = ["adapters"]
        for _ in range(3):
            found = [
                f"{folder}/{part}" for folder in found for part in self.place.folders(folder) if is_part(part)
            ]
        names = (folder.removeprefix("adapters/") for folder in found)
        return tuple(sorted(name for name in names if self._last(name)))

    def versions(self, name: str) -> tuple[Version, ...]:
        """All versions of one name, oldest first. Raises BadName, NotInHub."""
        found = tuple(self._at(record) for record in self._records(check_name(name)))
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
        return search.search(
            self.index, text, filters, lambda *version: self.place.folder(projection(*version))
        )

    def aliases(self, name: str) -> dict[str, int]:
        """Alias -> version, `latest` included. Raises BadName, NotInHub."""
        newest = self._resolve(Reference(check_name(name))).number
        return {**aliases.current(self.store, home(name)), LATEST: newest}

    def set_alias(
        self, name: str, alias: str, version: int, *, why: str = "", who: str | None = None
    ) -> None:
        """Point an alias at a version; what it pointed at before stays in its log. Raises BadName, NotInHub."""
        check_alias(alias)
        self._resolve(Reference(check_name(name), version=version))
        event = aliases.Event(alias, version, who or _user(), _now(), why)
        aliases.set_alias(self.store, home(name), event)

    def project(self, version: Version) -> Path | None:
        """Make the version's PEFT directory again where it is missing. Returns it; None in a remote hub."""
        shown = {file.name: blob(file.sha256) for file in version.record.files}
        self.place.project(projection(version.name, version.number), shown)
        return version.folder

    def _resolve(self, reference: Reference) -> Version:
        name, newest = reference.name, self._last(reference.name)
        number = reference.version
        if number is None:
            number = newest
            if reference.alias != LATEST:
                number = aliases.current(self.store, home(name)).get(reference.alias, 0)
        if not 1 <= number <= newest:
            raise self._missing(reference)
        return self._version(name, number)

    def _missing(self, reference: Reference) -> NotInHub:
        """What to say of a reference that means nothing here, with what there is instead."""
        name, newest = reference.name, self._last(reference.name)
        if newest and reference.version is not None:
            return NotInHub(f"{name} has no version {reference.version}; it has 1 to {newest}")
        if newest:
            known = ", ".join(self.aliases(name))
            return NotInHub(
                f"{name} has no alias {reference.alias!r}; it has {known} and versions 1 to {newest}"
            )
        known_names = self.names()
        if not known_names:
            return NotInHub(
                f"no {name} in {self.address}: the hub is empty; fill it with `repertoire publish`"
            )
        near = difflib.get_close_matches(name, known_names, n=5, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "`repertoire ls` lists what there is"
        return NotInHub(f"no {name} in {self.address}; {hint}")

    def _records(self, name: str) -> tuple[Record, ...]:
        return tuple(self._version(name, number).record for number in self.store.numbers(log(name)))

    def _version(self, name: str, number: int) -> Version:
        data = self.place.read(numbered(log(name), number))
        return self._at(records.from_bytes(data, name, number))

    def _at(self, record: Record) -> Version:
        return Version(record, self.place.folder(projection(record.name, record.version)))

    def _last(self, name: str) -> int:
        return self.store.last(log(name))

    def _found(self, create: bool) -> None:
        if not create:
            raise NoHub(f"no hub at {self.address}; `repertoire publish` makes one, or give the right --hub")
        strangers = {*self.place.files(""), *self.place.folders("")} - {".tmp", _MARKER}
        if strangers:
            raise HubError(f"{self.address} holds other files and no hub.json; give an empty or a new folder")
        about = {"format": FORMAT, "id": uuid.uuid4().hex}
        self.place.create({_MARKER: json.dumps(about, sort_keys=True).encode() + b"\n"})


def home(name: str) -> str:
    """The folder of a name in the hub."""
    return f"adapters/{name}"


def log(name: str) -> str:
    """The log of a name's records."""
    return f"{home(name)}/.records"


def projection(name: str, number: int) -> str:
    """The PEFT directory of a version."""
    return f"{home(name)}/v{number:06d}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run as a user without a name
        return "unknown"
