"""How is an adapter made from a client's data, and is it any good?"""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from recipes.order import Order
    from recipes.recipe import Recipe
    from recipes.run import Settings
    from recipes.training import train, train_many
    from recipes.tuning import Tuned, tune
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "recipes.order": ["Order"],
            "recipes.recipe": ["Recipe"],
            "recipes.run": ["Settings"],
            "recipes.training": ["train", "train_many"],
            "recipes.tuning": ["Tuned", "tune"],
        },
    )

__all__ = ["Order", "Recipe", "Settings", "Tuned", "train", "train_many", "tune"]
