"""Where bytes lie: a folder or an object store, paths and names in it, and what is written for good."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from hub.storage.layout import alias_log, log, numbered
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "hub.storage.layout": ["alias_log", "log", "numbered"],
        },
    )

__all__ = [
    "alias_log",
    "log",
    "numbered",
]
