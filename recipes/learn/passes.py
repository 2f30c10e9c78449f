"""Which rows share a forward and backward: a turn's rows of all jobs, cut into passes of like length.

    rows by length   8 8 9 9 9 12 13 | 40 41 44 | 120 121
    tokens computed        7 x 13        3 x 44    2 x 121      one pass costs as much as so many tokens more

A pass costs its padded tokens and, whatever its size, unpacking the quantized base and calling the layers. The cut is
the cheapest one; a job's micro-batch may fall into several passes, since its loss is a sum over its rows.
"""

from collections.abc import Hashable, Mapping, Sequence
from itertools import groupby
from typing import TypeVar

Owner = TypeVar("Owner", bound=Hashable)

PASS_TOKENS = 64
"""What a pass costs beside its tokens, in tokens."""


def arrange(lengths: Mapping[Owner, Sequence[int]], budget: int) -> list[dict[Owner, list[int]]]:
    """The cheapest cut of rows into passes of at most `budget` padded tokens (a longer row has a pass of its own).

    lengths: tokens of each owner's rows. Returns for each pass the indices of each owner's rows, owners in the order of
    `lengths`. The same lengths give the same passes.
    """
    rows = [
        (length, number, index)
        for number, own in enumerate(lengths.values())
        for index, length in enumerate(own)
    ]
    rows.sort()
    owners, passes = list(lengths), []
    for part in _cut(rows, budget):
        found: dict[Owner, list[int]] = {}
        for _, number, index in sorted(part, key=lambda row: row[1:]):
            found.setdefault(owners[number], []).append(index)
        passes.append(found)
    return passes


def _cut(rows: Sequence[tuple[int, int, int]], budget: int) -> list[Sequence[tuple[int, int, int]]]:
    """Cut sorted rows so that the sum of all passes' costs is the least: best[i] is that of the first i groups of
    equal length."""
    sizes = [(length, len(list(group))) for length, group in groupby(rows, key=lambda row: row[0])]
    best, came_from = [0.0], [0]
    for end, (width, _) in enumerate(sizes, 1):
        costs, count = [], 0
        for start in range(end - 1, -1, -1):
            count += sizes[start][1]
            passes = -(-count // max(1, budget // width))
            costs.append((best[start] + passes * PASS_TOKENS + count * width, start))
        least, start = min(costs)
        best.append(least)
        came_from.append(start)
    cuts, end = [len(sizes)], len(sizes)
    while end:
        end = came_from[end]
        cuts.append(end)
    ends = [0]
    for _, count in sizes:
        ends.append(ends[-1] + count)
    parts: list[Sequence[tuple[int, int, int]]] = []
    for start, stop in zip(cuts[:0:-1], cuts[-2::-1], strict=True):
        whole = rows[ends[start] : ends[stop]]
        most = max(1, budget // sizes[stop - 1][0])
        pieces = -(-len(whole) // most)
        size = -(-len(whole) // pieces)
        parts += [whole[at : at + size] for at in range(0, len(whole), size)]
    return parts
