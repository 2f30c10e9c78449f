"""A numbered log, as one listing finds it: its entries, and what lies beyond a gap and is none.

    000001  000002  000003          000050  000051        1 to 3 are entries, whether or not they can be read; 50 and
    └── without gaps ────┘  (a gap)                       51 are where one of the two can be read, and else strays

A writer takes the number after the last entry, so that only other means put a file beyond a gap: a copy by hand, a
backup that was restored in part. What can be read there was an entry once, and its neighbours were; what cannot be is
a stray, which hides nothing and stops nothing. An entry that is damaged is told of wherever it lies, and is no stray
where no gap is below it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Numbers:
    """What one listing of a log found, in order.

    Attributes:
        entries: the numbers of its entries.
        strays: the numbers under which something lies that is no entry.
        next: the number that the next entry takes.
    """

    entries: Sequence[int]
    strays: Sequence[int]
    next: int

    @property
    def last(self) -> int:
        """The highest entry; 0 where there is none."""
        return self.entries[-1] if self.entries else 0


def numbers(taken: Sequence[int], is_entry: Callable[[int], bool] | None) -> Numbers:
    """Tell entries and strays apart.

    Args:
        taken: the numbers under which anything lies, in order.
        is_entry: whether one can be read as an entry; asked only beyond a gap. None takes all for entries.
    """
    if is_entry is None or not taken or taken[-1] == len(taken):
        return Numbers(taken, [], (taken[-1] if taken else 0) + 1)
    entries: list[int] = []
    strays: list[int] = []
    for run in runs(taken):
        (entries if _counts(run, is_entry) else strays).extend(run)
    free = (entries[-1] if entries else 0) + 1
    ends = {run[0]: run[-1] for run in runs(strays)}  # next to a stray an entry would make it one, too
    return Numbers(entries, strays, ends[free + 1] + 1 if free + 1 in ends else free)


def last(taken: Sequence[int], is_entry: Callable[[int], bool] | None) -> int:
    """The highest entry, as `numbers` finds it, asked for from above; 0 where there is none."""
    if is_entry is None or not taken or taken[-1] == len(taken):
        return taken[-1] if taken else 0
    return next((run[-1] for run in reversed(runs(taken)) if _counts(run, is_entry)), 0)


def runs(taken: Sequence[int]) -> list[range]:
    """Numbers in order, as ranges without gaps.

    >>> runs([1, 2, 3, 50])
    [range(1, 4), range(50, 51)]
    """
    starts = [at for at, number in enumerate(taken) if at == 0 or number != taken[at - 1] + 1]
    ends = [*starts[1:], len(taken)] if taken else []
    return [range(taken[start], taken[end - 1] + 1) for start, end in zip(starts, ends, strict=True)]


def gaps(taken: Sequence[int]) -> list[range]:
    """What is missing of 1, 2, 3 ... up to the highest of these numbers, which are in order.

    >>> gaps([1, 2, 5])
    [range(3, 5)]
    """
    if not taken or taken[-1] == len(taken):
        return []
    ends = [0, *(run[-1] for run in runs(taken))]
    return [range(end + 1, run[0]) for end, run in zip(ends, runs(taken), strict=False) if run[0] > end + 1]


def _counts(run: range, is_entry: Callable[[int], bool]) -> bool:
    return run[0] == 1 or any(map(is_entry, reversed(run)))
