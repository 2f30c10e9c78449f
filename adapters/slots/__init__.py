"""Adapters on the base: which weights lie in which slot, which row uses which slot, and the one forward over all of
them.
"""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from adapters.slots.adalora_terms import triplets
    from adapters.slots.forward_pass import Hidden, PaddedBatch, forward, pad
    from adapters.slots.heads import pooled
    from adapters.slots.layout import Layout, Term
    from adapters.slots.packed import pack
    from adapters.slots.reading import read
    from adapters.slots.rows import RowSlots, join
    from adapters.slots.slots import Slots
    from adapters.slots.stems import shared_stems
    from adapters.slots.trained import LORA, VALUES, Trained
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "adapters.slots.adalora_terms": ["triplets"],
            "adapters.slots.forward_pass": ["Hidden", "PaddedBatch", "forward", "pad"],
            "adapters.slots.heads": ["pooled"],
            "adapters.slots.layout": ["Layout", "Term"],
            "adapters.slots.packed": ["pack"],
            "adapters.slots.reading": ["read"],
            "adapters.slots.rows": ["RowSlots", "join"],
            "adapters.slots.slots": ["Slots"],
            "adapters.slots.stems": ["shared_stems"],
            "adapters.slots.trained": ["LORA", "VALUES", "Trained"],
        },
    )

__all__ = [
    "LORA",
    "VALUES",
    "Hidden",
    "Layout",
    "PaddedBatch",
    "RowSlots",
    "Slots",
    "Term",
    "Trained",
    "forward",
    "join",
    "pack",
    "pad",
    "pooled",
    "read",
    "shared_stems",
    "triplets",
]
