"""How is an adapter made from a client's data, and is it any good?"""

from recipes.recipe import Recipe
from recipes.train import Order, Settings, train, train_many

__all__ = ["Order", "Recipe", "Settings", "train", "train_many"]
