"""The weights of a quantized base before it was quantized, read once more from where it was loaded."""

from collections.abc import Collection

import torch
from torch import Tensor

from adapters.base.base import Base
from adapters.base.linears import linears_of
from adapters.base.loading import auto_class, bytes_needed, check_memory
from adapters.errors import BaseError


def original_weights(base: Base, paths: Collection[str]) -> dict[str, Tensor]:
    """What the linear layers of a base held before they were quantized.

    Args:
        base: as `load_base` gave it.
        paths: of layers, as in `base.linears`.

    Returns:
        The weights by path, `[out, in]` in float32 on the CPU.

    Raises:
        BaseError: its files cannot be read any more.
        NotEnoughMemory: it does not fit beside what is there, unquantized.
    """
    source, cpu = base.model.name_or_path, torch.device("cpu")
    auto = auto_class(base.config, base.id)
    check_memory(bytes_needed(base.config, auto, "none", torch.float32), cpu, f"{base.id}, unquantized,")
    try:
        plain = auto.from_pretrained(source, revision=base.revision, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise BaseError(
            f"the weights of {base.id} before they were quantized cannot be read from {source!r}: {error}"
        ) from error
    linears = linears_of(plain)
    return {path: linears[path].weight.detach() for path in paths}
