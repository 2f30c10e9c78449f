"""What `benchmarks.gpu` measures on: a model of random weights, adapters for it, and the machine's own bounds.

Random weights cost what trained ones cost, and need no download.
"""

import copy
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import transformers as tf
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn

from adapters import Adapter, Base, Lora
from adapters.base.linears import linears_of

RANK = 16


@dataclass(frozen=True)
class Size:
    """How large everything is.

    model: of the configuration; counts: distinct adapters, rows of a step; product_rows: of one product; past:
    columns that a step looks back on; prompt: tokens of a row of a prefill, `prefill_rows` of them; train: rows and
    letters of one job's step; jobs: trained beside each other; peft: the most adapters that stock PEFT is given;
    rounds: of each timing; copied: bytes that bandwidth is measured with; square: of the product that arithmetic is
    measured with.
    """

    model: dict[str, Any]
    counts: tuple[int, ...]
    product_rows: tuple[int, ...]
    past: int
    prompt: int
    prefill_rows: int
    train: tuple[int, int]
    jobs: tuple[int, ...]
    peft: int
    rounds: int
    copied: int
    square: int


LARGE = Size(
    # the shape of Llama 3 8B
    model={
        "vocab_size": 128256, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 14336, "max_position_embeddings": 8192, "rope_theta": 5e5,
    },
    counts=(1, 16, 64), product_rows=(1, 4, 8, 16, 32, 64), past=500, prompt=512, prefill_rows=16,
    train=(8, 40), jobs=(1, 4, 16, 64), peft=16,
    rounds=10, copied=2**31, square=8192,
)  # fmt: skip
TINY = Size(
    model={
        "vocab_size": 300, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 128, "max_position_embeddings": 512,
    },
    counts=(1, 2, 4), product_rows=(1, 2), past=12, prompt=8, prefill_rows=2,
    train=(2, 8), jobs=(1, 2), peft=2,
    rounds=2, copied=2**20, square=64,
)  # fmt: skip


def model(size: Size, device: torch.device, dtype: torch.dtype) -> Any:
    """A model with random weights, made where it will run."""
    torch.manual_seed(0)
    config = tf.LlamaConfig(
        **size.model, tie_word_embeddings=False, bos_token_id=2, eos_token_id=1, pad_token_id=0
    )
    with torch.device(device):
        return tf.AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


def base(own: Any, quantization: str) -> Base:
    """A base of a model; with nf4 its linear layers are quantized first, one after the other, in place."""
    if quantization == "nf4":
        for path, linear in linears_of(own).items():
            own.set_submodule(path, _in_4_bits(linear))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {"<pad>": 0, "<eos>": 1, "<bos>": 2} | {c: i + 3 for i, c in enumerate(alphabet)}
    inner = Tokenizer(models.BPE(vocab=words, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = tf.PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>")
    return Base(own, tokenizer, "bench/random", quantization=quantization)


def _in_4_bits(linear: nn.Linear) -> nn.Linear:
    from bitsandbytes.nn import Linear4bit, Params4bit

    kept, weight = linear.bias is not None, linear.weight
    with torch.device("meta"):
        made = Linear4bit(
            linear.in_features,
            linear.out_features,
            kept,
            weight.dtype,
            compress_statistics=True,
            quant_type="nf4",
        )
    made.weight = Params4bit(
        weight.data, requires_grad=False, quant_type="nf4", compress_statistics=True, module=made
    ).to(weight.device)
    made.bias = linear.bias
    return made


def adapter(base: Base) -> Adapter:
    """LoRA on all linear layers, random, in the base's own type."""
    method, stream = Lora(RANK, 2.0 * RANK, base.targets("all-linear")), torch.Generator().manual_seed(1)
    tensors = {}
    for path, linear in base.linears.items():
        if method.covers(path):
            for part, shape in (("A", (RANK, linear.in_features)), ("B", (linear.out_features, RANK))):
                weight = torch.randn(*shape, generator=stream) * 0.02
                tensors[f"base_model.model.{path}.lora_{part}.weight"] = weight.to(base.dtype)
    return Adapter(method, None, tensors, copy.copy(base.identity), "ad-copy", {})


def settle(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def settled(run: Callable[[], Any], device: torch.device) -> Callable[[], Any]:
    """The same, told done when the device is."""

    def wait() -> Any:
        found = run()
        settle(device)
        return found

    return wait


def seconds(run: Callable[[], Any], device: torch.device, rounds: int) -> float:
    """The least of some rounds, behind one that warms up: for bounds, which nothing may pass."""
    best, run = float("inf"), settled(run, device)
    for turn in range(rounds + 1):
        began = time.perf_counter()
        run()
        if turn:
            best = min(best, time.perf_counter() - began)
    return best


def bounds(size: Size, device: torch.device, dtype: torch.dtype) -> dict[str, float]:
    """What the machine can do: bytes a second from its memory and from the host's, and floating point operations."""
    source = torch.zeros(size.copied, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    host = torch.zeros(size.copied // 8, dtype=torch.uint8, pin_memory=device.type == "cuda")
    a = torch.randn(size.square, size.square, dtype=dtype, device=device)
    copying = seconds(lambda: target.copy_(source), device, 5)
    moving = seconds(lambda: target[: len(host)].copy_(host, non_blocking=True), device, 5)
    product = seconds(lambda: a @ a, device, 5)
    return {
        "GB a second": 2 * size.copied / copying / 1e9,
        "GB a second from the host": len(host) / moving / 1e9,
        "TFLOP a second": 2 * size.square**3 / product / 1e12,
    }


def told() -> str:
    """What nvidia-smi says of the device; empty where there is none."""
    asked = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
