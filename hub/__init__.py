"""Where do adapters live, and how do people and programs use them by name?"""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from hub.catalogue.search import Found
    from hub.hub import Hub, Version
    from hub.registry.registry import Pending, Registry
    from hub.registry.requests import Analysis, Analyze, Ranked, Recommend, RefusedText, Texts, Write
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "hub.hub": ["Hub", "Version"],
            "hub.registry.registry": ["Pending", "Registry"],
            "hub.registry.requests": [
                "Analysis",
                "Analyze",
                "Ranked",
                "Recommend",
                "RefusedText",
                "Texts",
                "Write",
            ],
            "hub.catalogue.search": ["Found"],
        },
    )

__all__ = [
    "Analysis",
    "Analyze",
    "Found",
    "Hub",
    "Pending",
    "Ranked",
    "Recommend",
    "RefusedText",
    "Registry",
    "Texts",
    "Version",
    "Write",
]
