"""What a mixed batch costs beside the base alone, and beside stock PEFT: `python -m benchmarks.mixed_batch`.

Base alone, machinery off, is the model as transformers loads it, in the same process. Batch 16, prompt 32, 16 new
tokens.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

import peft
import torch
import transformers as tf

from adapters import load_base, read
from adapters.base.base import Base
from adapters.serving.generate import Writing, write
from adapters.serving.sampling import Sampling
from adapters.slots.forward_pass import forward, pad
from adapters.slots.packed import pack
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots
from benchmarks import llama28m
from benchmarks.measure import interleaved, keep_freed_memory, machine, medians, now, ratio, versions
from hub import Hub

RESULT = llama28m.ROOT / "benchmarks" / "results" / "mixed-batch.json"
BATCH, PROMPT, NEW = 16, 32, 16
ROUNDS = 25
NO_ORDER = (7, 2, 11, 0, 14, 5, 9, 3, 12, 6, 1, 15, 10, 4, 13, 8)


def main() -> int:
    """Measure on fp32 and nf4 and write the result."""
    keep_freed_memory()
    tf.logging.set_verbosity_error()
    torch.manual_seed(0)
    about = machine()
    result: dict[str, Any] = {
        "benchmark": "mixed-batch",
        "command": "python -m benchmarks.mixed_batch",
        "shape": llama28m.SHAPE
        | {"batch": BATCH, "prompt": PROMPT, "new tokens": NEW, "rank": 8, "prefix": 16},
    }
    for name, quantization in (("fp32", "none"), ("nf4", "nf4")):
        result[name] = measure(load_base(str(llama28m.base()), quantization), stock(quantization))
        print(name, json.dumps(result[name]["ratios"], indent=2), flush=True)
    result |= {
        "machine": about,
        "versions": versions("torch", "transformers", "peft", "bitsandbytes"),
        "date": now(),
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    return 0


@torch.inference_mode()
def measure(base: Base, off: Any) -> dict[str, Any]:
    """Milliseconds and ratios on one kind of base."""
    prompts = torch.randint(3, 12000, (BATCH, PROMPT))
    slots = Slots(base, 2 * BATCH)
    for number in range(BATCH):
        slots.load(number, read(llama28m.adapter("lora", number)))
        slots.load(BATCH + number, read(llama28m.adapter("prefix", number % 8)))
    times, ratios = {}, {}
    forwards = interleaved(forward_variants(base, slots, off, prompts), ROUNDS)
    times["forward"] = medians(forwards)
    for name in forwards:
        if name != "off":
            ratios[f"forward, {name} / off"] = ratio(forwards, name, "off")
    profiles = {name: profiled(run) for name, run in forward_variants(base, slots, off, prompts).items()}
    generations = interleaved(generation_variants(base, slots, off, prompts), ROUNDS)
    times["generation"] = medians(generations)
    for name in generations:
        if name != "off":
            ratios[f"generation, {name} / off"] = ratio(generations, name, "off")
    peers = interleaved(peer_variants(base, slots, prompts), ROUNDS // 3)
    times["peers"] = medians(peers)
    ratios["PEFT adapter_names generation / ours"] = ratio(peers, "adapter_names", "ours")
    ratios["PEFT set_adapter one after another / ours"] = ratio(peers, "set_adapter", "ours")
    loads = interleaved(load_variants(base, slots, off), ROUNDS)
    times["load"] = medians(loads)
    ratios["PEFT load_adapter / ours, from the hub, verified"] = ratio(loads, "PEFT load_adapter", "ours")
    switch = interleaved({"switch": switching(slots)}, 1000)
    times["switch"] = medians(switch)
    return {"milliseconds": times, "ratios": ratios, "profile of a forward, milliseconds": profiles}


def profiled(run: Callable[[], Any]) -> dict[str, float]:
    """Where the time of one forward goes: milliseconds of the costliest operations, by PyTorch's own profiler."""
    run()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        for _ in range(5):
            run()
    spent = {
        event.key.removeprefix("aten::"): event.self_cpu_time_total / 5000 for event in profile.key_averages()
    }
    largest = sorted(spent, key=lambda name: -spent[name])[:9]
    return {name: round(spent[name], 2) for name in largest} | {"all": round(sum(spent.values()), 2)}


def stock(quantization: str) -> Any:
    """The base as transformers loads it, untouched."""
    config = None
    if quantization == "nf4":
        config = tf.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32,
        )
    return tf.AutoModelForCausalLM.from_pretrained(
        llama28m.base(), dtype=torch.float32, quantization_config=config
    ).eval()


def forward_variants(
    base: Base, slots: Slots, off: Any, prompts: torch.Tensor
) -> dict[str, Callable[[], Any]]:
    """One forward of the whole batch."""
    tokens = pad(base, prompts.tolist())
    lora, prefix = list(range(BATCH)), list(range(BATCH, 2 * BATCH))
    mixes: dict[str, list[int | None]] = {
        "all rows on the base": [None] * BATCH,
        "16 LoRA": list(lora),
        "16 LoRA, slots in no order": list(NO_ORDER),
        "16 rows of one LoRA": [3] * BATCH,
        "8 LoRA + 8 Prefix": [*lora[:8], *prefix[:8]],
        "16 Prefix": list(prefix),
    }
    ours = {
        name: partial(forward, base, slots, tokens, RowSlots(tuple(rows))) for name, rows in mixes.items()
    }
    return {"off": lambda: off.model(input_ids=prompts, use_cache=False), **ours}


def generation_variants(
    base: Base, slots: Slots, off: Any, prompts: torch.Tensor
) -> dict[str, Callable[[], Any]]:
    """The batch written by greedy choice, always to the last token."""
    lora, prefix = list(range(BATCH)), list(range(BATCH, 2 * BATCH))
    mixes: dict[str, list[int | None]] = {
        "all rows on the base": [None] * BATCH,
        "16 LoRA": list(lora),
        "8 LoRA + 8 Prefix": [*lora[:8], *prefix[:8]],
    }
    ours = {name: partial(written, base, slots, prompts, rows) for name, rows in mixes.items()}
    return {"off": lambda: generated(off, prompts), **ours}


def written(base: Base, slots: Slots, prompts: torch.Tensor, rows: list[int | None]) -> None:
    """Write the batch here."""
    texts = [
        Writing(tuple(ids), slot, Sampling(NEW)) for ids, slot in zip(prompts.tolist(), rows, strict=True)
    ]
    write(base, slots, texts)
    assert all(len(text.written) == NEW for text in texts)


def generated(model: Any, prompts: torch.Tensor, **options: Any) -> None:
    """Write the batch with transformers' `generate`."""
    made = model.generate(
        input_ids=prompts,
        attention_mask=torch.ones_like(prompts),
        max_new_tokens=NEW,
        min_new_tokens=NEW,
        do_sample=False,
        **options,
    )
    assert made.shape == (len(prompts), PROMPT + NEW)


def peer_variants(base: Base, slots: Slots, prompts: torch.Tensor) -> dict[str, Callable[[], Any]]:
    """16 LoRA adapters in stock PEFT: one mixed batch, and one adapter after another."""
    names = [f"a{number}" for number in range(BATCH)]
    with torch.inference_mode(False):
        loaded = stock(base.quantization)
    model = peft.PeftModel.from_pretrained(loaded, llama28m.adapter("lora", 0), adapter_name="a0")
    for number, name in enumerate(names[1:], 1):
        model.load_adapter(llama28m.adapter("lora", number), adapter_name=name)
    model.eval()

    def one_after_another() -> None:
        for row, name in enumerate(names):
            model.set_adapter(name)
            generated(model, prompts[row : row + 1])

    return {
        "adapter_names": lambda: generated(model, prompts, adapter_names=names),
        "set_adapter": one_after_another,
        "ours": lambda: written(base, slots, prompts, list(range(BATCH))),
    }


def load_variants(base: Base, slots: Slots, off: Any) -> dict[str, Callable[[], Any]]:
    """One adapter more: PEFT from its folder into a model that has one already; ours from a hub, hashes checked, into
    a slot."""
    model = peft.PeftModel.from_pretrained(off, llama28m.adapter("lora", 0), adapter_name="first")
    hub = Hub(tempfile.mkdtemp())
    reference = hub.publish(llama28m.adapter("lora", 1), "bench/speed/ad-copy").reference
    count = iter(range(10**6))

    def theirs() -> None:
        model.load_adapter(llama28m.adapter("lora", 1), adapter_name=f"more{next(count)}")

    def ours() -> None:
        slots.put(0, pack(hub.read(reference), base, slots.dtype))

    return {"PEFT load_adapter": theirs, "ours": ours}


def switching(slots: Slots) -> Callable[[], Any]:
    """Another resident adapter for the next step: its plan, and nothing copied."""
    turn = iter(range(10**9))

    def switch() -> None:
        with slots.using(RowSlots((next(turn) % BATCH,) * BATCH)):
            pass

    return switch


if __name__ == "__main__":
    sys.exit(main())
