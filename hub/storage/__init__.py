"""Where bytes lie: a folder or an object store, paths and names in it, and what is written for good."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from hub.storage.address import open_storage
    from hub.storage.layout import INDEX, alias_log, log, numbered
    from hub.storage.names import Reference, check_name, parse
    from hub.storage.storage import Storage
    from hub.storage.store import Store
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "hub.storage.address": ["open_storage"],
            "hub.storage.layout": ["INDEX", "alias_log", "log", "numbered"],
            "hub.storage.names": ["Reference", "check_name", "parse"],
            "hub.storage.storage": ["Storage"],
            "hub.storage.store": ["Store"],
        },
    )

__all__ = [
    "INDEX",
    "Reference",
    "Storage",
    "Store",
    "alias_log",
    "check_name",
    "log",
    "numbered",
    "open_storage",
    "parse",
]
