"""What lies in a hub: the few looks that many tests take."""

from adapters.format import WEIGHTS
from hub.hub import Hub
from hub.storage import trash
from tests.hub.tiny import NAME


def weights(hub: Hub, reference: str = f"{NAME}@1") -> str:
    """The hash of a version's weights."""
    return hub.resolve(reference).record.file(WEIGHTS).sha256


def paths(hub: Hub, *below: str) -> set[str]:
    """All files of the hub, or of some of its folders."""
    return {path for folder in below or ("",) for path in hub.storage.walk(folder)}


def blobs(hub: Hub) -> set[str]:
    """Hashes of all blobs in their places."""
    return {path.rsplit("/", 1)[1] for path in paths(hub, "blobs")}


def thrown(hub: Hub) -> list[str]:
    """What lies in the trash: hashes, or names of files."""
    return sorted(entry.what for entry in trash.entries(hub.storage))
