"""How often each adapter was used lately, which says who leaves first.

Each use counts 1 when it happens, and half as much after `half` more uses of any (Lee et al. 2001, LRFU): an adapter of
many users stays while others come that are asked for once each, and one of yesterday leaves.

    use          0     ...   half    ...   2 half
    of           a           a             b
    count of a   1           1.5           0.75       kept: log2(count) + use / half, which stands still
"""

from collections.abc import Iterable
from math import exp2, inf, log2


class Uses:
    """Those of the adapters that one runtime has. half: see above."""

    def __init__(self, half: float) -> None:
        self._half = half
        self._uses = 0
        self._counts: dict[str, float] = {}
        self._turn: set[str] = set()

    def note(self, key: str) -> None:
        """An adapter is used. All rows of one turn are one use: a request of many is not many users."""
        if key in self._turn:
            return
        self._turn.add(key)
        self._uses += 1
        now = self._uses / self._half
        self._counts[key] = now + log2(1 + exp2(self._counts.get(key, -inf) - now))

    def end_turn(self) -> None:
        """What is used from now on, is used again."""
        self._turn.clear()

    def forget(self, key: str) -> None:
        """An adapter is neither in a slot nor in host memory any more."""
        self._counts.pop(key, None)

    def rarest(self, keys: Iterable[str]) -> list[str]:
        """Keys by their count, the smallest first."""
        return sorted(keys, key=lambda key: self._counts.get(key, -inf))
