"""How is an adapter made from a client's data, and is it any good?"""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from recipes.recipe import Recipe
    from recipes.runs.order import Order
    from recipes.runs.run import Settings
    from recipes.runs.training import train, train_many
    from recipes.runs.tuning import Tuned, tune
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "recipes.runs.order": ["Order"],
            "recipes.recipe": ["Recipe"],
            "recipes.runs.run": ["Settings"],
            "recipes.runs.training": ["train", "train_many"],
            "recipes.runs.tuning": ["Tuned", "tune"],
        },
    )

__all__ = ["Order", "Recipe", "Settings", "Tuned", "train", "train_many", "tune"]
