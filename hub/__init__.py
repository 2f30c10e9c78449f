"""Where do adapters live, and how do people and programs use them by name?"""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from hub.hub import Hub, Version
    from hub.registry import Pending, Registry
    from hub.requests import Analysis, Analyze, Ranked, Recommend, RefusedText, Texts, Write
    from hub.search import Found
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "hub.hub": ["Hub", "Version"],
            "hub.registry": ["Pending", "Registry"],
            "hub.requests": ["Analysis", "Analyze", "Ranked", "Recommend", "RefusedText", "Texts", "Write"],
            "hub.search": ["Found"],
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
