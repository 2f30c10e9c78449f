"""Placement: which ads to show now, and what another way of choosing would have brought."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from hub.placement.choosing import Choosing
    from hub.placement.off_policy import Estimate, Evaluated, PolicyLog, evaluate, read_logs
    from hub.placement.placer import Offer, PlacedAd, Placer
    from hub.registry.explaining import Explaining, explain
    from hub.registry.requests import Explained, Influence
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "hub.placement.choosing": ["Choosing"],
            "hub.placement.off_policy": ["Estimate", "Evaluated", "PolicyLog", "evaluate", "read_logs"],
            "hub.placement.placer": ["Offer", "PlacedAd", "Placer"],
            "hub.registry.explaining": ["Explaining", "explain"],
            "hub.registry.requests": ["Explained", "Influence"],
        },
    )

__all__ = [
    "Choosing",
    "Estimate",
    "Evaluated",
    "Explained",
    "Explaining",
    "Influence",
    "Offer",
    "PlacedAd",
    "Placer",
    "PolicyLog",
    "evaluate",
    "explain",
    "read_logs",
]
