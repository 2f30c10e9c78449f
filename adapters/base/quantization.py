"""Quantization with bitsandbytes: its settings, whether this device can run it, and the weights behind it."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, BitsAndBytesConfig

from adapters.base.bitsandbytes_import import bitsandbytes
from adapters.errors import UnsupportedQuantization
from adapters.format.config import Quantization

# nf4 with double quantization takes 4 + 8/64 + 32/(64*256) (Dettmers et al. 2023, arXiv:2305.14314, §3).
BITS_PER_WEIGHT = {"nf4": 4.127, "int8": 8.0}


def bitsandbytes_config(
    quantization: Quantization, dtype: torch.dtype, auto: Any
) -> BitsAndBytesConfig | None:
    """What transformers is told. dtype: of the products; auto: its class for the base, an encoder's pooler stays as it
    is."""
    keep = ["pooler"] if auto is AutoModel else None
    if quantization == "nf4":
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
            llm_int8_skip_modules=keep,
        )
    return (
        BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=keep) if quantization == "int8" else None
    )


def check_quantization(quantization: Quantization, device: torch.device, dtype: torch.dtype) -> None:
    """Raise UnsupportedQuantization where `quantization_fault` finds one."""
    error = quantization_fault(quantization, device, dtype)
    if error is not None:
        raise UnsupportedQuantization(
            f"{quantization} does not run on {device} with the installed bitsandbytes ({error}); "
            "upgrade bitsandbytes, use another device, or load with quantization='none'"
        ) from error


def quantization_fault(
    quantization: Quantization, device: torch.device, dtype: torch.dtype
) -> Exception | None:
    """Try one small quantized layer, forward and backward.

    Args:
        quantization: `nf4` or `int8`.
        device: where the layer runs.
        dtype: of its products.

    Returns:
        The error where it cannot run or is far off, else None.
    """
    try:
        plain = nn.Linear(64, 64, bias=False)
        layer: nn.Linear
        if quantization == "nf4":
            layer = bitsandbytes.nn.Linear4bit(
                64, 64, bias=False, compute_dtype=dtype, compress_statistics=True, quant_type="nf4"
            )
        else:
            layer = bitsandbytes.nn.Linear8bitLt(64, 64, bias=False, has_fp16_weights=False)
        layer.load_state_dict(plain.state_dict())
        layer = layer.to(device)
        with torch.inference_mode(False), torch.enable_grad():
            x = torch.randn(4, 64, device=device, dtype=dtype, requires_grad=True)
            out = layer(x)
            out.sum().backward()
        expected = x.detach().float().cpu() @ plain.weight.detach().T
        off = float((out.detach().float().cpu() - expected).norm() / expected.norm())
        if off > 0.25 or x.grad is None:
            return RuntimeError(f"a product is {off:.0%} off")
    except Exception as error:
        # Whatever the backend raises, the answer is that it does not run.
        return error
    return None


def plain_weight(linear: nn.Linear) -> Tensor:
    """The weight that a layer stands for, dequantized where it is quantized.

    The layer is not touched (PEFT's function of this kind moves an int8 layer's scales away).

    Args:
        linear: a layer of a base, quantized or not.

    Returns:
        `[out, in]`, in the layer's own type or the one that bitsandbytes dequantizes to.
    """
    layer: Any = linear
    weight: Tensor = layer.weight.detach()
    if hasattr(layer.weight, "quant_state"):
        weight = bitsandbytes.functional.dequantize_4bit(weight, layer.weight.quant_state)
    elif hasattr(layer.weight, "SCB"):
        scales = layer.weight.SCB if layer.state.SCB is None else layer.state.SCB
        weight = bitsandbytes.functional.int8_vectorwise_dequant(weight, scales)
    return weight
