"""What makes a folder a hub: one file that says its format and its id.

hub.json      {"format": 1, "id": "9f86d081...", "origin": "s3://agency/hub"}      origin: of a mirror only
"""

import json
import uuid
from dataclasses import dataclass

from hub.errors import HubError, NoHub
from hub.storage.layout import ADAPTERS, MARKER
from hub.storage.storage import NO_FILE, Storage

FORMAT = 1


@dataclass(frozen=True)
class Marker:
    """What the file says. id: of this hub, never of another. origin: the address of the hub that it was made to
    mirror."""

    id: str
    origin: str | None


def open_marker(storage: Storage, create: bool, origin: str | None = None) -> Marker:
    """The marker of a hub, which is made where there is room for one.

    Args:
        storage: where the hub lies, or is to lie.
        create: make the hub where nothing is there yet.
        origin: noted in a hub that is made.

    Raises:
        NoHub: where there is none and it is not to be made.
        HubError: where other files lie, the marker cannot be read, or a newer Repertoire wrote it.
    """
    if not storage.exists(MARKER):
        _found(storage, create, origin)
    try:
        about = json.loads(storage.read(MARKER))
        marker, written = Marker(str(about["id"]), about.get("origin")), int(about["format"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, OSError) and error.errno not in NO_FILE:
            raise
        raise HubError(
            f"{MARKER} of {storage.address} cannot be read ({error}); restore it from another copy of the hub"
        ) from error
    if written > FORMAT:
        raise HubError(
            f"{storage.address} has hub format {written}, this Repertoire reads {FORMAT}; upgrade it"
        )
    return marker


def _found(storage: Storage, create: bool, origin: str | None) -> None:
    strangers = {*storage.files(""), *storage.folders("")} - {".tmp", MARKER}
    if ADAPTERS in strangers and not storage.exists(MARKER):
        raise NoHub(
            f"{storage.address} lost its {MARKER}, though {ADAPTERS}/ of a hub is there; bring it back from another "
            "copy of the hub"
        )
    if not create:
        makes = "" if strangers else "`repertoire publish` makes one, or "
        why = ", where other files lie" if strangers else ""
        raise NoHub(f"no hub at {storage.address}{why}; {makes}give the right --hub")
    if strangers and not storage.exists(MARKER):  # another process may have made it meanwhile
        raise HubError(f"{storage.address} holds other files and no hub.json; give an empty or a new folder")
    about = {"format": FORMAT, "id": uuid.uuid4().hex} | ({"origin": origin} if origin else {})
    storage.create({MARKER: json.dumps(about, sort_keys=True).encode() + b"\n"})
