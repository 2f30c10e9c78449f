"""How do many adapters run on one quantized base?"""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from adapters.base import Base, load_base
    from adapters.config import Adapter, BaseId, Head, Lora, Prefix
    from adapters.errors import RepertoireError, WrongBase
    from adapters.files import read, write
    from adapters.runtime import Limits
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "adapters.base": ["Base", "load_base"],
            "adapters.config": ["Adapter", "BaseId", "Head", "Lora", "Prefix"],
            "adapters.errors": ["RepertoireError", "WrongBase"],
            "adapters.files": ["read", "write"],
            "adapters.runtime": ["Limits"],
        },
    )

__all__ = [
    "Adapter",
    "Base",
    "BaseId",
    "Head",
    "Limits",
    "Lora",
    "Prefix",
    "RepertoireError",
    "WrongBase",
    "load_base",
    "read",
    "write",
]
