"""Adapters without a head, which every tool serves."""

import json
from dataclasses import replace
from typing import Any

import torch

from adapters import Adapter, BaseId
from adapters.format import files
from hub.intake.servable import servable_by
from tests.hub.tiny import lora


def writer(base: str = "owner/tiny", **changes: Any) -> Adapter:
    """A LoRA without a head, for every layer of a base of two."""
    random = torch.Generator().manual_seed(0)
    tensors = {}
    for layer in range(2):
        stem = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        tensors |= {
            f"{stem}.lora_A.weight": torch.randn(2, 8, generator=random),
            f"{stem}.lora_B.weight": torch.randn(8, 2, generator=random),
        }
    made = replace(lora(), head=None, tensors=tensors, base=BaseId(base, "1" * 40, "ab" * 32), task="ad-copy")
    return replace(made, method=replace(made.method, **changes))


def compatible(adapter: Adapter) -> dict[str, dict[str, Any]]:
    return servable_by(json.loads(files.render(adapter)[files.CONFIG]), adapter)
