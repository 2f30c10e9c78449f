"""Requests in, answers out: which rows run in which turn, where their adapters are meanwhile, and the writing of
texts.
"""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from adapters.serving.chances import Chance
    from adapters.serving.counters import Counters
    from adapters.serving.generate import write
    from adapters.serving.limits import Limits
    from adapters.serving.request import Completion, Request, Ticket
    from adapters.serving.residency import Fetched
    from adapters.serving.resident import Resident
    from adapters.serving.runtime import Runtime
    from adapters.serving.sampling import Guide, Sampling
    from adapters.serving.text import Piece
    from adapters.serving.writing import Writing
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "adapters.serving.chances": ["Chance"],
            "adapters.serving.counters": ["Counters"],
            "adapters.serving.generate": ["write"],
            "adapters.serving.limits": ["Limits"],
            "adapters.serving.request": ["Completion", "Request", "Ticket"],
            "adapters.serving.residency": ["Fetched"],
            "adapters.serving.resident": ["Resident"],
            "adapters.serving.runtime": ["Runtime"],
            "adapters.serving.sampling": ["Guide", "Sampling"],
            "adapters.serving.text": ["Piece"],
            "adapters.serving.writing": ["Writing"],
        },
    )

__all__ = [
    "Chance",
    "Completion",
    "Counters",
    "Fetched",
    "Guide",
    "Limits",
    "Piece",
    "Request",
    "Resident",
    "Runtime",
    "Sampling",
    "Ticket",
    "Writing",
    "write",
]
