"""What may enter a hub, from where, what is told of it on the way, and the commit that makes it a version."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from hub.intake.admission import check
    from hub.intake.declared import Declared
    from hub.intake.folders import read_folder
    from hub.intake.huggingface import Download, Uploaded, fetch, is_address
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "hub.intake.admission": ["check"],
            "hub.intake.declared": ["Declared"],
            "hub.intake.folders": ["read_folder"],
            "hub.intake.huggingface": ["Download", "Uploaded", "fetch", "is_address"],
        },
    )

__all__ = [
    "Declared",
    "Download",
    "Uploaded",
    "check",
    "fetch",
    "is_address",
    "read_folder",
]
