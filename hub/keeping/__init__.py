"""Keeping a hub sound: looking for damage, mending it, and taking away what nobody needs."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from hub.keeping.collect import Collected, Waiting
    from hub.keeping.findings import Finding
    from hub.keeping.purge import Purged
    from hub.keeping.repair import Repaired
    from hub.keeping.verify import Verified
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "hub.keeping.collect": ["Collected", "Waiting"],
            "hub.keeping.findings": ["Finding"],
            "hub.keeping.purge": ["Purged"],
            "hub.keeping.repair": ["Repaired"],
            "hub.keeping.verify": ["Verified"],
        },
    )

__all__ = [
    "Collected",
    "Finding",
    "Purged",
    "Repaired",
    "Verified",
    "Waiting",
]
