"""How much a runtime takes on."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """The limits of one runtime.

    Attributes:
        slots: adapters on the device.
        rows: texts that are written at the same time.
        positions: of the KV cache, rows times the longest of them; None for a share of the free memory.
        read_tokens: of prompts in one turn, so that reading holds up writing only so long.
        waiting: requests of one client.
        host_bytes: of adapters ready in host memory.
        weights: shares of clients, 1 where none is named.
        aging: tokens of work by which a request comes forward for each second that it waits.
    """

    slots: int = 16
    rows: int = 32
    positions: int | None = None
    read_tokens: int = 4096
    waiting: int = 4096
    host_bytes: int = 2**31
    weights: Mapping[str, float] = field(default_factory=dict)
    aging: float = 50.0
