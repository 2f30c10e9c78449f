"""What the baselines that an adapter can carry have in common: their outputs, and the keys that they are saved by."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from recipes.part import is_finite

Floats = NDArray[np.float64]


def outputs_of(labels: int, multi_label: bool) -> int:
    """How many logits a row has: with two labels, one a row, it is the second's log-odds alone."""
    return 1 if labels == 2 and not multi_label else labels


def probabilities_of(logits: Floats, labels: int, multi_label: bool) -> Floats:
    """[rows, labels] of logits [rows, outputs]."""
    if multi_label:
        return np.asarray(expit(logits))
    if logits.shape[1] < labels:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    return np.asarray(softmax(logits, axis=1))


def misshapen(saved: Any, wanted: Mapping[str, Any]) -> str | None:
    """What is wrong with a saved baseline's keys or their types; None where nothing is. wanted: key -> type."""
    if not isinstance(saved, Mapping) or saved.keys() != wanted.keys():
        return f"its baseline should hold {', '.join(wanted)} and nothing else"
    if odd := [name for name, kind in wanted.items() if not isinstance(saved[name], kind)]:
        return f"{', '.join(odd)} of its baseline are of another type"
    return None


def is_bias(saved: Sequence[Any], outputs: int) -> bool:
    """Whether it is a number for each output."""
    return len(saved) == outputs and all(map(is_finite, saved))
