"""How good the starter is: its loss on text that it never saw, beside those of models that only count."""

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch

from adapters.starter.build.tokenizer import VOCABULARY


@dataclass(frozen=True)
class HeldOut:
    """Losses on the same held-out tokens, in nats per token."""

    model: float
    unigram: float
    bigram: float
    tokens: int


def model_loss(model: Any, held_out: torch.Tensor) -> float:
    """Mean next-token loss of the model over [rows, length], in nats per token."""
    with torch.no_grad():
        losses = [float(model(input_ids=row[None], labels=row[None]).loss) for row in held_out]
    return sum(losses) / len(losses)


def count_losses(train: torch.Tensor, held_out: torch.Tensor) -> tuple[float, float]:
    """Unigram and bigram losses on the held-out windows, in nats per token, counted on the training windows.

    unigram: add-one, (n(t) + 1) / (N + V). bigram: interpolated with that unigram, Witten-Bell (1991; Chen and
    Goodman 1999, section 2.5): (n(h, t) + d(h) u(t)) / (n(h) + d(h)), where d(h) counts the different successors.
    Only tokens that the model also predicts are scored: all but the first of a row.
    """
    single = Counter(train.flatten().tolist())
    total = sum(single.values())
    pairs: Counter[tuple[int, int]] = Counter()
    for row in train.tolist():
        pairs.update(itertools.pairwise(row))
    first: Counter[int] = Counter()
    kinds: Counter[int] = Counter()
    for (head, _), n in pairs.items():
        first[head] += n
        kinds[head] += 1
    uni = bi = 0.0
    scored = 0
    for row in held_out.tolist():
        for head, token in itertools.pairwise(row):
            u = (single[token] + 1) / (total + VOCABULARY)
            seen = first[head] + kinds[head]
            uni -= math.log(u)
            bi -= math.log((pairs[head, token] + kinds[head] * u) / seen if seen else u)
            scored += 1
    return uni / scored, bi / scored
