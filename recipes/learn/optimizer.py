"""The optimizer that a recipe names, how its rate goes, and its state as tensors."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from recipes.options.train import TrainOptions


_FIXED = ("qmap1", "qmap2")  # bitsandbytes' tables of the 256 values that 8 bits stand for


def make(options: "TrainOptions", groups: Sequence[dict[str, Any]]) -> torch.optim.Optimizer:
    """For groups of parameters and their learning rates. In 8 bits, tensors of fewer than 4,096 numbers stay as they
    are (bitsandbytes' rule)."""
    if options.optimizer == "adamw8bit":
        from bitsandbytes.optim import AdamW8bit

        made: torch.optim.Optimizer = AdamW8bit(groups, weight_decay=options.weight_decay)
        return made
    return torch.optim.AdamW(groups, weight_decay=options.weight_decay, fused=True)


def factor(schedule: str, step: int, warmup: int, steps: int) -> float:
    """Of the highest rate: from 0 to 1 in the warm-up's steps, then as the schedule says down to 0, or flat."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    left = 1 - (step - warmup) / max(1, steps - warmup)
    shapes = {"constant": 1.0, "linear": left, "cosine": 0.5 * (1 - math.cos(math.pi * left))}
    return shapes[schedule]


def state(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> dict[str, Tensor]:
    """What `restore` needs for one parameter; nothing before the first step."""
    own = optimizer.state.get(parameter, {})
    return {name: torch.as_tensor(value) for name, value in own.items() if name not in _FIXED}


def restore(optimizer: torch.optim.Optimizer, parameter: nn.Parameter, tensors: Mapping[str, Tensor]) -> None:
    """Go on from a `state`."""
    if not tensors:
        return
    own: dict[str, Any] = {name: each.to(parameter.device, copy=True) for name, each in tensors.items()}
    if "state1" in own:  # bitsandbytes
        made: Any = optimizer
        made.init_state(made.param_groups[0], parameter, 0, 0)
        own["step"] = int(own["step"])
    optimizer.state[parameter].update(own)
