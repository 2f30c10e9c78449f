"""The frozen model that all rows share: loading, quantizing, its memory and threads, and what of it can be adapted."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from adapters.base.base import Base
    from adapters.base.cpu_nf4 import nf4_compile_fault
    from adapters.base.cpu_threads import RESTFUL, hand_back_threads, settle_threads, thread_settings
    from adapters.base.known_bases import known_folder, source_of
    from adapters.base.loading import load_base
    from adapters.base.memory import free_memory
    from adapters.base.originals import original_weights
    from adapters.base.quantization import plain_weight, quantization_fault
    from adapters.base.reader import Reader, load_reader
    from adapters.base.shape import load_shape
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "adapters.base.base": ["Base"],
            "adapters.base.cpu_nf4": ["nf4_compile_fault"],
            "adapters.base.cpu_threads": [
                "RESTFUL",
                "hand_back_threads",
                "settle_threads",
                "thread_settings",
            ],
            "adapters.base.known_bases": ["known_folder", "source_of"],
            "adapters.base.loading": ["load_base"],
            "adapters.base.memory": ["free_memory"],
            "adapters.base.originals": ["original_weights"],
            "adapters.base.quantization": ["plain_weight", "quantization_fault"],
            "adapters.base.reader": ["Reader", "load_reader"],
            "adapters.base.shape": ["load_shape"],
        },
    )

__all__ = [
    "RESTFUL",
    "Base",
    "Reader",
    "free_memory",
    "hand_back_threads",
    "known_folder",
    "load_base",
    "load_reader",
    "load_shape",
    "nf4_compile_fault",
    "original_weights",
    "plain_weight",
    "quantization_fault",
    "settle_threads",
    "source_of",
    "thread_settings",
]
