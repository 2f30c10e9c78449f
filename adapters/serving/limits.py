"""How much a runtime takes on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from adapters.fields import check_fields

_Count = Annotated[int, Field(ge=1, description="a whole number of 1 or more")]


@dataclass(frozen=True)
class Limits:
    """The limits of one runtime.

    Attributes:
        slots: adapters on the device.
        shared_rank: adapters up to this rank share the slots' memory; one of a higher rank has its own while it is in a
            slot, so that its rank is not made room for in every slot.
        large: adapters of a higher rank in slots at a time.
        adapter_bytes: of one adapter on the device; larger ones are refused.
        rows: texts that are written at the same time.
        positions: of the KV cache, rows times the longest of them; None for a share of the free memory.
        read_tokens: of prompts in one turn, so that reading holds up writing only so long; first tokens that rows of
            one adapter share count once.
        waiting: requests of one client.
        host_bytes: of adapters ready in host memory.
        stem_bytes: of first tokens that were read lately, such as a user's, kept on the device for the next row that
            begins with them; 0 keeps none.
        weights: shares of clients, 1 where none is named.
        aging: tokens of work by which a request comes forward for each second that it waits.

    Raises:
        RequestError: a limit is of another type or out of range.
    """

    slots: _Count = 16
    shared_rank: _Count = 64
    large: _Count = 2
    adapter_bytes: _Count = 2**30
    rows: _Count = 32
    positions: Annotated[
        Annotated[int, Field(ge=1)] | None, Field(description="a whole number of 1 or more, or None")
    ] = None
    read_tokens: _Count = 4096
    waiting: _Count = 4096
    host_bytes: Annotated[int, Field(ge=0, description="a whole number of 0 or more")] = 2**31
    stem_bytes: Annotated[int, Field(ge=0, description="a whole number of 0 or more")] = 2**28
    weights: Annotated[
        Mapping[str, Annotated[float, Field(gt=0)]], Field(description="a number above 0 for each client")
    ] = field(default_factory=dict)
    aging: Annotated[float, Field(ge=0, description="a finite number of 0 or more")] = 50.0

    def __post_init__(self) -> None:
        check_fields(self)
