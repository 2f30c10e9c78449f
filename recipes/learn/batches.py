"""Which rows a job trains on in which micro-batch: all from a seed and a count, so that a run goes on as it was.

    rows with labels    | epoch 0 | epoch 1 | ... |
    all rows                                      | one more pass, where there are rows without labels |

Every epoch comes in a new order, rows of like length together to spare padding.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

_BUCKET = 16  # batches that are sorted by length together


@dataclass(frozen=True)
class Plan:
    """Optimizer steps of a job: `alone` on the rows with labels, then on all, until there are `steps`. The learning
    rate climbs and falls in each of both."""

    alone: int
    steps: int

    @classmethod
    def of(cls, labelled: int, others: int, window: int, epochs: int, most: int | None) -> "Plan":
        """labelled, others: rows with and without labels; window: rows of a step; epochs: of the rows with labels;
        most: steps at the most, of which half are left for all rows if need be."""
        planned = max(1, math.ceil(labelled / window) * epochs)
        last = math.ceil((labelled + others) / window) if others else 0
        most = most or planned + last
        alone = min(planned, max(most - last, math.ceil(most / 2)))
        return cls(alone, min(alone + last, most))

    def part(self, step: int) -> tuple[int, int]:
        """The steps at which what is trained on at a step begins and ends."""
        return (0, self.alone) if step < self.alone or self.alone == self.steps else (self.alone, self.steps)


class Batches:
    """The micro-batches of a job.

    Args:
        seed: of the orders.
        size: rows of one.
        lengths: tokens of each row, those without labels last.
        labelled: how many rows have labels.
        alone: how many micro-batches are of these alone.
    """

    def __init__(self, seed: int, size: int, lengths: Sequence[int], labelled: int, alone: int) -> None:
        self._seed, self._size, self._lengths = seed, size, lengths
        self._labelled, self._alone = labelled, alone
        self._epoch = lru_cache(maxsize=2)(self._deal)

    def rows(self, number: int) -> list[int]:
        """The rows' indices of the micro-batch of a number, counted over all epochs."""
        count, place, name = self._labelled, number, "epoch"
        if len(self._lengths) > count and number >= self._alone:
            count, place, name = len(self._lengths), number - self._alone, "all"
        epoch, at = divmod(place, math.ceil(count / self._size))
        return self._epoch(count, name, epoch)[at]

    def _deal(self, count: int, name: str, epoch: int) -> list[list[int]]:
        stream = torch.Generator().manual_seed(number_of(self._seed, name, epoch) % 2**63)
        order = torch.randperm(count, generator=stream).tolist()
        batches = []
        for start in range(0, count, self._size * _BUCKET):
            bucket = sorted(order[start : start + self._size * _BUCKET], key=lambda i: self._lengths[i])
            batches += [bucket[at : at + self._size] for at in range(0, len(bucket), self._size)]
        return [batches[index] for index in torch.randperm(len(batches), generator=stream).tolist()]


def number_of(*parts: object) -> int:
    """A number of 64 bits that follows from the parts alone."""
    return int.from_bytes(hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest())
