"""How do many adapters run on one quantized base?"""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from adapters.base.base import Base
    from adapters.base.loading import load_base
    from adapters.errors import (
        AdapterError,
        BadAdapter,
        BaseError,
        BaseNotFound,
        Busy,
        Cancelled,
        DeadlineExceeded,
        InternalError,
        NotEnoughMemory,
        RepertoireError,
        RequestError,
        UnsupportedArchitecture,
        UnsupportedQuantization,
        WrongBase,
    )
    from adapters.format.config import Adapter, BaseId, Head, Lora, Prefix
    from adapters.format.files import read, write
    from adapters.serving.limits import Limits
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "adapters.base.base": ["Base"],
            "adapters.base.loading": ["load_base"],
            "adapters.errors": [
                "AdapterError",
                "BadAdapter",
                "BaseError",
                "BaseNotFound",
                "Busy",
                "Cancelled",
                "DeadlineExceeded",
                "InternalError",
                "InternalError",
                "NotEnoughMemory",
                "RepertoireError",
                "RequestError",
                "UnsupportedArchitecture",
                "UnsupportedQuantization",
                "WrongBase",
            ],
            "adapters.format.config": ["Adapter", "BaseId", "Head", "Lora", "Prefix"],
            "adapters.format.files": ["read", "write"],
            "adapters.serving.limits": ["Limits"],
        },
    )

__all__ = [
    "Adapter",
    "AdapterError",
    "BadAdapter",
    "Base",
    "BaseError",
    "BaseId",
    "BaseNotFound",
    "Busy",
    "Cancelled",
    "DeadlineExceeded",
    "Head",
    "InternalError",
    "Limits",
    "Lora",
    "NotEnoughMemory",
    "Prefix",
    "RepertoireError",
    "RequestError",
    "UnsupportedArchitecture",
    "UnsupportedQuantization",
    "WrongBase",
    "load_base",
    "read",
    "write",
]
