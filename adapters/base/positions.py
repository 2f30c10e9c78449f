"""How many tokens a base reads, by its configuration."""

from typing import Any


def first_position(config: Any) -> int:
    """Position id of a sequence's first token: 0, or behind the padding index in RoBERTa's family."""
    return int(config.pad_token_id) + 1 if "roberta" in config.model_type else 0


def most_positions(config: Any) -> int:
    """The most tokens of one sequence, prefix included."""
    return int(config.max_position_embeddings) - first_position(config)
