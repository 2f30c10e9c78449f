"""Reading rows of which some share their first tokens: these once, and then what is each row's own behind them.

    level 1   u u u u u                  the stems that are not known from before, as rows of their own
    level 2   a b c | d e | f g h        all rows, each behind its stem; a row without one from its first token on

A stem's keys and values enter as those of an adapter's prefix do, inside attention, so that nothing is copied for each
row but what its attention reads. The states that come out are those of the plain forward.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adapters.base.attention import View
from adapters.base.base import Base
from adapters.slots.forward_pass import Hidden, forward, pad
from adapters.slots.prefix import PrefixView
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots
from adapters.slots.stems import FEWEST, Stem, Stems, Tokens, shared_stems

_PASS = 64  # tokens that cost as much as a forward of their own
_KEPT = 4  # what one step leaves behind takes at most this part of the room for stems


def of_like_length(lengths: Sequence[int], slack: float = 1 / 4) -> list[list[int]]:
    """Places of lengths, grouped so that padding never costs more than forwards of their own would; shorter ones first,
    and those of a group in order. slack: of a large group's tokens that may be padding."""
    groups: list[list[int]] = []
    padded = 0
    for place in sorted(range(len(lengths)), key=lambda place: lengths[place]):
        length = lengths[place]
        if groups:
            padded += (length - lengths[groups[-1][-1]]) * len(groups[-1])
        if not groups or padded > max(_PASS, slack * length * len(groups[-1])):
            groups.append([])
            padded = 0
        groups[-1].append(place)
    return [sorted(group) for group in groups]


def read(
    base: Base, slots: Slots, sequences: Sequence[Tokens], rows: RowSlots, stems: Stems | None = None
) -> Hidden:
    """As `forward` of whole sequences, with first tokens that rows of one adapter share read once.

    Args:
        base: that runs.
        slots: on that base.
        sequences: token ids of each row, none empty.
        rows: which row uses which slot, those of one side by side.
        stems: what was read before; what is read now is added, as far as there is room.

    Returns:
        Hidden states of every token, padded as `pad` does.

    Raises:
        AdapterError: a row uses a slot in which no adapter is loaded.
    """
    stems = Stems() if stems is None else stems
    return read_behind(base, slots, sequences, rows, stems_of(base, slots, sequences, rows, stems), stems)


def stems_of(
    base: Base, slots: Slots, sequences: Sequence[Tokens], rows: RowSlots, stems: Stems
) -> list[Stem | None]:
    """The stem that each row stands behind, if any: one that is known, or that is read now for several rows.

    Takes what `read` takes.
    """
    if not base.reads_forward:
        return [None] * len(sequences)
    contents = [slots.content(slot) for slot in rows.slots]
    found = [stems.recall(each, ids[:-1]) for each, ids in zip(contents, sequences, strict=True)]
    fresh: list[_Fresh] = []
    for own in _by_content(contents):
        for length, places in shared_stems([sequences[row] for row in own]):
            members = [own[place] for place in places]
            known = max((found[row] for row in members), key=_tokens)
            known = known and known.first(min(len(known.ids), length))
            for row in members:
                if _tokens(found[row]) <= length:
                    found[row] = known
            fresh.append(_Fresh(members, sequences[members[0]][:length], known))
    stems.note(map(_tokens, found))
    fresh = [each for each in fresh if each.spares >= FEWEST]
    spared = sum(each.spares for each in fresh)
    if spared <= _PASS:
        return found
    for part in of_like_length([len(each.own) for each in fresh]):
        new = [fresh[place] for place in part]
        first = RowSlots(tuple(rows.slots[each.rows[0]] for each in new))
        noted = _Noted(base, {place: len(each.own) for place, each in enumerate(new)})
        hidden = _pass(base, slots, [each.own for each in new], first, [each.known for each in new], noted)
        for place, each in enumerate(new):
            stem = noted.stem(place, each.ids, each.known or _prefix_stem(slots, first.slots[place]), hidden)
            stems.keep(contents[each.rows[0]], stem)
            for row in each.rows:
                if _tokens(found[row]) < len(stem.ids):
                    found[row] = stem
    stems.shared += spared
    return found


def read_behind(
    base: Base,
    slots: Slots,
    sequences: Sequence[Tokens],
    rows: RowSlots,
    behind: Sequence[Stem | None],
    stems: Stems,
    first_alone: bool = False,
) -> Hidden:
    """Hidden states of whole sequences of which the first tokens are known.

    Takes what `read` takes, and `behind`: the stem of each row, as `stems_of` gives them; `first_alone` as `forward`.
    """
    own = [ids[_tokens(stem) :] for ids, stem in zip(sequences, behind, strict=True)]
    shares = any(stem is not None for stem in behind)
    parts = of_like_length([len(ids) for ids in own]) if shares else [list(range(len(own)))]
    states: Tensor | None = None
    for part in parts:
        of_part = RowSlots(tuple(rows.slots[row] for row in part))
        keeping = worth_keeping(base, [(len(own[row]), _tokens(behind[row])) for row in part], stems)
        noted = _Noted(base, {place: len(own[part[place]]) for place in keeping}) if keeping else None
        hidden = _pass(
            base,
            slots,
            [own[row] for row in part],
            of_part,
            [behind[row] for row in part],
            noted,
            first_alone,
        )
        for place in keeping:
            assert noted is not None
            row, slot = part[place], of_part.slots[place]
            stem = noted.stem(place, sequences[row], behind[row] or _prefix_stem(slots, slot), hidden)
            stems.keep(slots.content(slot), stem)
        if not shares:
            return hidden
        if states is None:
            widest = max(map(len, sequences))
            states = hidden.states.new_zeros(len(sequences), widest, hidden.states.shape[2])
        for place, row in enumerate(part):
            states[row, -len(own[row]) :] = hidden.states[place, -len(own[row]) :]
            if (front := behind[row]) is not None:
                states[row, -len(sequences[row]) : -len(own[row])] = front.states
    assert states is not None
    return Hidden(states, pad(base, sequences).mask)


def worth_keeping(base: Base, rows: Sequence[tuple[int, int]], stems: Stems) -> list[int]:
    """Which rows another step may begin with: those of which most is new, as far as there is room for what one step
    leaves behind.

    Args:
        base: that reads them.
        rows: how many tokens of each are read now, and how many were known.
        stems: that they would be kept among.
    """
    token = sum(2 * layer.kv_heads * layer.head_dim for layer in base.attention) + base.width
    left = stems.room // _KEPT // (token * base.dtype.itemsize) if base.reads_forward else 0
    found = []
    for place, (own, known) in enumerate(rows):
        if FEWEST <= own > known and own + known <= left:
            found.append(place)
            left -= own + known
    return found


@dataclass(frozen=True)
class _Fresh:
    """A stem that is to be read. rows: that share it; ids: its tokens; known: what of it is known already."""

    rows: list[int]
    ids: Tokens
    known: Stem | None

    @property
    def own(self) -> Tokens:
        """The tokens that are not known."""
        return self.ids[_tokens(self.known) :]

    @property
    def spares(self) -> int:
        """How many tokens fewer are read."""
        return len(self.own) * (len(self.rows) - 1)


class _Fronts(Sequence[Tensor]):
    """Stems side by side, `[2, stems, kv_heads, longest, head_dim]` of each layer, made as it is asked for."""

    def __init__(self, stems: Sequence[Stem]) -> None:
        self._stems = stems
        self._longest = max(stem.positions for stem in stems)

    def __len__(self) -> int:
        return len(self._stems[0].layers)

    def __getitem__(self, layer: int) -> Tensor:  # type: ignore[override]
        each = [stem.layers[layer] for stem in self._stems]
        if len(each) == 1:
            return each[0][:, None]
        _, heads, _, size = each[0].shape
        fronts = each[0].new_zeros(2, len(each), heads, self._longest, size)
        for at, own in enumerate(each):
            fronts[:, at, :, : own.shape[2]] = own
        return fronts


class _Noted:
    """A view that notes the keys and values of some rows' own tokens as they go by.

    own: of which rows, and how many tokens each has, padded on the left; inner: what rows see.
    """

    def __init__(self, base: Base, own: Mapping[int, int]) -> None:
        self.inner: View | None = None
        self._order = {layer.module: index for index, layer in enumerate(base.attention)}
        self._own = own
        self._layers: dict[tuple[int, int], Tensor] = {}

    def see(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        window: int | None,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """See `adapters.base.attention.View`."""
        layer = self._order[module]
        for row, own in self._own.items():
            self._layers[row, layer] = torch.stack([key[row, :, -own:], value[row, :, -own:]])
        if self.inner is None:
            return key, value, mask
        return self.inner.see(module, query, key, value, mask, window)

    def stem(self, row: int, ids: Tokens, before: Stem | None, hidden: Hidden) -> Stem:
        """What was noted of a row, behind what it stood behind."""
        layers = [self._layers[row, layer] for layer in range(len(self._order))]
        states = hidden.states[row, -self._own[row] :]
        if before is None:
            return Stem(ids, layers, states.clone())
        joined = [torch.cat(pair, dim=2) for pair in zip(before.layers, layers, strict=True)]
        return Stem(ids, joined, torch.cat([before.states.to(states), states]))


def _pass(
    base: Base,
    slots: Slots,
    own: Sequence[Tokens],
    rows: RowSlots,
    behind: Sequence[Stem | None],
    noted: _Noted | None,
    first_alone: bool = False,
) -> Hidden:
    """One forward of each row's own tokens, behind its stem."""
    fronts = list(behind)
    if any(stem is not None for stem in behind):
        fronts = [s or _prefix_stem(slots, slot) for s, slot in zip(behind, rows.slots, strict=True)]

    def view(positions: Tensor) -> View | None:
        inner: View | None = _view(base, fronts, positions) or slots.prefix_view(rows, positions)
        if noted is None:
            return inner
        noted.inner = inner
        return noted

    starts = [
        slots.prefix_length(slot) if stem is None else stem.positions
        for stem, slot in zip(behind, rows.slots, strict=True)
    ]
    return forward(base, slots, pad(base, own), rows, starts=starts, view=view, first_alone=first_alone)


def _view(base: Base, fronts: Sequence[Stem | None], positions: Tensor) -> PrefixView | None:
    """What rows see in front of their own tokens, `[rows, tokens]`; None where no row has anything there."""
    numbers = {stem: number for number, stem in enumerate(dict.fromkeys(s for s in fronts if s is not None))}
    if not numbers:
        return None
    device = positions.device
    front = torch.tensor([0 if stem is None else numbers[stem] for stem in fronts], device=device)
    lengths = torch.tensor([0 if stem is None else stem.positions for stem in fronts], device=device)
    visible = torch.arange(int(lengths.max()), device=device) < lengths[:, None]
    order = {layer.module: index for index, layer in enumerate(base.attention)}
    return PrefixView(order, _Fronts(list(numbers)), visible, positions, front)


def _prefix_stem(slots: Slots, slot: int | None) -> Stem | None:
    """An adapter's own prefix, as a stem without tokens."""
    prefix = slots.prefix(slot)
    return None if prefix is None else Stem((), prefix.unbind(), prefix.new_zeros(0, slots.base.width))


def _by_content(contents: Sequence[Hashable]) -> list[list[int]]:
    """The rows of each adapter."""
    found: dict[Hashable, list[int]] = {}
    for row, content in enumerate(contents):
        found.setdefault(content, []).append(row)
    return list(found.values())


def _tokens(stem: Stem | None) -> int:
    return 0 if stem is None else len(stem.ids)
