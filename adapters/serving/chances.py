"""How likely written tokens were: by the logits as the model gave them, before temperature, cuts and penalties."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from adapters.serving.sampling import Sampling


@dataclass(frozen=True)
class Chance:
    """One written token.

    Attributes:
        token: which.
        logprob: natural logarithm of its probability.
        likeliest: `(token, logprob)` of those that were likeliest in its place, the likeliest first.
    """

    token: int
    logprob: float
    likeliest: tuple[tuple[int, float], ...] = ()


def log_shares(logits: Tensor, sampling: "Sequence[Sampling]") -> dict[int, Tensor]:
    """Row -> log-probabilities `[vocabulary]`, of the rows that ask for them. logits: `[rows, vocabulary]`."""
    rows = [row for row, how in enumerate(sampling) if how.logprobs is not None]
    if not rows:
        return {}
    return dict(zip(rows, logits[rows].log_softmax(-1), strict=True))


def chance(shares: Tensor, token: int, likeliest: int) -> Chance:
    """What `log_shares` says of a token, with so many of the likeliest."""
    values, tokens = shares.topk(min(likeliest, len(shares)))
    top = tuple(zip(tokens.tolist(), values.tolist(), strict=True))
    return Chance(token, float(shares[token]), top)
