"""How is an adapter made from a client's data, and is it any good?"""

from recipes.recipe import Recipe
from recipes.train import Order, Settings, train, train_many
from recipes.tune import Tuned, tune

__all__ = ["Order", "Recipe", "Settings", "Tuned", "train", "train_many", "tune"]
