"""Between hubs and other tools: mirrors, and copies in the layouts that others read."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from hub.exchange.conflicts import Conflict
    from hub.exchange.exports import Exported, export, upload
    from hub.exchange.mirrors import Transfer, pull, push, sync
    from hub.exchange.resolver import HubResolver
    from hub.exchange.versioned import Versioned
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "hub.exchange.conflicts": ["Conflict"],
            "hub.exchange.exports": ["Exported", "export", "upload"],
            "hub.exchange.mirrors": ["Transfer", "pull", "push", "sync"],
            "hub.exchange.resolver": ["HubResolver"],
            "hub.exchange.versioned": ["Versioned"],
        },
    )

__all__ = [
    "Conflict",
    "Exported",
    "HubResolver",
    "Transfer",
    "Versioned",
    "export",
    "pull",
    "push",
    "sync",
    "upload",
]
