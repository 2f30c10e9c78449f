"""The frozen model that all rows share: loading, quantizing, its memory and threads, and what of it can be adapted."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from adapters.base.base import Base, load_base, plain_weight, quantization_fault
    from adapters.base.cpu_threads import hand_back_threads
    from adapters.base.memory import free_memory
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "adapters.base.base": ["Base", "load_base", "plain_weight", "quantization_fault"],
            "adapters.base.cpu_threads": ["hand_back_threads"],
            "adapters.base.memory": ["free_memory"],
        },
    )

__all__ = [
    "Base",
    "free_memory",
    "hand_back_threads",
    "load_base",
    "plain_weight",
    "quantization_fault",
]
