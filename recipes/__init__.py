"""How is an adapter made from a client's data, and is it any good?"""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from recipes.errors import DataError, Problem, RecipeError, TrainingError
    from recipes.recipe import Recipe
    from recipes.runs.order import Order
    from recipes.runs.run import Settings
    from recipes.runs.search import Tuned
    from recipes.runs.training import train, train_many
    from recipes.runs.tuning import tune
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "recipes.errors": ["DataError", "Problem", "RecipeError", "TrainingError"],
            "recipes.recipe": ["Recipe"],
            "recipes.runs.order": ["Order"],
            "recipes.runs.run": ["Settings"],
            "recipes.runs.search": ["Tuned"],
            "recipes.runs.training": ["train", "train_many"],
            "recipes.runs.tuning": ["tune"],
        },
    )

__all__ = [
    "DataError",
    "Order",
    "Problem",
    "Recipe",
    "RecipeError",
    "Settings",
    "TrainingError",
    "Tuned",
    "train",
    "train_many",
    "tune",
]
