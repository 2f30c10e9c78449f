"""What a recipe can say: its sections, how they are read from YAML, and the presets that fill in the rest."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from recipes.options.recipe import Recipe, parse_override, read_policy, read_yaml
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "recipes.options.recipe": ["Recipe", "parse_override", "read_policy", "read_yaml"],
        },
    )

__all__ = [
    "Recipe",
    "parse_override",
    "read_policy",
    "read_yaml",
]
