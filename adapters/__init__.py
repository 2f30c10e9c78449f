"""How do many adapters run on one quantized base?"""

from adapters.base import Base, load_base
from adapters.config import Adapter, BaseId, Head, Lora, Prefix

__all__ = ["Adapter", "Base", "BaseId", "Head", "Lora", "Prefix", "load_base"]
