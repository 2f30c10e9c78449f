"""Deals rows to training, validation and test: by group, by text or by time; the same rows for the same seed.

The order of the rows in the file does not matter: where each key goes follows from a hash of the key and the seed.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

from recipes.examples import Example

_MANY = 200  # validation rows in whose labels chance hardly shows


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
    in the order of their hashes; to few validation rows each label's in its turn. A key, or an instant, goes where the
    middle of its rows falls, so that the shares are met to within one key. pinned: keys that train whatever their hash.
    """
    timed = bool(rows) and all(row.time is not None for row in rows)
    unit_of: list[Hashable] = [row.time if timed else row.key for row in rows]
    sizes = Counter(unit for unit, row in zip(unit_of, rows, strict=True) if timed or row.key not in pinned)
    order = sorted(sizes, key=lambda unit: -float(str(unit)) if timed else _hash(str(unit), seed))
    split_of: dict[Hashable, str] = {}
    before, at, edge = 0, 0, 0.0
    for name, share in shares.items():
        edge += share
        if name == "validation" and not timed and share * len(rows) < _MANY:
            order[at:] = _in_turn(order[at:], _labels_by_key(rows))
        while at < len(order) and (before + sizes[order[at]] / 2) / len(rows) < edge:
            split_of[order[at]] = name
            before, at = before + sizes[order[at]], at + 1
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


def _labels_by_key(rows: Sequence[Dealt]) -> dict[Hashable, int]:
    """The label that most of a key's rows have, of several the least; rows without one count as -1."""
    found: dict[Hashable, Counter[int]] = {}
    for row in rows:
        found.setdefault(row.key, Counter())[min(_labels(row), default=-1)] += 1
    return {key: min(each, key=lambda label: (-each[label], label)) for key, each in found.items()}


def _in_turn(units: Sequence[Hashable], label_of: Mapping[Hashable, int]) -> list[Hashable]:
    """The same units, each label's in their order and spread evenly over the whole: of any stretch a label has its
    share. Labels of few units come late.

        a a a a b b c    ->    places of a: 1/8 3/8 5/8 7/8, of b: 1/4 3/4, of c: 1/2    ->    a b a c a b a
    """
    sizes, seen = Counter(label_of[unit] for unit in units), Counter[int]()
    place = {}
    for unit in units:
        label = label_of[unit]
        place[unit] = (seen[label] + 0.5) / sizes[label]
        seen[label] += 1
    return sorted(units, key=place.__getitem__)
