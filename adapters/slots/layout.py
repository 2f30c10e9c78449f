"""How a slot's buffer is divided among the layers: the low-rank terms of all of them lie side by side.

    [ A q | A k | A v | B q | B k | B v | A o | B o | ... | A down | B down ]
      `------- group: read the same input ------'

B lies transposed. The same layer of every block lies at even distances, so that what is done with all q, say, is one
operation on a view, a `Series`.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, chain, groupby
from typing import NamedTuple

from torch import Tensor

from adapters.kernels.plan import InputGroup, Weights

_BLOCK = re.compile(r"\b\d+\b")
"""The number of a block in a layer's path."""


@dataclass(frozen=True)
class Term:
    """One linear layer's share of a slot.

    Attributes:
        path: of the layer.
        rank: of its low-rank term.
        inputs, outputs: the layer's width on either side.
        gain: whether there is room for DoRA's factor on each output.
    """

    path: str
    rank: int
    inputs: int
    outputs: int
    gain: bool


class Place(NamedTuple):
    """Where a term lies in a slot's buffer.

    Attributes:
        term: the term.
        a, b, gain: its first numbers; gain is the one behind B where there is no room for a gain.
    """

    term: Term
    a: int
    b: int
    gain: int


class Series(NamedTuple):
    """Like terms at even distances, such as q of all blocks: what is done to all of them is one operation.

    Attributes:
        places: of the terms.
        step: from one to the next.
    """

    places: tuple[Place, ...]
    step: int

    def views(self, buffer: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """A `[terms, rank, in]`, B `[terms, rank, out]` and, with room for it, gain `[terms, out]` in a buffer
        `[size]`."""
        first, start = self.places[0], buffer.storage_offset()
        rank, inputs, outputs = first.term.rank, first.term.inputs, first.term.outputs

        def cut(at: int, *shape: int) -> Tensor:
            size, strides = (len(self.places), *shape), (self.step, *shape[1:], 1)
            return buffer.as_strided(size, strides, start + at)

        gain = cut(first.gain, outputs) if first.term.gain else None
        return cut(first.a, rank, inputs), cut(first.b, rank, outputs), gain


@dataclass(frozen=True)
class Layout:
    """How a slot's buffer is divided. Terms of layers that read the same input are one group."""

    groups: tuple[tuple[Term, ...], ...] = ()

    @classmethod
    def of(cls, terms: Iterable[Term], input_groups: Mapping[str, str]) -> "Layout":
        """In the base's own order; `input_groups` names for each layer the first one that reads the same input."""
        own = {term.path: term for term in terms}
        ordered = [own[path] for path in input_groups if path in own]
        groups = groupby(ordered, key=lambda term: input_groups[term.path])
        return _known(cls(tuple(tuple(group) for _, group in groups)))

    @cached_property
    def size(self) -> int:
        """Numbers of one slot."""
        return sum(t.rank * (t.inputs + t.outputs) + (t.outputs if t.gain else 0) for t in self.terms)

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Of all groups."""
        return tuple(term for group in self.groups for term in group)

    @cached_property
    def rank(self) -> int:
        """The highest."""
        return max((term.rank for term in self.terms), default=0)

    def join(self, other: "Layout", input_groups: Mapping[str, str]) -> "Layout":
        """The smallest layout that has room for both."""
        found = {term.path: term for term in self.terms}
        for new in other.terms:
            own = found.get(new.path, new)
            rank, gain = max(own.rank, new.rank), own.gain or new.gain
            found[new.path] = Term(new.path, rank, new.inputs, new.outputs, gain)
        return Layout.of(found.values(), input_groups)

    @cached_property
    def places(self) -> tuple[tuple[Place, ...], ...]:
        """Where the terms of each group lie."""
        found, at = [], 0
        for terms in self.groups:
            a, at = at, at + sum(term.rank for term in terms) * terms[0].inputs
            own = []
            for term in terms:
                gain = at + term.rank * term.outputs
                own.append(Place(term, a, at, gain))
                a, at = a + term.rank * term.inputs, gain + (term.outputs if term.gain else 0)
            found.append(tuple(own))
        return tuple(found)

    @cached_property
    def series(self) -> tuple[Series, ...]:
        """All terms, in as few series as they make."""
        alike: dict[tuple[object, ...], list[Place]] = {}
        for place in chain(*self.places):
            own = place.term
            kind = (_BLOCK.sub("", own.path), own.rank, own.inputs, own.outputs, own.gain)
            alike.setdefault(kind, []).append(place)
        return tuple(chain(*map(_evenly, alike.values())))

    def views(self, buffer: Tensor) -> dict[str, Weights]:
        """Each layer's part of a buffer `[slots, size]`, by its path."""
        found, slots = {}, buffer.shape[0]

        def cut(at: int, *shape: int) -> Tensor:
            return buffer[:, at : at + math.prod(shape)].view(slots, *shape)

        for places in self.places:
            (first, start, *_), ranks = places[0], [place.term.rank for place in places]
            shared = InputGroup(cut(start, sum(ranks), first.inputs), max(ranks), first.path)
            for (term, _, b, gain), end in zip(places, accumulate(ranks), strict=True):
                own = slice(end - term.rank, end)
                found[term.path] = Weights(
                    shared,
                    own,
                    shared.a[:, own],
                    cut(b, term.rank, term.outputs),
                    cut(gain, term.outputs) if term.gain else None,
                )
        return found


@lru_cache(maxsize=64)
def _known(layout: Layout) -> Layout:
    """The first layout that was equal to this one: adapters of one recipe share what follows from theirs."""
    return layout


def _evenly(places: Sequence[Place]) -> Iterator[Series]:
    """Like terms, cut where the distance from one to the next changes."""
    run: list[Place] = []
    step = 0
    for place in places:
        if run:
            own = place.a - run[-1].a
            if own != place.b - run[-1].b or (len(run) > 1 and own != step):
                yield Series(tuple(run), step)
                run, own = [], 0
            step = own
        run.append(place)
    yield Series(tuple(run), step)
