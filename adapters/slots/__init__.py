"""Adapters on the base: which weights lie in which slot, which row uses which slot, and the one forward over all of
them.
"""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from adapters.slots.adalora_terms import triplets
    from adapters.slots.fit import Shape, check_fit, load_shape
    from adapters.slots.forward_pass import Hidden, Tokens, forward, pad
    from adapters.slots.heads import pooled
    from adapters.slots.lora import Layout, Term
    from adapters.slots.packed import check_base, pack
    from adapters.slots.rows import Rows, join
    from adapters.slots.slots import Slots
    from adapters.slots.trained import LORA, VALUES, Trained
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "adapters.slots.adalora_terms": ["triplets"],
            "adapters.slots.fit": ["Shape", "check_fit", "load_shape"],
            "adapters.slots.forward_pass": ["Hidden", "Tokens", "forward", "pad"],
            "adapters.slots.heads": ["pooled"],
            "adapters.slots.lora": ["Layout", "Term"],
            "adapters.slots.packed": ["check_base", "pack"],
            "adapters.slots.rows": ["Rows", "join"],
            "adapters.slots.slots": ["Slots"],
            "adapters.slots.trained": ["LORA", "Trained", "VALUES"],
        },
    )

__all__ = [
    "LORA",
    "VALUES",
    "Hidden",
    "Layout",
    "Rows",
    "Shape",
    "Slots",
    "Term",
    "Tokens",
    "Trained",
    "check_base",
    "check_fit",
    "forward",
    "join",
    "load_shape",
    "pack",
    "pad",
    "pooled",
    "triplets",
]
