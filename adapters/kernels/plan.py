"""What the kernels are told: one layer's weights of all slots, and the plan of one step's rows, shared by all
layers."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby

import torch
from torch import Tensor

_ROOMY = 1.25  # places of a grid for each row, at the most


@dataclass(frozen=True)
class InputGroup:
    """Layers that read the same input, such as q, k and v: their A lie side by side, so that one product serves them
    all.

    Attributes:
        a: of all of them, `[slots, ranks, in]`.
        rank: the highest of one layer.
        name: of the first layer.
    """

    a: Tensor
    rank: int
    name: str


@dataclass
class Weights:
    """One layer's low-rank terms of all slots.

    Attributes:
        group: the layers that read the same input.
        at: this layer's ranks in `group.a`.
        a: `[slots, rank, in]`, a view of `group.a`.
        b: `[slots, rank, out]`.
        gain: what DoRA multiplies the base's output by, less 1, `[slots, out]`; None where no slot has DoRA.
        scaling: `[slots]`. In serving it is None: it is folded into b, and so is DoRA's factor. In training `group.a`,
            `b` and `gain` hold their gradients.
    """

    group: InputGroup
    at: slice
    a: Tensor
    b: Tensor
    gain: Tensor | None = None
    scaling: Tensor | None = None


@dataclass(frozen=True)
class Segment:
    """Consecutive rows that use one slot.

    Attributes:
        slot: None for the base alone.
        start, stop: the first row, and the one behind the last.
    """

    slot: int | None
    start: int
    stop: int


@dataclass(frozen=True)
class Dropout:
    """Dropout on the inputs of one slot's low-rank terms: each row's own stream, drawn from its key.

    What a row draws depends on its key and on the layer alone: not on its neighbours, its padding or the pass that it
    runs in, nor on how often it is drawn (gradient checkpointing draws twice).

    Attributes:
        share: of the inputs that are dropped, 0 to 1.
        keys: of the slot's rows in order, 64 bits each.
        lengths: tokens of the same rows, without padding.
        left: whether rows are padded on the left.
    """

    share: float
    keys: tuple[int, ...]
    lengths: tuple[int, ...]
    left: bool


@dataclass(frozen=True)
class Grid:
    """Rows laid out by slot, for slots that lie side by side but are used in no order: each slot has so many places.

        rows    2 0 2 1        slots 0 to 2, two places each        1 . | 3 . | 0 2

    Attributes:
        slots: the slots.
        sources: the row of each place, `[slots * places]`; any row where a place is empty.
        places: the place of each row, `[rows]`.
    """

    slots: slice
    sources: Tensor
    places: Tensor


@dataclass(frozen=True)
class Tiles:
    """Runs of tokens that share a slot, as the CUDA kernels take them; rows lie one behind the other.

    Attributes:
        slots: of each tile, `[tiles]`.
        starts, stops: its first token, and the one behind its last, `[tiles]`.
        block: the most tokens of one.
    """

    slots: Tensor
    starts: Tensor
    stops: Tensor
    block: int


class Scratch:
    """What layers hand on to the next one within a step: memory for gathered weights (fresh memory for each layer would
    cost more in page faults than the gathering), and the product that layers with the same input share."""

    def __init__(self) -> None:
        self._rooms: list[Tensor | None] = [None, None]
        self._last: tuple[InputGroup, Tensor, Tensor] | None = None

    def take(self, *shape: int, like: Tensor) -> Tensor:
        """A tensor with undefined contents, valid until the take after next: a layer gathers its A and its B."""
        self._rooms.reverse()
        room, size = self._rooms[0], math.prod(shape)
        if room is None or room.numel() < size:
            with torch.inference_mode(False):
                room = self._rooms[0] = like.new_empty(size)
        return room[:size].view(shape)

    def shared(self, group: InputGroup, x: Tensor, product: Callable[[], Tensor]) -> Tensor:
        """The product of a group with its input `x`, computed by the first layer that asks."""
        if self._last is None or self._last[0] is not group or self._last[1] is not x:
            self._last = (group, x, product())
        return self._last[2]

    def forget(self) -> None:
        """At the end of a step: let the last input go."""
        self._last = None


@dataclass(frozen=True)
class LoraRows:
    """The plan of one step.

    Attributes:
        segments: runs of rows with one slot, all rows in order.
        empty: the slot of zeros.
        rank: the highest of the slots in use.
        device: of the rows.
        scratch: what the layers of the step share.
        dropout: by slot.
        dora: whether any of the slots in use has DoRA.
        tiles: one of each row, where the slots are told by a tensor that is filled before each step, and nothing may
            depend on which they are; `segments` then only says how many rows there are.
    """

    segments: Sequence[Segment]
    empty: int
    rank: int
    device: torch.device
    scratch: Scratch
    dropout: Mapping[int, Dropout] = field(default_factory=dict)
    dora: bool = False
    tiles: Tiles | None = None

    @property
    def count(self) -> int:
        """All rows."""
        return self.segments[-1].stop

    @cached_property
    def active(self) -> list[Segment]:
        """The segments with LoRA."""
        return [segment for segment in self.segments if segment.slot is not None]

    @cached_property
    def range(self) -> slice:
        """The rows from the first with LoRA to the last."""
        return slice(self.active[0].start, self.active[-1].stop)

    @cached_property
    def slots(self) -> list[int]:
        """The slot of each row in `range`, rows without LoRA pointing at the empty one."""
        inner = [s for s in self.segments if self.range.start <= s.start < self.range.stop]
        return [self.empty if s.slot is None else s.slot for s in inner for _ in range(s.start, s.stop)]

    @cached_property
    def index(self) -> Tensor:
        """`slots` on the device."""
        return self.tiles.slots if self.tiles else torch.tensor(self.slots, device=self.device)

    @cached_property
    def block(self) -> int:
        """How many rows of one slot are taken as one: as many as divide all segments of `range`."""
        return math.gcd(*(len(list(run)) for _, run in groupby(self.slots)))

    @cached_property
    def blocks(self) -> slice | Tensor:
        """The slot of each block, as an index: a slice where they are consecutive ones in order."""
        slots = self.slots[:: self.block]
        return _consecutive(slots) or torch.tensor(slots, device=self.device)

    @cached_property
    def grid(self) -> Grid | None:
        """`range` laid out by slot, where that leaves few places empty: then x is moved in the place of weights."""
        first, last = min(self.slots), max(self.slots)
        count = Counter(self.slots)
        most = max(count.values())
        if (last - first + 1) * most > _ROOMY * len(self.slots):
            return None
        sources, places = [0] * ((last - first + 1) * most), []
        for row, slot in enumerate(self.slots):
            count[slot] -= 1
            places.append((slot - first) * most + count[slot])
            sources[places[-1]] = row
        return Grid(
            slice(first, last + 1),
            torch.tensor(sources, device=self.device),
            torch.tensor(places, device=self.device),
        )

    @cached_property
    def span(self) -> slice | None:
        """The slots themselves, where the rows use consecutive ones in order: then nothing need be gathered."""
        if self.tiles:
            return None
        return _consecutive(self.slots)


def _consecutive(slots: list[int]) -> slice | None:
    """The slots as a slice, where they are side by side and in order."""
    found = slice(slots[0], slots[0] + len(slots))
    return found if slots == list(range(found.start, found.stop)) else None
