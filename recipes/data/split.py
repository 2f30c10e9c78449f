"""Deals rows to training, validation and test: by group, by text or by time; the same rows for the same seed.

The order of the rows in the file does not matter: where each key goes follows from a hash of the key and the seed.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

from recipes.examples import Example


@dataclass(frozen=True, slots=True)
class Dealt:
    """One row of the file with its examples (two for impressions and clicks), before it is dealt to a split.

    key: the group, or the user, or the text where there is neither; rows of one key stay together. time: seconds or
    any number that grows; None where there is no timestamp.
    """

    examples: tuple[Example, ...]
    key: str
    time: float | None = None


def deal(
    rows: Sequence[Dealt], shares: Mapping[str, float], seed: int, pinned: Collection[str] = ()
) -> dict[str, list[Dealt]]:
    """The rows of each split in file order: "train" gets what `shares` leaves over.

    shares: split -> share of the rows, in the order in which they are dealt, e.g. {"test": 0.2, "validation": 0.1}.
    With timestamps the newest rows become the first split, the next newest the second. Without, whole keys are dealt
    in the order of their hashes. A key, or an instant, goes where the middle of its rows falls, so that the shares are
    met to within one key. pinned: keys that train whatever their hash.
    """
    timed = bool(rows) and all(row.time is not None for row in rows)
    unit_of: list[Hashable] = [row.time if timed else row.key for row in rows]
    sizes = Counter(unit for unit, row in zip(unit_of, rows, strict=True) if timed or row.key not in pinned)
    order = sorted(sizes, key=lambda unit: -float(str(unit)) if timed else _hash(str(unit), seed))
    split_of: dict[Hashable, str] = {}
    before = 0
    for unit in order:
        middle = (before + sizes[unit] / 2) / len(rows)
        split_of[unit] = _at(middle, shares)
        before += sizes[unit]
    parts: dict[str, list[Dealt]] = {name: [] for name in (*shares, "train")}
    for unit, row in zip(unit_of, rows, strict=True):
        parts[split_of.get(unit, "train")].append(row)
    return parts


def first_of_each_label(rows: Sequence[Dealt], limit: int) -> list[Dealt]:
    """The first `limit` rows of each label in file order; a row of several labels counts for each of them."""
    seen: Counter[int] = Counter()
    kept = []
    for row in rows:
        labels = _labels(row)
        if any(seen[label] < limit for label in labels):
            kept.append(row)
            seen.update(labels)
    return kept


def fewer_negatives(rows: Sequence[Dealt], share: float, seed: int) -> tuple[list[Dealt], float]:
    """All rows of label 1, and `share` of those of label 0: the same ones whatever the order of the file.

    Equal texts are counted, so that of a text that comes a hundred times its share stays too. Returns the rows in file
    order, and the kept negatives' share of the weight of all negatives.
    """
    copies: Counter[str] = Counter()
    ranked: list[tuple[bytes, int]] = []
    for index, row in enumerate(rows):
        if row.examples[0].label == 0:
            text = row.examples[0].text
            copies[text] += 1
            ranked.append((_hash(f"negative {copies[text]}\0{text}", seed), index))
    ranked.sort()
    dropped = {index for _, index in ranked[max(1, round(share * len(ranked))) :]}
    every = sum(rows[index].examples[0].weight for _, index in ranked)
    lost = sum(rows[index].examples[0].weight for index in dropped)
    return [row for index, row in enumerate(rows) if index not in dropped], 1 - lost / every


def _labels(row: Dealt) -> set[int]:
    labels: set[int] = set()
    for example in row.examples:
        if example.label is not None:
            labels.update((example.label,) if isinstance(example.label, int) else example.label)
    return labels


def _hash(key: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{key}".encode()).digest()


def _at(share_before: float, shares: Mapping[str, float]) -> str:
    """The split in whose stretch of [0, 1) a share of the rows falls."""
    edge = 0.0
    for name, share in shares.items():
        edge += share
        if share_before < edge:
            return name
    return "train"
