"""What the base untouched makes of rows, for the figures that a trained adapter is held against: what it said before,
and the baseline on its vectors. Who asks for the same rows again, in the same job or in another of the run, gets what
was read the first time.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters import Base
from adapters.format import Pooling
from adapters.serving import Sampling
from adapters.slots import Slots
from recipes.learn.encode import EncodedRow
from recipes.learn.predict import all_states, copy_losses, texts

_MOST = 256 * 2**20  # bytes; the same on all machines, so that processes that share a base read the same rows
_SMALL = 200  # bytes of a loss or a text, about


class Untouched:
    """Asks the base alone, once for the same rows.

    What is kept are the answers of all rows that were asked for together: which rows share a forward shows in the last
    bit, and a run that goes on after a kill finds what it would have found.

    Args:
        base: that answers.
        slots: on that base.
        most: bytes that are kept; what was asked for longest ago goes first.
    """

    def __init__(self, base: Base, slots: Slots, most: int = _MOST) -> None:
        self.base, self.slots, self._most = base, slots, most
        self._kept: OrderedDict[bytes, tuple[Any, int]] = OrderedDict()

    def states(self, rows: Sequence[EncodedRow], pooling: Pooling = "mean") -> NDArray[np.float64]:
        """The last hidden states, one vector a row: `[rows, width]`."""
        ids = [row.ids for row in rows]
        found = self._recall("states", pooling, ids)
        if found is None:
            # Whatever a head reads, a baseline asks for the means of the same rows.
            each = all_states(self.base, self.slots, rows, None, dict.fromkeys(("mean", pooling)))
            for name, vectors in each.items():
                self._keep(vectors, vectors.nbytes, "states", name, ids)
            found = each[pooling]
        return np.asarray(found, dtype=np.float64)

    def copy_losses(self, rows: Sequence[EncodedRow]) -> list[tuple[float, int]]:
        """As `predict.copy_losses`."""
        about = "losses", [(row.ids, row.target) for row in rows]
        found: list[tuple[float, int]] | None = self._recall(*about)
        if found is None:
            found = copy_losses(self.base, self.slots, None, rows)
            self._keep(found, _SMALL * len(found), *about)
        return found

    def texts(self, prompts: Sequence[Sequence[int]], sampling: Sequence[Sampling]) -> list[str]:
        """As `predict.texts`."""
        about = "texts", [tuple(prompt) for prompt in prompts], sampling
        found: list[str] | None = self._recall(*about)
        if found is None:
            found = texts(self.base, self.slots, None, prompts, sampling)
            self._keep(found, sum(_SMALL + len(text) for text in found), *about)
        return found

    def _recall(self, *about: object) -> Any:
        key = _digest(about)
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def _keep(self, found: Any, size: int, *about: object) -> None:
        self._kept[_digest(about)] = found, size
        while sum(size for _, size in self._kept.values()) > self._most:
            self._kept.popitem(last=False)


def _digest(about: object) -> bytes:
    return hashlib.blake2b(repr(about).encode(), digest_size=16).digest()
