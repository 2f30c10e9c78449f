"""LoRA rows: what a row's own low-rank term adds to a linear layer of the base.

The base product runs once over all rows, so that a quantized weight is unpacked once a batch. Then each row adds
`scaling * B (A x)` from stacked `A [slots, rank, in]` and `B [slots, out, rank]`:

    rows    0 0 0 0 0 0 2 2 2 2      few long segments:   one product each
    rows    4 1 7 0 - 3 5 2 6 8      many single rows:    gather A and B by row, one batched product
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from adapters.config import Adapter, Lora
from adapters.errors import BadAdapter
from adapters.rows import Segment


@dataclass(frozen=True)
class Dropout:
    """A job's own dropout on the inputs of its low-rank terms, drawn from its own stream."""

    share: float
    generator: torch.Generator


@dataclass(frozen=True)
class LoraRows:
    """The plan of one step. index: `[rows]`, the empty slot for rows without LoRA."""

    segments: Sequence[Segment]
    index: Tensor
    dropout: Mapping[int, Dropout]

    @property
    def gathered(self) -> bool:
        """Whether rows are mostly single: then one gathered product beats one product per segment."""
        return 2 * len(self.segments) > len(self.index) and not self.dropout


class LoraLayer:
    """The low-rank terms of all slots for one linear layer.

    a: `[slots + 1, rank, in]`, b: `[slots + 1, out, rank]`, scaling: `[slots + 1]`. Ranks below the stack's are padded
    with zeros. The last slot stays zero: it is the slot of rows without LoRA, and a slot whose adapter does not touch
    this layer is zero too, so that both add exactly nothing. Stacks grow when a higher rank arrives.
    """

    def __init__(self, linear: nn.Linear, slots: int, device: torch.device, dtype: torch.dtype) -> None:
        self.shape = (linear.out_features, linear.in_features)
        self.a = torch.zeros(slots + 1, 0, linear.in_features, device=device, dtype=dtype)
        self.b = torch.zeros(slots + 1, linear.out_features, 0, device=device, dtype=dtype)
        self.scaling = torch.zeros(slots + 1, device=device, dtype=dtype)
        self.rows: LoraRows | None = None
        self.handle: RemovableHandle = linear.register_forward_hook(self._add)

    def load(self, slot: int, a: Tensor, b: Tensor, scaling: float) -> None:
        """Copy one adapter's `a [rank, in]` and `b [out, rank]` into a slot."""
        rank, have = a.shape[0], self.a.shape[1]
        if rank > have:
            trains = self.a.requires_grad
            self.a = nn.functional.pad(self.a.detach(), (0, 0, 0, rank - have)).requires_grad_(trains)
            self.b = nn.functional.pad(self.b.detach(), (0, rank - have)).requires_grad_(trains)
        self.clear(slot)
        with torch.no_grad():
            self.a[slot, :rank] = a.to(self.a.device, self.a.dtype)
            self.b[slot, :, :rank] = b.to(self.b.device, self.b.dtype)
            self.scaling[slot] = scaling

    def clear(self, slot: int) -> None:
        """Zero a slot."""
        with torch.no_grad():
            self.a[slot].zero_()
            self.b[slot].zero_()
            self.scaling[slot] = 0.0

    def _add(self, _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        if self.rows is None:
            return None
        x = inputs[0].to(self.a.dtype)
        flat = x.dim() == 2  # an encoder's pooler sees one vector a row
        delta = self._delta(x[:, None] if flat else x, self.rows).to(output.dtype)
        return output + (delta[:, 0] if flat else delta)

    def _delta(self, x: Tensor, rows: LoraRows) -> Tensor:
        """x: `[rows, tokens, in]`; returns `[rows, tokens, out]`."""
        if rows.gathered:
            a, b = self.a.index_select(0, rows.index), self.b.index_select(0, rows.index)
            low = torch.bmm(x, a.transpose(1, 2)) * self.scaling[rows.index, None, None]
            return torch.bmm(low, b.transpose(1, 2))
        a_of, b_of, parts = self.a.unbind(0), self.b.unbind(0), []
        for segment in rows.segments:
            part = x[segment.start : segment.stop]
            if segment.slot is None:
                parts.append(part.new_zeros(*part.shape[:2], self.shape[0]))
                continue
            if dropout := rows.dropout.get(segment.slot):
                keep = torch.empty_like(part).bernoulli_(1 - dropout.share, generator=dropout.generator)
                part = part * keep.div_(1 - dropout.share)
            low = (part @ a_of[segment.slot].T) * self.scaling[segment.slot]
            parts.append(low @ b_of[segment.slot].T)
        return parts[0] if len(parts) == 1 else torch.cat(parts)


def lora_terms(adapter: Adapter, linears: Mapping[str, nn.Linear]) -> dict[str, tuple[str, str, float]]:
    """Module path -> (name of A, name of B, scaling) of a LoRA adapter, after checking every name and shape.

    Raises BadAdapter for a tensor that fits nothing in the base, for half a pair, for a wrong shape, and for a
    layer that the adapter's targets name but its weights lack: no row is ever answered silently by the base.
    """
    assert isinstance(adapter.method, Lora)
    terms: dict[str, tuple[str, str, float]] = {}
    problems: list[str] = []
    for name in adapter.tensors:
        if not name.endswith(".lora_A.weight"):
            if not name.endswith(
                (".lora_B.weight", ".score.weight", ".classifier.weight", ".classifier.bias")
            ):
                problems.append(f"{name} is not a LoRA weight")
            continue
        path = module_path(name.removesuffix(".lora_A.weight"), linears)
        other = name.replace(".lora_A.", ".lora_B.")
        if path is None:
            problems.append(f"{name} names a layer that this base does not have")
        elif other not in adapter.tensors:
            problems.append(f"{name} comes without {other}")
        else:
            rank = adapter.method.rank_of(path)
            linear = linears[path]
            for key, shape in ((name, (rank, linear.in_features)), (other, (linear.out_features, rank))):
                if tuple(adapter.tensors[key].shape) != shape:
                    problems.append(f"{key} is {tuple(adapter.tensors[key].shape)}, this base needs {shape}")
            terms[path] = (name, other, adapter.method.scaling_of(path))
    for name in adapter.tensors:
        if name.endswith(".lora_B.weight") and name.replace(".lora_B.", ".lora_A.") not in adapter.tensors:
            problems.append(f"{name} comes without its lora_A")
    if not terms:
        problems.append("it holds no LoRA weights")
    missing = [path for path in linears if adapter.method.covers(path) and path not in terms]
    problems += [f"no weights for {path}, which its targets name" for path in missing]
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
