"""An adapter by itself: what it is, as a PEFT directory has it, and as a person reads of it. Needs no base."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from adapters.format.card import (
        in_quotes,
        is_public_id,
        one_line,
        peft_loading,
        pools_as_transformers,
        stock_loading,
    )
    from adapters.format.config import (
        STARTER,
        Adapter,
        BaseId,
        Head,
        Lora,
        Pooling,
        Prefix,
        PrefixShape,
        Quantization,
    )
    from adapters.format.files import (
        CARD,
        CONFIG,
        WEIGHTS,
        Bytes,
        canonical,
        check_weights,
        parse,
        read,
        render,
        write,
    )
    from adapters.format.names import head_names
    from adapters.format.purpose import embeds
    from adapters.format.soundness import Shape, adapter_problems, check_base, check_fit
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "adapters.format.card": [
                "in_quotes",
                "is_public_id",
                "one_line",
                "peft_loading",
                "pools_as_transformers",
                "stock_loading",
            ],
            "adapters.format.config": [
                "Adapter",
                "BaseId",
                "Head",
                "Lora",
                "Pooling",
                "Prefix",
                "PrefixShape",
                "Quantization",
                "STARTER",
            ],
            "adapters.format.files": [
                "Bytes",
                "CARD",
                "CONFIG",
                "WEIGHTS",
                "canonical",
                "check_weights",
                "parse",
                "read",
                "render",
                "write",
            ],
            "adapters.format.names": ["head_names"],
            "adapters.format.purpose": ["embeds"],
            "adapters.format.soundness": ["Shape", "adapter_problems", "check_base", "check_fit"],
        },
    )

__all__ = [
    "CARD",
    "CONFIG",
    "STARTER",
    "WEIGHTS",
    "Adapter",
    "BaseId",
    "Bytes",
    "Head",
    "Lora",
    "Pooling",
    "Prefix",
    "PrefixShape",
    "Quantization",
    "Shape",
    "adapter_problems",
    "canonical",
    "check_base",
    "check_fit",
    "check_weights",
    "embeds",
    "head_names",
    "in_quotes",
    "is_public_id",
    "one_line",
    "parse",
    "peft_loading",
    "pools_as_transformers",
    "read",
    "render",
    "stock_loading",
    "write",
]
