"""The small base that ships with the package, and the made-up market that it was trained on."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from adapters.starter.clients import client_data, same_ads
    from adapters.starter.world import best_auc
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "adapters.starter.clients": ["client_data", "same_ads"],
            "adapters.starter.world": ["best_auc"],
        },
    )

__all__ = [
    "best_auc",
    "client_data",
    "same_ads",
]
