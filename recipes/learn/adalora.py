"""AdaLoRA: the layers of a job share out their ranks by what each triplet of P diag(values) Q is worth (Zhang et al.
2023, arXiv:2303.10512).

    steps    1 ............ start ................. last ................. end
    triplets all of them        | fewer, as a cubic     | target_rank a layer, and always the same ones

The numbers are those of PEFT's `AdaLoraModel` and `RankAllocator`, to which tests hold them; there each matrix is a
tensor, here all are a few flat ones. What comes out is a plain LoRA adapter whose layers have ranks of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from adapters import Lora
from adapters.slots import LORA, VALUES, Trained, triplets
from recipes.errors import TrainingError
from recipes.learn.layer_ranks import with_ranks

if TYPE_CHECKING:
    from recipes.options.method import AdaLoraOptions

_A, _B = ".lora_A.weight", ".lora_B.weight"


@dataclass(frozen=True)
class Schedule:
    """Steps, counted from 1: triplets begin to leave after `start`, and those of step `last` stay to the end."""

    start: int
    last: int

    @classmethod
    def of(cls, options: "AdaLoraOptions", steps: int, name: str) -> Self:
        """For a job of so many steps. Raises TrainingError where they are too few to tell triplets apart."""
        made = cls(round(options.start_share * steps), steps - round(options.final_share * steps))
        if made.last < 2 or made.last <= made.start:
            raise TrainingError(
                f"{name}: {steps} steps are too few for lora.adalora to share out ranks; raise train.epochs, or lower "
                "train.batch_size"
            )
        return made

    def budget(self, step: int, first: int, target: int) -> int:
        """How many triplets stay after a step between `start` and `last` (equation 8)."""
        left = 1 - (step - self.start) / (self.last - self.start)
        return int((first - target) * left**3 + target)


class Allocation:
    """Which triplets of a job stay.

    A triplet is worth what its value is, and the means of its row of Q and of its column of P. A number is worth its
    sensitivity, the smoothed |weight gradient|, times how unsteady that is (equations 9 to 12).
    """

    def __init__(self, options: "AdaLoraOptions", schedule: Schedule, trained: Trained) -> None:
        self._options, self._schedule, self._trained = options, schedule, trained
        self._own = {name: trained.parameters[name] for name in (LORA, VALUES)}
        self._smoothed = {name: torch.zeros_like(each.detach()) for name, each in self._own.items()}
        self._unsteady = {name: torch.zeros_like(each.detach()) for name, each in self._own.items()}
        self._kept = torch.ones_like(self._own[VALUES].detach(), dtype=torch.bool)

    def settled(self, step: int) -> bool:
        """Whether the ranks after a step are those of the trained adapter."""
        return step >= self._schedule.last

    @torch.no_grad()
    def straighten(self) -> None:
        """Before a step: add the gradient of the penalty that keeps P and Q near orthogonal, `orthogonality` times the
        mean of ||PᵀP - I|| and ||QQᵀ - I|| over all layers (equation 4, as PEFT takes it)."""
        lora, values = self._own[LORA], self._own[VALUES]
        assert lora.grad is not None
        layers = list(triplets(self._trained.layout, lora, values))
        gradients = triplets(self._trained.layout, lora.grad, values)
        weight = self._options.orthogonality / (2 * len(layers))
        for own, gradient in zip(layers, gradients, strict=True):
            for rows, into in ((own.q, gradient.q), (own.p, gradient.p)):
                excess = rows @ rows.T - torch.eye(len(rows), device=rows.device, dtype=rows.dtype)
                norm = torch.linalg.norm(excess).clamp(min=torch.finfo(rows.dtype).tiny)
                into.addmm_(excess * (2 * weight / norm), rows)

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """With the weights as the optimizer left them and the gradients that it used: weigh the triplets, and set the
        values of those that leave to 0. They come back where they turn out to be worth more before `last`."""
        plan, options, values = self._schedule, self._options, self._own[VALUES]
        if step < plan.last:
            self._weigh()
        if step == plan.last or (plan.start < step < plan.last and step % options.every == 0):
            target = options.target_rank * len(self._trained.layout.terms)
            self._kept = self._best(plan.budget(step, len(values), target))
        elif step < plan.last:
            return
        values.masked_fill_(~self._kept, 0.0)

    def state(self) -> dict[str, Tensor]:
        """All that `restore` needs."""
        told = {f"smoothed/{name}": each for name, each in self._smoothed.items()}
        return (
            told | {f"unsteady/{name}": each for name, each in self._unsteady.items()} | {"kept": self._kept}
        )

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state`."""
        for name in self._own:
            self._smoothed[name].copy_(state[f"smoothed/{name}"])
            self._unsteady[name].copy_(state[f"unsteady/{name}"])
        self._kept.copy_(state["kept"])

    def _weigh(self) -> None:
        options = self._options
        for name, weight in self._own.items():
            assert weight.grad is not None
            now, smoothed = (weight * weight.grad).abs(), self._smoothed[name]
            smoothed.mul_(options.beta1).add_(now, alpha=1 - options.beta1)
            moved = now.sub_(smoothed).abs_()
            self._unsteady[name].mul_(options.beta2).add_(moved, alpha=1 - options.beta2)

    def _best(self, budget: int) -> Tensor:
        """Which triplets are worth more than the last one that is to leave."""
        worth = {name: self._smoothed[name] * self._unsteady[name] for name in self._own}
        layers = triplets(self._trained.layout, worth[LORA], worth[VALUES])
        each = torch.cat([own.values + (own.q.mean(1) + own.p.mean(1)) for own in layers])
        return each > each.sort().values[len(each) - budget - 1]


def ranks(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """How many rows of A are not zero, by the layer's path."""
    return {_path(name): int(a.any(dim=1).sum()) for name, a in tensors.items() if name.endswith(_A)}


def as_plain(method: Lora, tensors: Mapping[str, Tensor]) -> tuple[Lora, dict[str, Tensor]]:
    """The same LoRA with what stays alone: rows of A that are zero leave, the columns of B that they meet, and layers
    that have none left."""
    kept = {name.removesuffix(_A): a.any(dim=1) for name, a in tensors.items() if name.endswith(_A)}
    if not any(bool(rows.any()) for rows in kept.values()):
        next(iter(kept.values()))[0] = True  # an adapter that changes nothing but has a head
    found = {name: each for name, each in tensors.items() if not name.endswith((_A, _B))}
    for stem, rows in kept.items():
        if rows.any():
            found[stem + _A] = tensors[stem + _A][rows].contiguous()
            found[stem + _B] = tensors[stem + _B][:, rows].contiguous()
    return with_ranks(method, {_path(stem + _A): int(rows.sum()) for stem, rows in kept.items()}), found


def _path(name: str) -> str:
    return name.removeprefix("base_model.model.").removesuffix(_A)
