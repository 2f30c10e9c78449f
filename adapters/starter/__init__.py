"""The small base that ships with the package, and the made-up market that it was trained on."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from adapters.starter.clients import TASTES, client_data, same_ads
    from adapters.starter.world import User, ad_line, best_auc, make_product, make_user
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "adapters.starter.clients": ["TASTES", "client_data", "same_ads"],
            "adapters.starter.world": ["User", "ad_line", "best_auc", "make_user", "make_product"],
        },
    )

__all__ = [
    "TASTES",
    "User",
    "ad_line",
    "best_auc",
    "client_data",
    "make_product",
    "make_user",
    "same_ads",
]
