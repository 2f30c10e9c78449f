"""How much memory a device has free."""

import psutil
import torch


def free_memory(device: torch.device) -> int:
    """Bytes that can still be taken on a device."""
    return int(
        torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    )
