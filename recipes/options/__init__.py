"""What a recipe can say: its sections, how they are read from YAML, and the presets that fill in the rest."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from recipes.options.data import FormatOptions
    from recipes.options.reading import BadYaml, load_block, load_yaml, parse_override, read_yaml
    from recipes.options.write import MOST_DRAFTS, read_policy
    from recipes.options.written import read_format
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "recipes.options.data": ["FormatOptions"],
            "recipes.options.reading": ["BadYaml", "load_block", "load_yaml", "parse_override", "read_yaml"],
            "recipes.options.write": ["MOST_DRAFTS", "read_policy"],
            "recipes.options.written": ["read_format"],
        },
    )

__all__ = [
    "MOST_DRAFTS",
    "BadYaml",
    "FormatOptions",
    "load_block",
    "load_yaml",
    "parse_override",
    "read_format",
    "read_policy",
    "read_yaml",
]
