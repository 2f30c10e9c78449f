"""The names that PEFT gives an adapter's tensors."""

from collections.abc import Collection
from typing import NamedTuple

LORA_A, LORA_B = ".lora_A.weight", ".lora_B.weight"
MAGNITUDE = ".lora_magnitude_vector"
LAST_OF_TWO = ".classifier.out_proj.weight"
"""The last layer of a head of two."""
TABLE = "prompt_embeddings"
"""A prefix: all its positions, all layers."""


class HeadNames(NamedTuple):
    """The names of a head's tensors; None for what it does not have.

    Attributes:
        weight, bias: of the layer that gives the labels.
        dense, dense_bias: of the layer before it, which heads of RoBERTa's and ELECTRA's classes have.
    """

    weight: str
    bias: str | None = None
    dense: str | None = None
    dense_bias: str | None = None


def head_names(names: Collection[str]) -> HeadNames | None:
    """The names of a head among those of an adapter's tensors.

    Args:
        names: of all its tensors, or the tensors themselves by name.

    Returns:
        What it is made of; None for an adapter without a head.
    """
    for name in names:
        if name.endswith(LAST_OF_TWO):
            stem = name.removesuffix(LAST_OF_TWO)
            wanted = (f"{stem}.classifier.{part}" for part in ("out_proj.bias", "dense.weight", "dense.bias"))
            return HeadNames(name, *(part if part in names else None for part in wanted))
        if name.endswith((".score.weight", ".classifier.weight")):
            bias = name.removesuffix("weight") + "bias"
            return HeadNames(name, bias if bias in names else None)
    return None


def lora_parts(name: str) -> tuple[str, str]:
    """The layer and the ending of a LoRA tensor's name: `x.q_proj.lora_A.weight` to `x.q_proj` and `.lora_A.weight`.
    The ending of any other tensor is empty."""
    for ending in (LORA_A, LORA_B, MAGNITUDE):
        if name.endswith(ending):
            return name.removesuffix(ending), ending
    return name, ""


def module_of(stem: str) -> str:
    """A layer's name as the model has it: `base_model.model.model.layers.0.mlp.up_proj` without PEFT's wrapping."""
    return stem.removeprefix("base_model.model.")


def ends_in(module: str, name: str) -> bool:
    """Whether a module is called so or its path ends in `.name`, as PEFT reads `target_modules`."""
    return module == name or module.endswith(f".{name}")
