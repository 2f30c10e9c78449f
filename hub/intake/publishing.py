"""Publishing: the next version of a name, from an adapter that passed the door.

    1  admission     all that is wrong is told, before anything is written; the weights may be written meanwhile
    2  pin           no collector takes the blobs away
    3  blobs         those that are missing
    4  record        linked under the next free number: the commit point
    5  folder, signature

Stopped before the record, the version never was; stopped after it, it is whole, and publishing again with the same id
only finishes the folder. The record is made anew for each number that another publisher was faster to take.
"""

import logging
import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from adapters.format import WEIGHTS, Bytes
from hub.catalogue import numbering, provenance, records, resolving, signing, tombstones
from hub.catalogue.publish_ids import PublishIds
from hub.catalogue.records import Record
from hub.catalogue.version import Version, project, version_in
from hub.errors import Refused
from hub.intake import admission, huggingface
from hub.intake.words import check_words
from hub.storage.layout import log, numbered
from hub.storage.names import check_name
from hub.storage.numbers import Numbers
from hub.storage.store import Store, sha256

if TYPE_CHECKING:
    from adapters import Adapter, Base
    from adapters.format import Shape
    from hub.catalogue.signing import PrivateKey
    from hub.intake.declared import Declared
    from hub.intake.huggingface import Download

_log = logging.getLogger(__name__)


def publish(
    store: Store,
    source: "Adapter | Download | str | os.PathLike[str]",
    name: str,
    *,
    base: "Base | Shape | None" = None,
    tags: Sequence[str] = (),
    message: str = "",
    publish_id: str | None = None,
    publisher: str | None = None,
    force_reason: str | None = None,
    key: "PrivateKey | None" = None,
    declared: "Declared | None" = None,
) -> Version:
    """Store an adapter as the next version of `name`; everything else as `Hub.publish` says."""
    check_name(name)
    check_words(message, tags, publisher, force_reason, publish_id)
    if huggingface.is_address(source):
        source = huggingface.fetch(str(source))
    with ExitStack() as early:
        adapter, rendered, told = admission.admit(
            source, base, lambda data: early.enter_context(store.storage.begun(data)), declared
        )
        forced = admission.pass_gates(adapter, force_reason)
        digests = {file: sha256(data) for file, data in rendered.items()}
        contents = {digests[file]: data for file, data in rendered.items()}
        told = {
            "publisher": publisher or provenance.user(),
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
        draft = _Draft(store, name, publish_id, digests, told)
        number = store.append(log(name), draft.entry, contents, partial(numbering.look, store, name))
        if number is None:
            number = draft.finish(contents)
    record = resolving.record_of(store, name, number)
    try:
        project(store.storage, record)
    except OSError as error:
        _log.warning("%s is published, but its folder could not be made: %s", record.reference, error)
    if here := told["servable_by"].get("repertoire"):
        _log.warning("%s: %s", record.reference, "; ".join([*here["why_not"], *here["notes"]]))
    if key is not None:
        signing.sign(store.storage, name, number, draft.vouched(record), key)
    return version_in(store.storage, record)


class _Draft:
    """The record of a publication whose number is not known yet.

    digests: file name -> sha256. told: what it says beside its name, number and id. _earlier: the record that its id
    stands for, once it was found. _written: the bytes that were last offered to the log.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        publish_id: str | None,
        digests: Mapping[str, str],
        told: Mapping[str, Any],
    ) -> None:
        self._store, self._name, self._publish_id, self._digests = store, name, publish_id, digests
        self._fields = {
            "format": records.FORMAT,
            "name": name,
            "publish_id": publish_id or uuid.uuid4().hex,
            "created": provenance.now(),
            **told,
        }
        self._ids = PublishIds(store, name)
        self._earlier: Record | None = None
        self._written = b""

    def entry(self, there: Numbers) -> bytes | None:
        """The record under the next number; None where the publication was done before."""
        number = there.next
        if self._publish_id is not None:
            self._earlier = self._ids.find(self._publish_id, there.entries)
        if self._earlier is not None:
            return None
        tombstones.find(
            self._store, self._name, number
        )  # where that cannot be told, nobody could have the version
        numbering.bury_beside(self._store, self._name, there)
        record = Record.model_validate({**self._fields, "version": number, "parent": number - 1 or None})
        self._written = record.to_bytes()
        return self._written

    def finish(self, contents: Mapping[str, Bytes]) -> int:
        """Store again what an earlier publication with this id stored: whoever wrote it may have died before it was
        there for good. Returns its number. Raises Refused where it is something else, or was removed."""
        earlier = self._earlier
        assert earlier is not None
        tombstone = tombstones.find(self._store, earlier.name, earlier.version)
        if tombstone is not None:
            raise Refused(
                f"publish id {self._publish_id!r} stands for {earlier.reference}, which was {tombstone}; "
                "use a new id to publish the adapter again"
            )
        if earlier.file(WEIGHTS).sha256 != self._digests[WEIGHTS]:
            raise Refused(
                f"publish id {self._publish_id!r} already stands for {earlier.reference}, which has other weights; "
                "use a new id for a new adapter"
            )
        self._store.keep(contents)
        self._store.storage.create({numbered(log(self._name), earlier.version): earlier.to_bytes()})
        return earlier.version

    def vouched(self, record: Record) -> bytes:
        """The bytes of the record that the publisher vouches for: those that were written here, whatever the hub says
        that it holds. Raises Refused where the id stands for other files."""
        if self._earlier is None:
            return self._written
        if {file.name: file.sha256 for file in record.files} != self._digests:
            raise Refused(
                f"{record.reference}, for which publish id {self._publish_id!r} stands, has other files, so that it "
                f"was not signed; look at it, and sign it with `repertoire sign {record.reference}`"
            )
        return bytes(self._store.storage.read(numbered(log(self._name), record.version)))
