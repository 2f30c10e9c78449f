"""How far apart two adapters' weights are, module by module.

A LoRA adapter changes a layer by D = scaling * B A, which has the layer's own shape, and is never formed here: of two
such changes, of any two ranks r1 and r2, the inner product needs products of r1 x r2 numbers only,

    <s1 B1 A1, s2 B2 A2>  =  s1 s2 sum( (B1^T B2) * (A1 A2^T) )      since <B1 A1, B2 A2> = tr(A1^T B1^T B2 A2)

and norms, distance and cosine follow from three of them. In float64; a distance below 1e-8 of the norms is rounding.
Prefixes and heads are compared number by number, a head's rows by their labels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from adapters import Adapter, BaseId, Lora
from adapters.format import PrefixShape, head_names

_A, _B = ".lora_A.weight", ".lora_B.weight"


@dataclass(frozen=True)
class Products:
    """Inner products of what two adapters do to one module: of the first with itself, of both, of the second."""

    aa: float
    ab: float
    bb: float

    def __add__(self, other: "Products") -> "Products":
        return Products(self.aa + other.aa, self.ab + other.ab, self.bb + other.bb)


@dataclass(frozen=True)
class Distance:
    """One module. a, b: Frobenius norms of the two changes; difference: the norm of theirs by `a`, None where that is
    0; cosine: 1 where both change it in the same direction, None where one of them does not change it."""

    module: str
    a: float
    b: float
    difference: float | None
    cosine: float | None

    @classmethod
    def of(cls, module: str, found: Products) -> "Distance":
        """From the inner products."""
        a, b = sqrt(found.aa), sqrt(found.bb)
        apart = sqrt(max(0.0, found.aa + found.bb - 2 * found.ab))
        return cls(module, a, b, apart / a if a else None, found.ab / (a * b) if a and b else None)


@dataclass(frozen=True)
class Distances:
    """modules: in the order of their names; total: all of them together, as one vector; head: apart, since its numbers
    are of another kind. incomparable: what could not be compared, and why."""

    modules: tuple[Distance, ...]
    total: Distance | None
    head: Distance | None
    incomparable: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def distances(a: Adapter, b: Adapter) -> Distances:
    """Every module that one of two adapters changes; one that leaves it as it is counts as a change of zero there."""
    body: Mapping[str, Products] = {}
    head: Products | None = None
    incomparable = []
    try:
        body = _body(a, b)
    except _Incomparable as reason:
        incomparable.append(str(reason))
    try:
        head = _heads(a, b)
    except _Incomparable as reason:
        incomparable.append(str(reason))
    return Distances(
        tuple(Distance.of(module, products) for module, products in body.items()),
        Distance.of("all", sum(body.values(), Products(0.0, 0.0, 0.0))) if body else None,
        Distance.of("head", head) if head else None,
        tuple(incomparable),
    )


class _Incomparable(Exception):
    """Why two things have no distance."""


def _body(a: Adapter, b: Adapter) -> Mapping[str, Products]:
    if a.method.name != b.method.name:
        raise _Incomparable(f"weights: a {a.method.name} and a {b.method.name} adapter are not comparable")
    if _other_base(a.base, b.base):
        raise _Incomparable(
            "weights: made for different bases, on which they change different weights; not comparable"
        )
    if isinstance(a.method, Lora) and isinstance(b.method, Lora):
        if a.method.dora:
            raise _Incomparable(
                "weights: DoRA's lengths act on the base's weights, which a hub does not have; not comparable"
            )
        return dict(_lora(_Terms(a, a.method), _Terms(b, b.method)))
    return dict(_prefix(a, b))


def _other_base(a: BaseId, b: BaseId) -> bool:
    """Fingerprints decide; an adapter that stock PEFT made has none, and then the ids do."""
    if a.fingerprint and b.fingerprint:
        return a.fingerprint != b.fingerprint
    return a.id != b.id


class _Terms:
    """The low-rank terms of an adapter, by module path, in float64 with their scaling in B."""

    def __init__(self, adapter: Adapter, method: Lora) -> None:
        self._tensors = adapter.tensors
        self._method = method
        self.stems = {
            name.removeprefix("base_model.model.").removesuffix(_A): name.removesuffix(_A)
            for name in adapter.tensors
            if name.endswith(_A)
        }

    def term(self, path: str) -> tuple[Tensor, Tensor] | None:
        """A `[rank, in]` and B `[out, rank]` of a module; None where the adapter leaves it as it is."""
        if path not in self.stems:
            return None
        stem = self.stems[path]
        b = self._tensors[stem + _B].double() * self._method.scaling_of(path)
        return self._tensors[stem + _A].double(), b


def _lora(a: _Terms, b: _Terms) -> Iterator[tuple[str, Products]]:
    for path in sorted({*a.stems, *b.stems}):
        one, other = a.term(path), b.term(path)
        if one and other and (one[0].shape[1], one[1].shape[0]) != (other[0].shape[1], other[1].shape[0]):
            raise _Incomparable(f"weights: {path} has other sizes in the two; not comparable")
        yield path, Products(_inner(one, one), _inner(one, other), _inner(other, other))


def _inner(one: tuple[Tensor, Tensor] | None, other: tuple[Tensor, Tensor] | None) -> float:
    """<B1 A1, B2 A2>, as the module's first lines say."""
    if one is None or other is None:
        return 0.0
    (a1, b1), (a2, b2) = one, other
    return float(((b1.T @ b2) * (a1 @ a2.T)).sum())


def _prefix(a: Adapter, b: Adapter) -> Iterator[tuple[str, Products]]:
    """Keys and values of each layer, `[length, layers * 2 * kv_heads * head_dim]` in the file."""
    one, other = a.tensors["prompt_embeddings"], b.tensors["prompt_embeddings"]
    if one.shape != other.shape:
        raise _Incomparable(
            f"weights: prefixes of {list(one.shape)} and {list(other.shape)} numbers are not comparable"
        )
    shape = PrefixShape.of(a.info)
    if shape is None or one.shape[1] % (2 * shape.layers):
        yield "prefix", _products(one, other)
        return
    layers = (tensor.chunk(shape.layers, 1) for tensor in (one, other))
    for layer, parts in enumerate(zip(*layers, strict=True)):
        for kind, mine, theirs in zip(("keys", "values"), *(part.chunk(2, 1) for part in parts), strict=True):
            yield f"layers.{layer}.{kind}", _products(mine, theirs)


def _heads(a: Adapter, b: Adapter) -> Products | None:
    if a.head is None and b.head is None:
        return None
    if a.head is None or b.head is None:
        raise _Incomparable("head: only one of them has one")
    if {*a.head.labels} != {*b.head.labels} or len(a.head.labels) != len(b.head.labels):
        raise _Incomparable("head: they have different labels")
    if a.head.pooling != b.head.pooling:
        raise _Incomparable(
            f"head: one reads the {a.head.pooling} of the hidden states, one the {b.head.pooling}"
        )
    order = [b.head.labels.index(label) for label in a.head.labels]
    one, other = _head(a), _head(b)
    if [part.shape for part in one] != [part.shape for part in other]:
        sizes = [[list(part.shape) for part in head] for head in (one, other)]
        raise _Incomparable(f"head: {sizes[0]} and {sizes[1]} numbers are not comparable")
    last, *before = other
    return _products(_flat(one), _flat([last[order], *before]))


def _head(adapter: Adapter) -> list[Tensor]:
    """`[labels, width]`, with a last column for the bias where there is one, and the same of a layer before it."""
    names = head_names(adapter.tensors)
    assert names is not None
    layers = [(names.weight, names.bias), (names.dense, names.dense_bias)]
    return [
        torch.cat([adapter.tensors[weight], *([adapter.tensors[bias][:, None]] if bias else [])], dim=1)
        for weight, bias in layers
        if weight
    ]


def _flat(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([part.flatten() for part in parts])


def _products(a: Tensor, b: Tensor) -> Products:
    one, other = a.double().flatten(), b.double().flatten()
    return Products(float(one @ one), float(one @ other), float(other @ other))
