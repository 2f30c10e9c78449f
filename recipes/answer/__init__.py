"""How a trained adapter answers: columns to tokens, logits to probabilities, the baseline that travels along, and which
of several drafts is given."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from recipes.answer.blend import Blend
    from recipes.answer.drafts import chosen, draws, seeded, warm
    from recipes.answer.from_files import empty_cells, filled_roles, read_columns
    from recipes.answer.voice import Reading, Voice
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "recipes.answer.blend": ["Blend"],
            "recipes.answer.drafts": ["chosen", "draws", "seeded", "warm"],
            "recipes.answer.from_files": ["empty_cells", "filled_roles", "read_columns"],
            "recipes.answer.voice": ["Reading", "Voice"],
        },
    )

__all__ = [
    "Blend",
    "Reading",
    "Voice",
    "chosen",
    "draws",
    "empty_cells",
    "filled_roles",
    "read_columns",
    "seeded",
    "warm",
]
