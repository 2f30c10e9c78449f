"""How do many adapters run on one quantized base?"""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from adapters.base.base import Base, load_base
    from adapters.errors import RepertoireError, WrongBase
    from adapters.format.config import Adapter, BaseId, Head, Lora, Prefix
    from adapters.format.files import read, write
    from adapters.serving.runtime import Limits
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "adapters.base.base": ["Base", "load_base"],
            "adapters.format.config": ["Adapter", "BaseId", "Head", "Lora", "Prefix"],
            "adapters.errors": ["RepertoireError", "WrongBase"],
            "adapters.format.files": ["read", "write"],
            "adapters.serving.runtime": ["Limits"],
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
