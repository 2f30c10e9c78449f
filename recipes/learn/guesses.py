"""Labels for rows without any: those that the adapter itself finds the likeliest once it has learned from the rows that
have some. It then trains on all of them, a guess counting for a third of a row at most, by how likely it is found. That
is self-training (Scudder 1965, doi:10.1109/TIT.1965.1053799; Lee 2013, "Pseudo-Label"), of one round.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from recipes.learn.encode import EncodedRow

_GUESSED = 1 / 3  # of a row with a label, at most


def guessed(rows: Sequence[EncodedRow], logits: Tensor, ordinary: float) -> list[EncodedRow]:
    """Rows with the label that is the likeliest. logits: `[rows, labels]`; ordinary: what a row with a label weighs."""
    sure, label = logits.softmax(1).max(1)
    return restored(rows, {"label": label, "weight": _GUESSED * ordinary * sure})


def kept(rows: Sequence[EncodedRow]) -> dict[str, Tensor]:
    """What was guessed, as tensors `[rows]`; nothing where nothing was yet."""
    if not rows or rows[0].label is None:
        return {}
    return {name: torch.tensor([getattr(row, name) for row in rows]) for name in ("label", "weight")}


def restored(rows: Sequence[EncodedRow], tensors: Mapping[str, Tensor]) -> list[EncodedRow]:
    """Rows with what was `kept`."""
    told = zip(rows, tensors["label"].tolist(), tensors["weight"].tolist(), strict=True)
    return [replace(row, label=label, weight=weight) for row, label, weight in told]
