"""How do many adapters run on one quantized base?"""

from adapters.base import Base, load_base
from adapters.config import Adapter, BaseId, Head, Lora, Prefix
from adapters.errors import RepertoireError, WrongBase
from adapters.files import read, write
from adapters.runtime import Limits

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
