"""Where do adapters live, and how do people and programs use them by name?"""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from hub.catalogue.search import Filters, Found
    from hub.catalogue.signing import PrivateKey, make_keys
    from hub.catalogue.trust import Trust, load_trust
    from hub.catalogue.version import Version
    from hub.errors import (
        BadFeedback,
        BadKey,
        BadName,
        BadSearch,
        BadTrust,
        Damaged,
        FeedbackError,
        HubError,
        Moved,
        NoHub,
        NotInHub,
        Refused,
        Unreachable,
        Untrusted,
    )
    from hub.exchange.exports import export
    from hub.exchange.mirrors import pull, push, sync
    from hub.feedback.events import Outcome
    from hub.feedback.log import Feedback
    from hub.feedback.loop import Loop
    from hub.feedback.recording import Logged
    from hub.feedback.taking import Taken
    from hub.hub import Hub
    from hub.intake.declared import Declared
    from hub.placement.choosing import Choosing
    from hub.placement.placer import Offer, PlacedAd, Placer
    from hub.registry.pending import Pending
    from hub.registry.registry import Registry
    from hub.registry.requests import (
        Analysis,
        Analyze,
        Embed,
        Embedding,
        Ranked,
        Recommend,
        RefusedText,
        Texts,
        Write,
    )
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "hub.catalogue.search": ["Filters", "Found"],
            "hub.catalogue.signing": ["PrivateKey", "make_keys"],
            "hub.catalogue.trust": ["Trust", "load_trust"],
            "hub.catalogue.version": ["Version"],
            "hub.errors": [
                "BadFeedback",
                "BadKey",
                "BadName",
                "BadSearch",
                "BadTrust",
                "Damaged",
                "FeedbackError",
                "HubError",
                "Moved",
                "NoHub",
                "NotInHub",
                "Refused",
                "Unreachable",
                "Untrusted",
            ],
            "hub.exchange.exports": ["export"],
            "hub.exchange.mirrors": ["pull", "push", "sync"],
            "hub.feedback.events": ["Outcome"],
            "hub.feedback.log": ["Feedback"],
            "hub.feedback.loop": ["Loop"],
            "hub.feedback.recording": ["Logged"],
            "hub.feedback.taking": ["Taken"],
            "hub.hub": ["Hub"],
            "hub.intake.declared": ["Declared"],
            "hub.placement.choosing": ["Choosing"],
            "hub.placement.placer": ["Offer", "PlacedAd", "Placer"],
            "hub.registry.pending": ["Pending"],
            "hub.registry.registry": ["Registry"],
            "hub.registry.requests": [
                "Analysis",
                "Analyze",
                "Embed",
                "Embedding",
                "Ranked",
                "Recommend",
                "RefusedText",
                "Texts",
                "Write",
            ],
        },
    )

__all__ = [
    "Analysis",
    "Analyze",
    "BadFeedback",
    "BadKey",
    "BadName",
    "BadSearch",
    "BadTrust",
    "Choosing",
    "Damaged",
    "Declared",
    "Embed",
    "Embedding",
    "Feedback",
    "FeedbackError",
    "Filters",
    "Found",
    "Hub",
    "HubError",
    "Logged",
    "Loop",
    "Moved",
    "NoHub",
    "NotInHub",
    "Offer",
    "Outcome",
    "Pending",
    "PlacedAd",
    "Placer",
    "PrivateKey",
    "Ranked",
    "Recommend",
    "Refused",
    "RefusedText",
    "Registry",
    "Taken",
    "Texts",
    "Trust",
    "Unreachable",
    "Untrusted",
    "Version",
    "Write",
    "export",
    "load_trust",
    "make_keys",
    "pull",
    "push",
    "sync",
]
