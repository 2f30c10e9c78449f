"""The names that PEFT gives an adapter's tensors."""

from collections.abc import Collection

LORA_A, LORA_B = ".lora_A.weight", ".lora_B.weight"
MAGNITUDE = ".lora_magnitude_vector"
TABLE = "prompt_embeddings"
"""A prefix: all its positions, all layers."""


def head_names(names: Collection[str]) -> tuple[str, str | None] | None:
    """The names of a head among those of an adapter's tensors.

    Args:
        names: of all its tensors, or the tensors themselves by name.

    Returns:
        The head's weight and bias (None where it has none); None for an adapter without a head.
    """
    for name in names:
        if name.endswith((".score.weight", ".classifier.weight")):
            bias = name.removesuffix("weight") + "bias"
            return name, bias if bias in names else None
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
