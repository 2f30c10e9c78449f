"""How likely texts are to adapters that write, so that two of them are compared by what people kept."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from adapters import Adapter, Base
from adapters.slots import Slots
from recipes.learn.encode import encode
from recipes.learn.frame import PromptFrame
from recipes.learn.predict import copy_losses

if TYPE_CHECKING:
    from recipes.examples import Example
    from recipes.recipe import Recipe


def text_losses(
    base: Base, adapters: Sequence[Adapter], recipe: "Recipe", examples: "Sequence[Example]"
) -> list[NDArray[np.float64]]:
    """The loss of each text, in nats per token, each adapter asked as it was trained to be.

    Args:
        base: of all adapters.
        adapters: that write.
        recipe: renders the products, for all of them.
        examples: with their texts.

    Returns:
        For each adapter `[examples]`.

    Raises:
        BaseError: an adapter is not for this base.
        BadAdapter: what stands around an adapter's prompts cannot be used.
    """
    slots, found = Slots(base, len(adapters)), []
    try:
        for slot, adapter in enumerate(adapters):
            slots.load(slot, adapter)
            rows = encode(base, recipe, examples, PromptFrame.from_info(adapter.info))
            found.append(
                np.array([nats / max(1, tokens) for nats, tokens in copy_losses(base, slots, slot, rows)])
            )
    finally:
        slots.close()
    return found
