"""Where do adapters live, and how do people and programs use them by name?"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.hub import Hub, Version
    from hub.registry import Pending, Registry
    from hub.requests import Analysis, Analyze, Ranked, Recommend, RefusedText, Texts, Write
    from hub.search import Found

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
_HOMES = {
    "Found": "hub.search",
    "Hub": "hub.hub",
    "Version": "hub.hub",
    "Pending": "hub.registry",
    "Registry": "hub.registry",
}


def __getattr__(name: str) -> Any:
    """Public names load on first use, so that the command line helps, and doctor runs, before torch is imported."""
    if name not in __all__:
        raise AttributeError(f"module 'hub' has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "hub.requests")), name)
