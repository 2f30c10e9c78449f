"""An adapter made ready for a slot: checked against the base, strictly, and laid out in one buffer.

Pure work on the CPU that any thread may do, so that moving an adapter into a slot is one copy and cannot fail over what
is in the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from adapters.base.base import Base, plain_weight
from adapters.errors import BadAdapter, WrongBase
from adapters.format.config import Adapter, BaseId, Lora
from adapters.slots.heads import HeadWeights, head_weights
from adapters.slots.lora import Layout, Term
from adapters.slots.prefix import prefix_table

_MAGNITUDE = ".lora_magnitude_vector"


@dataclass(frozen=True)
class Packed:
    """What a slot takes, in float32 or the slots' own type, on the CPU (pinned where the slots lie on a GPU).

    adapter: what it is; its tensors only where they are to be trained. layout, lora: the low-rank terms,
    `[layout.size]`; scaling: by layer, where it is not folded into `lora`; prefix: `[length, width]`.
    """

    adapter: Adapter
    layout: Layout | None = None
    lora: Tensor | None = None
    scaling: Mapping[str, float] = field(default_factory=dict)
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


@dataclass(frozen=True)
class LoraTerm:
    """Names of the tensors of one layer's term, and its scaling."""

    a: str
    b: str
    magnitude: str | None
    scaling: float


def pack(adapter: Adapter, base: Base, dtype: torch.dtype, trains: bool = False) -> Packed:
    """Check an adapter against the base and lay it out. trains: leave the weights as PEFT has them.

    Raises WrongBase; BadAdapter with every tensor that does not fit.
    """
    check_base(adapter, base)
    pin = base.device.type == "cuda"
    packed = Packed(
        adapter if trains else replace(adapter, tensors={}),
        head=head_weights(adapter, base.width, torch.device("cpu"), dtype),
    )
    if not isinstance(adapter.method, Lora):
        table = prefix_table(adapter, base.attention).to(dtype, copy=True)
        return replace(packed, prefix=table.pin_memory() if pin else table, prefix_length=len(table))
    terms = lora_terms(adapter, base.linears)
    layout, buffer = raw_lora(adapter, terms, base)
    buffer, _ = with_factors(layout, buffer, terms, base)
    if not trains:
        _fold(layout, buffer, terms)
    buffer = buffer.to(dtype)
    scaling = {path: term.scaling for path, term in terms.items()} if trains else {}
    return replace(packed, layout=layout, lora=buffer.pin_memory() if pin else buffer, scaling=scaling)


def check_base(adapter: Adapter, base: Base | BaseId) -> None:
    """Raise WrongBase where an adapter was made for another base. Adapters of stock PEFT carry no fingerprint, and a
    base of which only the configuration is at hand has none: there names and shapes decide."""
    made_for, own = adapter.base, base.fingerprint
    if made_for.fingerprint is not None and own is not None and made_for.fingerprint != own:
        raise WrongBase(
            f"it was made for {made_for.id} (fingerprint {made_for.fingerprint[:12]}), but this base is "
            f"{base.id} (fingerprint {own[:12]}); load that base, or train the adapter on this one"
        )


def lora_terms(adapter: Adapter, linears: Mapping[str, nn.Linear]) -> dict[str, LoraTerm]:
    """The term of each module path of a LoRA adapter, after checking every name and shape.

    Raises BadAdapter for a tensor that fits nothing in the base, for half a pair, for a wrong shape, and for a
    layer that the adapter's targets name but its weights lack: no row is ever answered silently by the base.
    """
    assert isinstance(adapter.method, Lora)
    method, tensors = adapter.method, adapter.tensors
    terms: dict[str, LoraTerm] = {}
    problems: list[str] = []
    for name in tensors:
        if not name.endswith(".lora_A.weight"):
            stem = name.removesuffix(".lora_B.weight").removesuffix(_MAGNITUDE)
            if stem != name and f"{stem}.lora_A.weight" not in tensors:
                problems.append(f"{name} comes without its lora_A")
            elif name.endswith(_MAGNITUDE) and not method.dora:
                problems.append(f"{name} is of DoRA, which its configuration does not name")
            elif stem == name and not name.endswith(
                (".score.weight", ".classifier.weight", ".classifier.bias")
            ):
                problems.append(f"{name} is not a LoRA weight")
            continue
        stem = name.removesuffix(".lora_A.weight")
        path, other, magnitude = module_path(stem, linears), f"{stem}.lora_B.weight", f"{stem}{_MAGNITUDE}"
        if path is None:
            problems.append(f"{name} names a layer that this base does not have")
            continue
        missing = [n for n in (other, magnitude) if n not in tensors and (n == other or method.dora)]
        if missing:
            problems.append(f"{name} comes without {' and '.join(missing)}")
            continue
        rank, linear = method.rank_of(path), linears[path]
        shapes: dict[str, tuple[int, ...]] = {
            name: (rank, linear.in_features),
            other: (linear.out_features, rank),
        }
        if method.dora:
            shapes[magnitude] = (linear.out_features,)
        for key, shape in shapes.items():
            if tuple(tensors[key].shape) != shape:
                problems.append(f"{key} is {tuple(tensors[key].shape)}, this base needs {shape}")
        terms[path] = LoraTerm(name, other, magnitude if method.dora else None, method.scaling_of(path))
    if not terms:
        problems.append("it holds no LoRA weights")
    absent = [path for path in linears if method.covers(path) and path not in terms]
    problems += [f"no weights for {path}, which its targets name" for path in absent]
    if problems:
        shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        raise BadAdapter(
            f"this adapter does not fit the base: {shown}. Train or export it again for this base"
        )
    return terms


def module_path(name: str, linears: Mapping[str, nn.Linear]) -> str | None:
    """The base's path of a tensor name without its ending: `base_model.model.` dropped, an encoder's own
    prefix added.
    """
    path = name.removeprefix("base_model.model.")
    if path in linears:
        return path
    family = next(iter(linears)).split(".")[0]
    return f"{family}.{path}" if f"{family}.{path}" in linears else None


def layout_of(adapter: Adapter, terms: Mapping[str, LoraTerm], base: Base) -> Layout:
    """How an adapter's low-rank terms are laid out."""
    rooms = []
    for path, term in terms.items():
        linear = base.linears[path]
        rank = adapter.tensors[term.a].shape[0]
        rooms.append(Term(path, rank, linear.in_features, linear.out_features, term.magnitude is not None))
    return Layout.of(rooms, base.sources)


def raw_lora(adapter: Adapter, terms: Mapping[str, LoraTerm], base: Base) -> tuple[Layout, Tensor]:
    """One buffer `[layout.size]` with A and the transposed B of every layer as they are in the file, and with DoRA's
    magnitudes in the places of its factors."""
    layout = layout_of(adapter, terms, base)
    buffer = torch.empty(1, layout.size)
    for path, weights in layout.views(buffer).items():
        weights.a[0] = adapter.tensors[terms[path].a]
        weights.b[0] = adapter.tensors[terms[path].b].T
        if weights.gain is not None:
            weights.gain[0] = adapter.tensors[terms[path].magnitude or ""]
    return layout, buffer[0]


def with_factors(
    layout: Layout, buffer: Tensor, terms: Mapping[str, LoraTerm], base: Base
) -> tuple[Tensor, dict[str, Tensor]]:
    """A `raw_lora` buffer with DoRA's factors less 1 in the places of its magnitudes, and the norms `[out]` by path;
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
    for path, weights in layout.views(buffer[None]).items():
        scaling = terms[path].scaling
        weights.b[0] *= scaling if weights.gain is None else scaling * (1 + weights.gain[0])
