"""What is ranked together: the items of each group, and metrics that are means over groups."""

from collections.abc import Hashable, Sequence

import numpy as np

from recipes.examples import Example
from recipes.measure.intervals import Floats, Indices, Statistic, ratio


def ranked_items(examples: Sequence[Example], scores: Floats) -> list[tuple[list[float], list[float]]]:
    """(gains, scores) per group. The two halves of a row of impressions and clicks are one item: its click share."""
    groups: dict[str, dict[Hashable, list[float]]] = {}
    for example, score in zip(examples, scores, strict=True):
        if example.group is not None:
            item = groups.setdefault(example.group, {}).setdefault(example.origin, [0.0, 0.0, 0.0])
            item[0] += example.weight * (example.label == 1)
            item[1] += example.weight
            item[2] = float(score)
    return [
        ([gained / weight for gained, weight, _ in items.values()], [score for _, _, score in items.values()])
        for items in groups.values()
    ]


def over_groups(above: Sequence[float], below: Sequence[float], own: Indices, units: Indices) -> Statistic:
    """A ratio of sums over groups, each in its unit; units without a group add nothing."""
    rest = np.zeros(len(units))
    return ratio([*above, *rest], [*below, *rest], np.concatenate([own, units]))
