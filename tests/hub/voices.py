"""Adapters with labels for a tiny base, made in no time: what they say follows from their seed."""

import torch

from adapters import Adapter, Base, BaseId, Head, Lora
from hub import Registry

NAME = "acme/spring/behavior"


def voice(base: Base, seed: int, scale: float = 1.0) -> Adapter:
    """Rank 2 on every query projection, with a head for two labels."""
    random = torch.Generator().manual_seed(seed)
    tensors = {}
    for path, linear in base.linears.items():
        if path.endswith("q_proj"):
            stem = f"base_model.model.{path}"
            tensors[f"{stem}.lora_A.weight"] = torch.randn(2, linear.in_features, generator=random)
            tensors[f"{stem}.lora_B.weight"] = torch.randn(linear.out_features, 2, generator=random)
    tensors["base_model.model.score.weight"] = scale * torch.randn(2, base.width, generator=random)
    made_for = BaseId(base.id, base.revision, base.fingerprint)
    return Adapter(Lora(2, 4.0, ("q_proj",)), Head(("glad", "mad"), "last"), tensors, made_for, "behavior")


def says(registry: Registry, reference: str) -> float:
    """How glad an adapter finds one text."""
    return registry.analyze(reference, ["glad 500"])[0].probabilities["glad"]
