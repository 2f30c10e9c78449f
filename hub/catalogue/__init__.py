"""What a hub says of its versions: records, aliases, removals, signatures, and finding and comparing them."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from hub.catalogue.aliases import Event
    from hub.catalogue.diff import Change, Difference
    from hub.catalogue.distance import Distance, Distances
    from hub.catalogue.history import Entry
    from hub.catalogue.records import FORMAT, Record
    from hub.catalogue.search import Filters, Found
    from hub.catalogue.signing import PrivateKey, PublicKey, make_keys, read_public_key
    from hub.catalogue.tombstones import Tombstone
    from hub.catalogue.trust import Signature, Trust, load_trust
    from hub.catalogue.version import Version
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "hub.catalogue.aliases": ["Event"],
            "hub.catalogue.diff": ["Change", "Difference"],
            "hub.catalogue.distance": ["Distance", "Distances"],
            "hub.catalogue.history": ["Entry"],
            "hub.catalogue.records": ["FORMAT", "Record"],
            "hub.catalogue.search": ["Filters", "Found"],
            "hub.catalogue.signing": ["PrivateKey", "PublicKey", "make_keys", "read_public_key"],
            "hub.catalogue.tombstones": ["Tombstone"],
            "hub.catalogue.trust": ["Signature", "Trust", "load_trust"],
            "hub.catalogue.version": ["Version"],
        },
    )

__all__ = [
    "FORMAT",
    "Change",
    "Difference",
    "Distance",
    "Distances",
    "Entry",
    "Event",
    "Filters",
    "Found",
    "PrivateKey",
    "PublicKey",
    "Record",
    "Signature",
    "Tombstone",
    "Trust",
    "Version",
    "load_trust",
    "make_keys",
    "read_public_key",
]
