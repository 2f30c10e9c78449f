"""Stems: the first tokens that rows of one adapter share, such as the user of many ads, and what the base made of them.

    row 0   u u u u u a b c          stem   u u u u u               read once
    row 1   u u u u u d e            then   a b c | d e | f g h     each behind the stem's keys and values
    row 2   u u u u u f g h

In a decoder a token sees only those before it, so that keys and values of a stem are the same whatever follows, and
those of a part of it are a part of them.
"""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock
from typing import NamedTuple

import torch
from torch import Tensor

FEWEST = 16
"""Tokens below which a stem is not worth its handling."""
_MOST_ROWS = 64  # of one stem; what more rows would spare is less than a token of each

Tokens = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Stem:
    """What the base made of first tokens under one adapter.

    Attributes:
        ids: the tokens.
        layers: keys and values, for each layer `[2, kv_heads, prefix + tokens, head_dim]`; the adapter's own prefix
            stands in front.
        states: last hidden states, `[tokens, width]`.
    """

    ids: Tokens
    layers: Sequence[Tensor]
    states: Tensor

    @property
    def positions(self) -> int:
        """How many positions it takes, its prefix included."""
        return int(self.layers[0].shape[2])

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(each.numel() * each.element_size() for each in (*self.layers, self.states))

    def first(self, tokens: int) -> "Stem":
        """The stem of its first tokens, which lies in the same memory."""
        if tokens == len(self.ids):
            return self
        end = self.positions - len(self.ids) + tokens
        return Stem(self.ids[:tokens], [layer[:, :, :end] for layer in self.layers], self.states[:tokens])


class Shared(NamedTuple):
    """Rows that begin with the same tokens. length: how many; rows: their places."""

    length: int
    rows: list[int]


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many first tokens two sequences share."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def shared_stems(sequences: Sequence[Tokens]) -> list[Shared]:
    """The groups of sequences whose shared first tokens, read once, spare the most tokens.

    Every row keeps a token of its own. A row is in one group at the most; one that shares nothing is in none.
    """
    order = sorted(range(len(sequences)), key=lambda row: sequences[row])
    ordered = [sequences[row] for row in order]
    near = [0] + [min(common(one, other), len(one) - 1, len(other) - 1) for one, other in pairwise(ordered)]
    # best[i]: the most tokens that the first i rows in order can spare; came_from[i]: where their last group begins.
    best, came_from = [0], [0]
    for end in range(1, len(order) + 1):
        spared, begin, length = best[end - 1], end - 1, near[end - 1]
        for start in range(end - 2, max(-1, end - 1 - _MOST_ROWS), -1):
            length = min(length, near[start + 1])
            if length < FEWEST:
                break
            if best[start] + length * (end - start - 1) > spared:
                spared, begin = best[start] + length * (end - start - 1), start
        best.append(spared)
        came_from.append(begin)
    found, end = [], len(order)
    while end:
        start = came_from[end]
        if end - start > 1:
            found.append(Shared(min(near[start + 1 : end]), order[start:end]))
        end = start
    return found[::-1]


class Stems:
    """Stems that were read lately on one base, by what their adapter is and by their tokens. Any thread may call it.

    The least recently used ones leave. A stem that another one begins with is that one's.

    Args:
        room: bytes that they may take.

    Attributes:
        room: the same.
        size: bytes that they take.
        hits: rows of which a part was known.
        recalled: tokens of these parts.
        shared: tokens that were spared because other rows of the same step had them too.
    """

    def __init__(self, room: int = 0) -> None:
        self.room = room
        self.size = self.hits = self.recalled = self.shared = 0
        self._lock = Lock()
        self._kept: OrderedDict[tuple[Hashable, Tokens], Stem] = OrderedDict()
        self._sorted: dict[Hashable, list[Tokens]] = {}

    def recall(self, content: Hashable, ids: Tokens) -> Stem | None:
        """The longest known stem with which tokens begin; None where it would have fewer than FEWEST.

        Args:
            content: stands for the adapter, and changes with its weights.
            ids: the tokens.
        """
        with self._lock:
            known = self._sorted.get(content, [])
            # In order, what shares the most with the tokens stands beside their own place.
            at = bisect_left(known, ids)
            beside = known[max(0, at - 1) : at + 1]
            count, found = max(((common(each, ids), each) for each in beside), default=(0, ()))
            if count < FEWEST:
                return None
            self._kept.move_to_end((content, found))
            return self._kept[content, found].first(count)

    def keep(self, content: Hashable, stem: Stem) -> None:
        """Remember a stem, in memory of its own; one with numbers that are not finite is let go."""
        if stem.size > self.room or not torch.isfinite(stem.states).all():
            return
        with self._lock:
            known = self._sorted.get(content, [])
            at = bisect_left(known, stem.ids)
            if at < len(known) and known[at][: len(stem.ids)] == stem.ids:
                self._kept.move_to_end((content, known[at]))
                return
            if at and stem.ids[: len(known[at - 1])] == known[at - 1]:
                self._drop(content, known[at - 1])
            self._kept[content, stem.ids] = stem
            self.size += stem.size
            insort(self._sorted.setdefault(content, []), stem.ids)
            while self.size > self.room:
                self._drop(*next(iter(self._kept)))

    def note(self, tokens: Iterable[int]) -> None:
        """Count rows of which so many tokens were known each."""
        known = [count for count in tokens if count]
        self.hits += len(known)
        self.recalled += sum(known)

    def forget(self, content: Hashable) -> None:
        """Let all stems of an adapter go."""
        with self._lock:
            for ids in list(self._sorted.get(content, ())):
                self._drop(content, ids)

    def summary(self) -> dict[str, int]:
        """As plain JSON."""
        with self._lock:
            counts = {name: getattr(self, name) for name in ("hits", "recalled", "shared", "size")}
            return {"kept": len(self._kept), **counts}

    def _drop(self, content: Hashable, ids: Tokens) -> None:
        self.size -= self._kept.pop((content, ids)).size
        known = self._sorted[content]
        del known[bisect_left(known, ids)]
        if not known:
            del self._sorted[content]
