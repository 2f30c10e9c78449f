"""What a hub says of its versions: records, aliases, removals, signatures, and finding them again."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from hub.catalogue.index import FILE
    from hub.catalogue.records import FORMAT, Record
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "hub.catalogue.index": ["FILE"],
            "hub.catalogue.records": ["FORMAT", "Record"],
        },
    )

__all__ = [
    "FILE",
    "FORMAT",
    "Record",
]
