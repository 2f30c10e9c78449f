"""One version in a hub: its record, and the PEFT directory that shows its files.

adapters/<client>/<campaign>/<task>/v000003/      hard links to the blobs; derived, and made again where it is missing
"""

from dataclasses import dataclass
from pathlib import Path

from hub.catalogue.records import Record
from hub.storage.layout import blob, projection
from hub.storage.storage import Storage


@dataclass(frozen=True)
class Version:
    """One version in a hub.

    Attributes:
        record: what was published, from what, by whom.
        folder: its PEFT directory, for stock PEFT and other tools; None in a remote hub.
    """

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


def version_in(storage: Storage, record: Record) -> Version:
    """The version of a record that lies in this storage."""
    return Version(record, storage.folder(projection(record.name, record.version)))


def project(storage: Storage, record: Record) -> None:
    """Make the PEFT directory of a version where it is missing; nothing happens where files cannot be shown twice."""
    shown = {file.name: blob(file.sha256) for file in record.files}
    storage.project(projection(record.name, record.version), shown)
