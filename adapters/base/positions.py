"""How many tokens a base reads, by its configuration."""

from collections.abc import Mapping
from typing import Any


def first_position(config: Any) -> int:
    """Position id of a sequence's first token: 0, or behind the padding index in RoBERTa's family."""
    return int(config.pad_token_id) + 1 if "roberta" in config.model_type else 0


def most_positions(config: Any) -> int:
    """The most tokens of one sequence, prefix included."""
    return int(config.max_position_embeddings) - first_position(config)


def stretched_by_length(config: Any) -> bool:
    """Whether what stands for a position depends on how long the whole sequence is (dynamic NTK, LongRoPE): then first
    tokens by themselves are not what they are in a longer row."""
    told = getattr(config, "rope_parameters", None) or {}
    kinds = [told, *(each for each in told.values() if isinstance(each, Mapping))]
    return any(kind.get("rope_type") in ("dynamic", "longrope") for kind in kinds)
