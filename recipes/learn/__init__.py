"""From rows to trained weights: tokens, a job's own state, and passes that all jobs share."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from recipes.learn.encode import count_tokens, encode_prompt, encode_texts, token_limit
    from recipes.learn.fused import Fused
    from recipes.learn.likelihood import text_losses
    from recipes.learn.parallel import Processes
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "recipes.learn.encode": ["count_tokens", "encode_prompt", "encode_texts", "token_limit"],
            "recipes.learn.fused": ["Fused"],
            "recipes.learn.likelihood": ["text_losses"],
            "recipes.learn.parallel": ["Processes"],
        },
    )

__all__ = [
    "Fused",
    "Processes",
    "count_tokens",
    "encode_prompt",
    "encode_texts",
    "text_losses",
    "token_limit",
]
