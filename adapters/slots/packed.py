"""An adapter made ready for a slot: checked against the base, strictly, and laid out in one buffer.

Pure work on the CPU that any thread may do, so that moving an adapter into a slot is one copy and cannot fail over what
is in the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from adapters.base.base import Base
from adapters.base.quantization import plain_weight
from adapters.format.config import Adapter, Lora
from adapters.format.names import TABLE
from adapters.format.soundness import LoraTerm, check_fit
from adapters.slots.heads import HeadWeights, head_weights
from adapters.slots.layout import Layout, Term


@dataclass(frozen=True)
class Packed:
    """What a slot takes, in float32 or the slots' own type, on the CPU (pinned where the slots lie on a GPU).

    Attributes:
        adapter: what it is; its tensors only where they are to be trained.
        layout: of the low-rank terms; None for a prefix.
        lora: the low-rank terms, `[layout.size]`.
        terms: names of their tensors by the path of the layer, where they are to be trained; their scaling is not
            folded into `lora` then.
        prefix: `[length, width]`.
        prefix_length: positions that it takes, 0 without one.
        head: None for adapters that write.
    """

    adapter: Adapter
    layout: Layout | None = None
    lora: Tensor | None = None
    terms: Mapping[str, LoraTerm] = field(default_factory=dict)
    prefix: Tensor | None = None
    prefix_length: int = 0
    head: HeadWeights | None = None

    @property
    def size(self) -> int:
        """Bytes of the buffers."""
        return sum(t.numel() * t.element_size() for t in (self.lora, self.prefix) if t is not None)

    def bare(self) -> "Packed":
        """Without the buffers: what is to be known of an adapter that lies in a slot."""
        return replace(self, lora=None, prefix=None)


def pack(adapter: Adapter, base: Base, dtype: torch.dtype, trains: bool = False) -> Packed:
    """Check an adapter against the base and lay it out.

    Args:
        adapter: with its tensors, on the CPU.
        base: that it will run on.
        dtype: of the slots.
        trains: leave the weights as PEFT has them.

    Returns:
        What `Slots.put` copies into a slot.

    Raises:
        WrongBase: it was made for another base.
        BadAdapter: with every tensor that does not fit.
    """
    terms = check_fit(adapter, base)
    pin = base.device.type == "cuda"
    packed = Packed(
        adapter if trains else replace(adapter, tensors={}),
        head=head_weights(adapter, base.config.model_type, dtype),
    )
    if not isinstance(adapter.method, Lora):
        table = adapter.tensors[TABLE].to(dtype, copy=True)
        return replace(packed, prefix=table.pin_memory() if pin else table, prefix_length=len(table))
    layout, buffer = raw_lora(adapter, terms, base)
    buffer, _ = with_factors(layout, buffer, terms, base)
    if not trains:
        _fold(layout, buffer, terms)
    buffer = buffer.to(dtype)
    return replace(
        packed, layout=layout, lora=buffer.pin_memory() if pin else buffer, terms=terms if trains else {}
    )


def layout_of(adapter: Adapter, terms: Mapping[str, LoraTerm], base: Base) -> Layout:
    """How an adapter's low-rank terms are laid out."""
    shares = []
    for path, term in terms.items():
        linear = base.linears[path]
        rank = adapter.tensors[term.a].shape[0]
        shares.append(Term(path, rank, linear.in_features, linear.out_features, term.magnitude is not None))
    return Layout.of(shares, base.input_groups)


def raw_lora(adapter: Adapter, terms: Mapping[str, LoraTerm], base: Base) -> tuple[Layout, Tensor]:
    """One buffer `[layout.size]` with A and the transposed B of every layer as they are in the file, and with DoRA's
    magnitudes where its factors will be."""
    layout = layout_of(adapter, terms, base)
    buffer = torch.empty(layout.size)
    for series in layout.series:
        own = [terms[place.term.path] for place in series.places]
        a, b, gain = series.views(buffer)
        torch.stack([adapter.tensors[term.a] for term in own], out=a)
        torch.stack([adapter.tensors[term.b] for term in own], out=b.transpose(1, 2))
        if gain is not None:
            torch.stack([adapter.tensors[term.magnitude or ""] for term in own], out=gain)
    return layout, buffer


def with_factors(
    layout: Layout, buffer: Tensor, terms: Mapping[str, LoraTerm], base: Base
) -> tuple[Tensor, dict[str, Tensor]]:
    """A `raw_lora` buffer with DoRA's factors less 1 where its magnitudes were, and the norms `[out]` by path;
    one without DoRA as it is.

    A factor is a magnitude over the norm of its row of W + scaling B A (Liu et al. 2024, arXiv:2402.09353).
    """
    norms: dict[str, Tensor] = {}
    if not any(term.magnitude for term in terms.values()):
        return buffer, norms
    buffer = buffer.clone()
    for path, weights in layout.views(buffer[None]).items():
        if weights.gain is not None:
            a, b = weights.a[0], weights.b[0]
            weight = plain_weight(base.linears[path]).to(a.device, a.dtype)
            moved = torch.addmm(weight, b.T, a, alpha=terms[path].scaling)
            norms[path] = torch.linalg.norm(moved, dim=1)
            weights.gain[0] = weights.gain[0] / norms[path] - 1
    return buffer, norms


def _fold(layout: Layout, buffer: Tensor, terms: Mapping[str, LoraTerm]) -> None:
    """Multiply B by its scaling and DoRA's factor, so that nothing is left to do at each step."""
    for series in layout.series:
        _, b, gain = series.views(buffer)
        scaling = torch.tensor([terms[place.term.path].scaling for place in series.places])[:, None, None]
        b *= scaling if gain is None else scaling * (1 + gain[:, None])
