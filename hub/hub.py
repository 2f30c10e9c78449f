"""The hub: a directory in which adapters live under names, in versions that never change.

What lies where is drawn in `storage/layout.py`; how a version comes to be, and how a killed publication is made safe,
stands in `intake/publishing.py`; what a reference means, in `catalogue/resolving.py`.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Unpack

from hub.catalogue import aliases, history, numbering, records, removal, resolving, search, signing
from hub.catalogue.index import Index
from hub.catalogue.search import Filters, Found
from hub.catalogue.signing import PrivateKey
from hub.catalogue.tombstones import Tombstone
from hub.catalogue.trust import Signature, Trust, check_signed, signatures, trust_for
from hub.catalogue.version import Version, project, version_in
from hub.storage import listing
from hub.storage.address import open_storage
from hub.storage.layout import log, numbered
from hub.storage.marker import open_marker
from hub.storage.names import LATEST, Reference, check_alias, check_name, parse
from hub.storage.store import Store, parsed
from hub.storage.trash import GRACE

if TYPE_CHECKING:
    from adapters import Adapter, Base
    from adapters.format import Shape
    from adapters.serving import Fetched
    from hub.catalogue.diff import Difference
    from hub.catalogue.records import Record
    from hub.intake.declared import Declared
    from hub.intake.huggingface import Download
    from hub.keeping.collect import Collected
    from hub.keeping.purge import Purged
    from hub.keeping.repair import Repaired
    from hub.keeping.verify import Verified

_Told = Callable[[int, int], None]


class Hub:
    """A hub directory. Many processes may read and publish at once; none of them takes a lock.

    Args:
        address: a folder, `s3://bucket/path` or `gs://bucket/path`.
        create: make the hub where nothing is there, or an empty folder.
        origin: the address of another hub, noted in one that is made to mirror it.
        trust: a trust file, or one that was read: which clients' adapters are loaded only when signed (see
            `catalogue/trust.py`); None is the file that REPERTOIRE_TRUST names.

    Attributes:
        address: as a person names it.
        id: of this hub, never of another.
        origin: the hub that it was made to mirror, None for others.
        trust: the trust file that holds for this reader, None where nothing is asked.
        storage, store, index: where its files lie; its blobs and logs there; what searches read.

    Raises:
        HubError: where something else lies there, or a newer Repertoire wrote it.
        NoHub: where nothing is there and `create` is False.
        Unreachable: where an object store does not answer.
        BadTrust: for a trust file that is wrong.
    """

    def __init__(
        self,
        address: str | os.PathLike[str],
        create: bool = True,
        origin: str | None = None,
        trust: Trust | str | os.PathLike[str] | None = None,
    ) -> None:
        self.storage = open_storage(address)
        self.address = self.storage.address
        self.store = Store(self.storage)
        self.trust = trust_for(trust)
        marker = open_marker(self.storage, create, origin)
        self.id, self.origin = marker.id, marker.origin
        self.index = Index(self.store, self.id)

    # Publish and read

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
        declared: "Declared | None" = None,
    ) -> Version:
        """Store an adapter as the next version of `name`. When this returns, it is on disk for good.

        Args:
            source: an adapter, a PEFT directory, or `hf://owner/repo[@revision][/folder]`.
            name: `client/campaign/task`.
            base: what the adapter must fit, by every name and shape: a loaded base, or
                `adapters.base.load_shape(...)`, for which the base's configuration is enough.
            tags: words to find it by.
            message: what is new in it, in a sentence.
            publish_id: an id of your own, with which it is safe to try again after a failure that left you in doubt:
                the same id gives the same version, however often.
            publisher: who publishes; the user of this process unless given.
            force_reason: why an adapter that failed its recipe's gates is taken all the same; the record keeps it.
            key: sign the version too, as it was written here, whatever the hub says that it holds.
            declared: what an adapter of another tool does not say itself, such as its task.

        Raises:
            BadName: for a name or an address that the grammar does not allow.
            Refused: with every problem of the adapter, or every gate that it failed, before anything is written.
        """
        from hub.intake import publishing

        return publishing.publish(
            self.store,
            source,
            name,
            base=base,
            tags=tags,
            message=message,
            publish_id=publish_id,
            publisher=publisher,
            force_reason=force_reason,
            key=key,
            declared=declared,
        )

    def resolve(self, reference: str) -> Version:
        """The version that a reference means now.

        Args:
            reference: `name`, `name@3` or `name@production`.

        Raises:
            BadName: for what is no reference.
            NotInHub: for one that means nothing here, with near names.
        """
        return self._at(resolving.resolve(self.store, parse(reference)))

    def read(self, version: Version | str) -> "Adapter":
        """The adapter, parsed from the very bytes whose hashes were checked.

        Raises:
            Damaged: where stored bytes are not those that were published.
            NotInHub: as `resolve`.
            Untrusted: where a trust file asks for a signature that the version does not have.
        """
        return self.fetch(version).adapter

    def fetch(self, version: Version | str) -> "Fetched":
        """As `read`, with the seconds that reading the bytes and checking them took."""
        from adapters.format import parse as read_adapter
        from adapters.serving import Fetched
        from hub.intake.allowed import REQUIRED

        version = self._version(version)
        self.check_signed(version)
        files = [version.record.file(name) for name in REQUIRED]
        began = perf_counter()
        found = [self.store.read(file.sha256, file.most) for file in files]
        read = perf_counter()
        adapter = parsed(dict(zip((file.sha256 for file in files), found, strict=True)), read_adapter)
        return Fetched(adapter, read - began, perf_counter() - read)

    def project(self, version: Version) -> Path | None:
        """Make the version's PEFT directory where it is missing. Returns it; None in a remote hub."""
        project(self.storage, version.record)
        return version.folder

    # Signatures

    def sign(self, reference: str, key: PrivateKey) -> Version:
        """Sign a version, after its files were read and found to be those that its record names: from then on the
        holder of the key vouches for them. Raises BadName, NotInHub, Damaged."""
        version = self.resolve(reference)
        data = bytes(self.storage.read(numbered(log(version.name), version.number)))
        version = self._at(records.from_bytes(data, version.name, version.number))
        for file in version.record.files:
            self.store.get(file.sha256, file.most)
        signing.sign(self.storage, version.name, version.number, data, key)
        return version

    def signatures(self, version: Version | str) -> list[Signature]:
        """Who signed a version, and whether it counts for the clients' keys in this hub's trust file."""
        return signatures(self.storage, self._version(version).record, self.trust)

    def check_signed(self, version: Version) -> None:
        """Raise Untrusted where the trust file asks for a signature that this version does not have."""
        if self.trust is not None:
            check_signed(self.storage, version.record, self.trust)

    # Find

    def names(self) -> tuple[str, ...]:
        """All names that have a version, sorted."""
        found = sorted(listing.names(self.storage))
        return tuple(name for name in found if numbering.standing(self.store, name))

    def versions(self, name: str, limit: int | None = None, before: int | None = None) -> tuple[Version, ...]:
        """All versions of one name, oldest first, or the newest `limit` of those `before` a number. Raises NotInHub."""
        return tuple(map(self._at, resolving.versions(self.store, check_name(name), limit, before)))

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
        """The versions that fit and have all words of `text` in their name or message, read from the index. A version
        that was acknowledged before this is called is never missing.

        Args:
            text: words, whatever their case; none fits everything.
            **filters: as `hub.Filters` says: `client`, `metric`, `alias`, `sort`, `limit` ...

        Raises:
            BadSearch: for a filter or an order that cannot be read.
        """
        return search.search(self.index, text, filters, self.storage.folder(""))

    def diff(self, a: str, b: str) -> "Difference":
        """What is different between two versions: how they were made, how they measured, and their weights.

        Raises BadName, NotInHub, Damaged, Untrusted.
        """
        from hub.catalogue.diff import compare

        one, other = self.resolve(a), self.resolve(b)
        return compare(one.record, self.read(one), other.record, self.read(other))

    # Aliases

    def aliases(self, name: str) -> dict[str, int]:
        """Alias -> version, `latest` included. Raises BadName, NotInHub."""
        newest = self._resolve(Reference(check_name(name))).version
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

        Args:
            name: `client/campaign/task`.
            alias: such as `production`.
            version: its number.
            why: kept in the log.
            who: kept in the log; the user of this process unless given.
            expect: the version that the alias must mean until now, 0 for none, where another operator may be at work.

        Raises:
            Moved: where the alias means another version than was expected; nothing was changed.
            BadName: for what the grammar does not allow.
            NotInHub: for a version that is not there.
        """
        check_alias(alias)
        self._resolve(Reference(check_name(name), version=version))
        aliases.record(self.store, name, aliases.event(alias, version, who, why), expect)

    def remove_alias(
        self, name: str, alias: str, *, why: str = "", who: str | None = None, expect: int | None = None
    ) -> None:
        """Let an alias mean nothing, until it is set or rolled back. Arguments and errors as of `set_alias`."""
        check_name(name)
        aliases.record(self.store, name, aliases.event(check_alias(alias), None, who, why), expect)

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
        """Let an alias mean again what it meant before, a step further back with every rollback, as undo does. How
        "before" is counted stands in `catalogue/aliases.py`.

        Args:
            to: a version that the alias meant at any time, instead of the one before.
            name: as of `set_alias`.
            alias: as of `set_alias`.
            why: kept in the log.
            who: kept in the log; the user of this process, unless given.
            expect: as of `set_alias`. Without it too, of two rollbacks at the same moment only one succeeds.

        Returns:
            The version that the alias means now.

        Raises:
            Moved: where somebody else moved the alias; nothing was changed.
            BadName: for what the grammar does not allow.
            NotInHub: where there is nothing to go back to.
        """
        resolving.check_known(self.store, check_name(name), [check_alias(alias)])
        if to is not None:
            self._resolve(Reference(name, version=to))
        event = aliases.event(alias, None, who, why)
        stands = partial(resolving.stands, self.store, name)
        back = aliases.roll_back(self.store, name, event, to, expect, stands)
        return self._at(self._resolve(Reference(name, version=back.version)))

    def history(
        self, name: str, alias: str | None = None, limit: int | None = None
    ) -> tuple[history.Entry, ...]:
        """What happened to a name, oldest first: publications, removals, and the changes of its aliases, or of one of
        them; all, or the last `limit`. Raises BadName, NotInHub, Damaged."""
        wanted = aliases.known(self.store, check_name(name)) if alias is None else [check_alias(alias)]
        resolving.check_known(self.store, name, wanted)
        return history.of(self.store, name, resolving.published(self.store, name, limit), wanted, limit)

    # Keep in order

    def remove(
        self, reference: str, *, why: str = "", who: str | None = None, dry_run: bool = False
    ) -> Tombstone:
        """Remove one version: no reference leads to it any more. Its number is not used again.

        Args:
            reference: `name@3`, with a number.
            why: kept in the tombstone.
            who: kept in the tombstone; the user of this process, unless given.
            dry_run: only look whether it may be.

        Raises:
            BadName: for a reference without a number.
            NotInHub: where there is no such version.
            Refused: where an alias points at it.
        """
        return removal.remove(self.store, reference, why, who, dry_run)

    def verify(self, target: str = "", told: _Told | None = None) -> "Verified":
        """Look at every file of the hub, and tell all that is not as it should be; see `keeping/verify.py`.

        Args:
            target: a client, `client/campaign` or a name, to look at what belongs to it alone.
            told: called with the bytes read so far, and all that will be.

        Raises:
            NotInHub: where there is no such target.
        """
        from hub.keeping.verify import verify

        return verify(self.store, target, told)

    def repair(
        self, dry_run: bool = False, told: _Told | None = None, other: "Hub | None" = None
    ) -> "Repaired":
        """Mend what `verify` finds, as far as this hub, and the blobs of another, allow; see `keeping/repair.py`."""
        from hub.keeping.repair import repair

        return repair(self.store, dry_run, told, other.store if other else None)

    def collect(
        self, grace: float = GRACE, dry_run: bool = False, told: Callable[[str], None] | None = None
    ) -> "Collected":
        """Take away blobs that nothing needs, once `grace` seconds are over; see `keeping/collect.py`. Raises Damaged
        where a record cannot be read, before anything is touched."""
        from hub.keeping.collect import collect

        return collect(self.store, grace, dry_run, told)

    def purge(self, client: str, dry_run: bool = False) -> "Purged":
        """Erase all of one client's in the hub, and look what is left; `hub.feedback.purge_feedback`
        does so in its log. Raises BadName, Damaged, and HubError where the client goes on publishing."""
        from hub.keeping.purge import purge

        return purge(self.store, client, dry_run)

    def _resolve(self, reference: Reference) -> "Record":
        return resolving.resolve(self.store, reference)

    def _version(self, version: Version | str) -> Version:
        return self.resolve(version) if isinstance(version, str) else version

    def _at(self, record: "Record") -> Version:
        return version_in(self.storage, record)
