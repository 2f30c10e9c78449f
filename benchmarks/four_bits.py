"""The ways of 4-bit products on this CPU beside fp32: `python -m benchmarks.four_bits [--budget MINUTES]`.

The shape of SmolLM2-135M with random weights, which cost what trained ones cost. Each round runs each way once; figures
are median milliseconds of CPU time, which other programs change little. A result that is there is gone on with: a case
that it holds is not run again, unless `--again` is given.
"""

import argparse
import json
import warnings
from collections.abc import Callable, Mapping
from statistics import median
from time import monotonic, process_time
from typing import Any

import torch
import transformers as tf

from adapters.base import cpu_nf4
from adapters.base.bitsandbytes_import import bitsandbytes
from adapters.base.cpu_head import quick_head
from adapters.base.quantization import bitsandbytes_config
from adapters.kernels.compiled import compiled
from adapters.kernels.nf4_cpu import SOURCE, declared
from benchmarks import llama28m
from benchmarks.measure import machine, now, versions

RESULT = llama28m.ROOT / "benchmarks" / "results" / "four_bits.json"
FOLDER = llama28m.ROOT / "build" / "benchmarks" / "smollm2-shape"
SHAPE = {
    "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "tie_word_embeddings": True,
}  # fmt: skip
# Flags after those of this processor: AVX2 is what most processors have.
COMPILED: Mapping[str, list[str]] = {"compiled": [], "compiled for AVX2": ["-mno-avx512f"]}
ROUNDS = 9


def main() -> int:
    """Measure and write the result as it grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=5.0, help="minutes")
    parser.add_argument("--again", action="store_true", help="forget the result that is there")
    options = parser.parse_args()
    ends, about = monotonic() + 60 * options.budget, machine()
    found = {} if options.again or not RESULT.exists() else json.loads(RESULT.read_text())["CPU milliseconds"]
    models = {way: load(way) for way in ("fp32", "bitsandbytes", *COMPILED, *fused())}
    for name, run in cases().items():
        if name in found:
            continue
        taken: dict[str, list[float]] = {way: [] for way in models}
        for turn in range(ROUNDS + 1):
            for way, model in models.items():
                began = process_time()
                run(model)
                if turn:
                    taken[way].append(1000 * (process_time() - began))
            if monotonic() > ends:
                return 1
        found[name] = {way: round(median(times), 1) for way, times in taken.items()}
        print(name, found[name], flush=True)
        result = {
            "benchmark": "four_bits",
            "command": "python -m benchmarks.four_bits",
            "shape": SHAPE,
            "CPU milliseconds": found,
            "machine": about,
            "versions": versions("torch", "transformers", "bitsandbytes"),
            "date": now(),
        }
        RESULT.write_text(json.dumps(result, indent=2) + "\n")
    return 0


def cases() -> dict[str, Callable[[Any], None]]:
    """What is run: rows of one token, a prompt, and two sizes of a training step."""
    return {
        "1 row": lambda model: answer(model, 1, 1),
        "4 rows": lambda model: answer(model, 4, 1),
        "16 rows": lambda model: answer(model, 16, 1),
        "prompt of 40": lambda model: answer(model, 1, 40),
        "training, 2 x 10": lambda model: train(model, 2, 10),
        "training, 8 x 40": lambda model: train(model, 8, 40),
    }


def answer(model: Any, rows: int, tokens: int) -> None:
    with torch.inference_mode():
        model(input_ids=torch.ones(rows, tokens, dtype=torch.long))


def train(model: Any, rows: int, tokens: int) -> None:
    """Forward and backward through all layers, without the output head."""
    embedded = model.get_input_embeddings()(torch.ones(rows, tokens, dtype=torch.long))
    model.model(inputs_embeds=embedded.detach().requires_grad_()).last_hidden_state.sum().backward()


def fused() -> list[str]:
    """bitsandbytes' fused product, where this processor can have it."""
    return ["bitsandbytes, fused"] if bitsandbytes.functional.has_avx512bf16() else []


def load(way: str) -> Any:
    """The base, with one way of 4-bit products in all its layers."""
    if not (FOLDER / "config.json").exists():
        torch.manual_seed(0)
        tf.AutoModelForCausalLM.from_config(tf.LlamaConfig(**SHAPE)).to(torch.bfloat16).save_pretrained(
            FOLDER
        )
    config = None if way == "fp32" else bitsandbytes_config("nf4", torch.float32, tf.AutoModelForCausalLM)
    model = tf.AutoModelForCausalLM.from_pretrained(
        FOLDER, dtype=torch.float32, quantization_config=config, device_map={"": "cpu"}
    )
    model.eval().requires_grad_(False)
    layers = [layer for layer in model.modules() if isinstance(layer, bitsandbytes.nn.Linear4bit)]
    if way in COMPILED:
        library = declared(compiled(SOURCE, COMPILED[way]))
        cpu_nf4.nf4_library = lambda: library  # what each layer takes at its first product, below
    for layer in layers:
        layer.support_avx512bf16_for_cpu = False
        if way != "bitsandbytes":
            layer.forward = cpu_nf4._Products(layer, way in fused(), "compiled")
    quick_head(model)  # as every base has it
    answer(model, 1, 1)
    return model


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    raise SystemExit(main())
