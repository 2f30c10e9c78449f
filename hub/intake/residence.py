"""What an adapter asks of a registry with the usual limits, told where it is published: in bytes, before it is loaded.

rank 8      1,048,576 bytes in float32                   nothing to say
rank 512    57,000,000                                   memory of its own while it is in a slot, two at a time
rank 4096   1,900,000,000, over Limits.adapter_bytes     not loaded, unless the limit is raised
"""

from typing import Any

from adapters import Adapter, Limits
from adapters.format import Lora

_FLOAT32 = 4  # bytes; a base in 16 bits keeps its adapters in as many


def residence(adapter: Adapter) -> dict[str, Any] | None:
    """What is to be known before an adapter is loaded, as `servable_by` tells it of other tools.

    Args:
        adapter: that is published.

    Returns:
        `served`, `why_not` and `notes`; None of one that usual limits do not notice.
    """
    usual = Limits()
    size = _FLOAT32 * sum(tensor.numel() for tensor in adapter.tensors.values())
    takes = f"it takes {size:,} bytes on the device in float32"
    if size > usual.adapter_bytes:
        why = (
            f"{takes}, and Limits.adapter_bytes is {usual.adapter_bytes:,} unless it is raised; raise it, or train "
            "with a lower rank"
        )
        return {"served": False, "why_not": [why], "notes": []}
    rank = _highest_rank(adapter)
    if rank <= usual.shared_rank:
        return None
    note = (
        f"{takes}, in memory of its own: its rank {rank} is over Limits.shared_rank, {usual.shared_rank}; "
        f"{usual.large} such adapters are in slots at a time (Limits.large)"
    )
    return {"served": True, "why_not": [], "notes": [note]}


def _highest_rank(adapter: Adapter) -> int:
    """Of its terms; 0 without any."""
    if not isinstance(adapter.method, Lora):
        return 0
    ranks = (tensor.shape[0] for name, tensor in adapter.tensors.items() if name.endswith(".lora_A.weight"))
    return max(ranks, default=0)
