"""Adapters of a few hundred bytes."""

import torch

from adapters import Adapter, BaseId, Head, Lora, Prefix

NAME = "acme/spring/recommendation"
BASE = BaseId("starter", None, "ab" * 32)


def lora(seed: int = 0, labels: tuple[str, ...] = ("0", "1"), **info: object) -> Adapter:
    """Rank 2 on one layer of width 8, with a head."""
    random = torch.Generator().manual_seed(seed)
    layer = "base_model.model.model.layers.0.self_attn.q_proj"
    tensors = {
        f"{layer}.lora_A.weight": torch.randn(2, 8, generator=random),
        f"{layer}.lora_B.weight": torch.randn(8, 2, generator=random),
        "base_model.model.score.weight": torch.randn(len(labels), 8, generator=random),
    }
    method = Lora(rank=2, alpha=4.0, targets=("q_proj",))
    return Adapter(method, Head(labels, "last"), tensors, BASE, "recommendation", dict(info))


def prefix(seed: int = 0) -> Adapter:
    """Three positions for two layers of one head of width 4."""
    table = torch.randn(3, 2 * 2 * 1 * 4, generator=torch.Generator().manual_seed(seed))
    shape = {"layers": 2, "kv_heads": 1, "head_dim": 4}
    return Adapter(Prefix(3), None, {"prompt_embeddings": table}, BASE, "ad-copy", {"prefix_shape": shape})
