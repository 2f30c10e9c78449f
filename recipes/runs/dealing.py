"""Which jobs train together: groups that follow from the jobs alone, and neither from who trains them nor from when.

    jobs, by tokens to train   90 80 80 70 60 60 | 50 40 40 30 30 20 | 10 10
    groups                     0                 | 1                 | 2        long ones first; the last may be small

The rows of a group share passes, and which rows share one shows in the last bits of what each job learns. So a night on
one machine trains group after group, and several workers take groups as they come free: the same jobs give the same
adapters. A group that is dealt again is itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from recipes.learn import memory

if TYPE_CHECKING:
    from recipes.learn.job import Job

_PASSES = 4.0  # so many full passes a turn are enough to choose rows of like length from
_ENOUGH_JOBS = (
    6  # which fill one pass: more share hardly anything more, and are no longer spread over workers
)
_MOST_BYTES = 4 * 2**30


@dataclass(frozen=True)
class Size:
    """What a job takes.

    tokens: that it trains on, over all epochs. passes: how many full passes a micro-batch fills; most fill a part of
    one. bytes: of its adapter in training.
    """

    tokens: float
    passes: float
    bytes: int

    @classmethod
    def of(cls, job: "Job", pass_tokens: int) -> Self:
        """pass_tokens: the most of one forward and backward."""
        tokens = job.batch_tokens * job.steps * job.recipe.train.accumulate
        return cls(tokens, job.batch_tokens / pass_tokens, memory.job_bytes(job.recipe, job.adapter))


def deal(sizes: Sequence[Size]) -> list[list[int]]:
    """Put jobs into groups: the long ones first, those of like length together.

    A group is full when a micro-batch of each of its jobs fills four passes, or one where there are six jobs or more,
    and when one more would need more than 4 GiB of adapters in training.

    Args:
        sizes: of the jobs.

    Returns:
        Their indices, group by group. Each job is in one of them.
    """
    groups: list[list[int]] = []
    passes, taken = 0.0, 0
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index].tokens):
        own = sizes[index]
        enough = 1.0 if groups and len(groups[-1]) >= _ENOUGH_JOBS else _PASSES
        if not groups or passes >= enough or taken + own.bytes > _MOST_BYTES:
            groups.append([])
            passes, taken = 0.0, 0
        groups[-1].append(index)
        passes, taken = passes + own.passes, taken + own.bytes
    return groups
