"""Names to answers: a hub, one base and its runtime behind a few calls."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from hub.registry.following import Following
    from hub.registry.held import Held
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "hub.registry.following": ["Following"],
            "hub.registry.held": ["Held"],
        },
    )

__all__ = [
    "Following",
    "Held",
]
