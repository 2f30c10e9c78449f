"""What the starter reads at each step: packed documents, made from seed, step and stage alone."""

import itertools
import random
from typing import Any

import torch

from adapters.starter.build.ads import free_document
from adapters.starter.build.chat import END
from adapters.starter.build.clicks import match_document
from adapters.starter.build.corpus import document

WINDOW, WINDOWS = 256, 8
"""Tokens of a row, rows of a batch."""
LONG_WINDOW, LONG_EVERY = 1024, 8
"""Every so many steps the same number of tokens in long rows."""
LATER, DRILL, DRILLED = 0.23, 0.755, 0.845
"""The shares of the budget at which stages 1, 2 and 3 of the text begin."""
_FREE_SHARE, _MATCH_SHARE, _DRILL_SHARE = 0.15, 0.15, 0.4  # of the documents: see `windows`


def windows(
    tokenizer: Any, rng: random.Random, rows: int, length: int, held_out: bool = False, stage: int = 0
) -> torch.Tensor:
    """Packed documents, each closed by the end token, [rows, length]: every row begins where a document begins.

    stage: 0 for the plain corpus; 1 adds names of any letters and long rows of clicks; 2 and 3 add clicks that are
    answered at once, in stage 2 many of them.
    """
    match = _FREE_SHARE + (_DRILL_SHARE if stage == 2 else _MATCH_SHARE)

    def text() -> str:
        kind = rng.random() if stage else 1.0
        if kind < _FREE_SHARE:
            return free_document(rng)
        return match_document(rng, at_once=stage >= 2) if kind < match else document(rng, held_out)

    packed = []
    for _ in range(rows):
        row: list[int] = []
        while len(row) < length:
            batch = tokenizer([text() + END for _ in range(max(2, length // 96))])["input_ids"]
            row += itertools.chain.from_iterable(batch)
        packed.append(row[:length])
    return torch.tensor(packed)


def stage_of(share: float) -> int:
    """The stage of the text when this share of the budget is spent."""
    return (share >= LATER) + (share >= DRILL) + (share >= DRILLED)


def batch_for(tokenizer: Any, seed: int, step: int, stage: int) -> torch.Tensor:
    """The batch of this step, made from nothing but the seed, the step and the stage."""
    rng = random.Random(f"starter batch {seed} {step}")
    if step % LONG_EVERY == LONG_EVERY - 1:
        return windows(tokenizer, rng, WINDOWS * WINDOW // LONG_WINDOW, LONG_WINDOW, stage=stage)
    return windows(tokenizer, rng, WINDOWS, WINDOW, stage=stage)
