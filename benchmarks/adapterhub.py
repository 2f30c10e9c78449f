"""AdapterHub's `adapters` library on the same shape: 16 LoRA adapters in one batch, by its BatchSplit, and its base.

It has our package's name and needs an older transformers, so it runs in an environment of its own, as a plain script:

    python3 -m venv build/adapterhub && build/adapterhub/bin/pip install torch==2.13.0 adapters==1.3.0
    build/adapterhub/bin/python benchmarks/adapterhub.py

Its LoRA reaches q, k, v and the MLP, not o: less work than all linear layers.
"""

import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter

import adapters
import torch
from adapters import LoRAConfig, PrefixTuningConfig
from adapters.composition import BatchSplit
from transformers import LlamaConfig, LlamaForCausalLM

SHAPE = {
    "vocab_size": 12000, "hidden_size": 512, "num_hidden_layers": 8, "num_attention_heads": 8,
    "num_key_value_heads": 2, "intermediate_size": 1408, "tie_word_embeddings": True,
    "max_position_embeddings": 2048, "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0,
}  # fmt: skip
BATCH, PROMPT, NEW, ROUNDS = 16, 32, 16, 9
RESULT = Path(__file__).parent / "results" / "adapterhub.json"
MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "2147483648",
    "MALLOC_TOP_PAD_": "67108864",
}


def main() -> None:
    """Measure and write the result."""
    if any(os.environ.get(name) != value for name, value in MALLOC.items()):
        os.execve(
            sys.executable, sys.orig_argv, os.environ | MALLOC
        )  # as `benchmarks.measure.keep_freed_memory`
    torch.manual_seed(0)
    plain = LlamaForCausalLM(LlamaConfig(**SHAPE)).eval()
    model = LlamaForCausalLM(LlamaConfig(**SHAPE)).eval()
    adapters.init(model)
    names = [f"a{number}" for number in range(BATCH)]
    lora = LoRAConfig(
        r=8,
        alpha=16,
        intermediate_lora=True,
        output_lora=True,
        attn_matrices=["q", "k", "v"],
        init_weights="bert",
    )
    for name in names:
        model.add_adapter(name, config=lora)
    model.add_adapter("prefix", config=PrefixTuningConfig(prefix_length=16, flat=True))
    model.eval()
    prompts = torch.randint(3, 12000, (BATCH, PROMPT))
    mask = torch.ones_like(prompts)
    split = BatchSplit(*names, batch_sizes=[1] * BATCH)
    model.set_active_adapters(split)
    settings = {"max_new_tokens": NEW, "min_new_tokens": NEW, "do_sample": False}
    runs = {
        "forward": {
            "base": lambda: plain.model(input_ids=prompts, attention_mask=mask, use_cache=False),
            "16 LoRA": lambda: model.model(input_ids=prompts, attention_mask=mask, use_cache=False),
        },
        "generation": {
            "base": lambda: plain.generate(prompts, attention_mask=mask, **settings),
            "16 LoRA": lambda: model.generate(prompts, attention_mask=mask, **settings),
        },
    }
    times, ratios = {}, {}
    with torch.inference_mode():
        for name, variants in runs.items():
            seconds = {variant: [] for variant in variants}
            for turn in range(ROUNDS + 1):
                for variant, run in variants.items():
                    began = perf_counter()
                    run()
                    if turn:
                        seconds[variant].append(perf_counter() - began)
            times[name] = {variant: round(median(taken) * 1000, 3) for variant, taken in seconds.items()}
            pairs = zip(seconds["16 LoRA"], seconds["base"], strict=True)
            ratios[f"{name}, 16 LoRA / its own base"] = round(median(a / b for a, b in pairs), 3)
        model.set_active_adapters(BatchSplit("a0", "prefix", batch_sizes=[8, 8]))
        try:
            model(input_ids=prompts, attention_mask=mask)
            mixed = "ran"
        except Exception as error:
            mixed = f"{type(error).__name__}: {error}"
    result = {
        "benchmark": "adapterhub",
        "command": "build/adapterhub/bin/python benchmarks/adapterhub.py",
        "shape": SHAPE | {"batch": BATCH, "prompt": PROMPT, "new tokens": NEW, "rank": 8},
        "milliseconds": times,
        "ratios": ratios,
        "LoRA and Prefix rows in one batch": mixed,
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "transformers", "adapters")},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def cpu() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


if __name__ == "__main__":
    main()
