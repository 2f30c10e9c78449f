"""LoRA whose layers have ranks of their own: as a recipe names them, as data shares them out, or twice what they were.

The scaling of all layers stays one, so that `alpha / rank` is right too for who reads no patterns, as vLLM did long.
"""

from collections.abc import Mapping
from dataclasses import replace

from adapters import Lora


def with_ranks(method: Lora, ranks: Mapping[str, int]) -> Lora:
    """The same LoRA with these ranks, by the path of each layer that its targets name; layers of rank 0 are left out.
    One at least must have a rank."""
    own = {path: rank for path, rank in ranks.items() if rank}
    root, most = _root(method), max(own.values())
    scaling = method.alpha / method.rank**root
    others = {path: rank for path, rank in own.items() if rank != most}
    return replace(
        method,
        rank=most,
        alpha=scaling * most**root,
        targets=method.targets if len(own) == len(ranks) else tuple(sorted(own)),
        rank_pattern=others,
        alpha_pattern={path: scaling * rank**root for path, rank in others.items()},
    )


def doubled(method: Lora) -> Lora:
    """The same LoRA with twice the rank of every layer."""
    more = 2 ** _root(method)
    return replace(
        method,
        rank=2 * method.rank,
        alpha=more * method.alpha,
        rank_pattern={key: 2 * rank for key, rank in method.rank_pattern.items()},
        alpha_pattern={key: more * alpha for key, alpha in method.alpha_pattern.items()},
    )


def _root(method: Lora) -> float:
    """The power of the rank that alpha is divided by."""
    return 0.5 if method.rslora else 1
