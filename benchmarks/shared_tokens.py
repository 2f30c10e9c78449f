"""What reading a user once saves where many ads are ranked: `python -m benchmarks.shared_tokens BASE`.

BASE is a folder with a decoder, such as SmolLM2-135M. Each round ranks ads for a new user of 120 tokens in three ways,
one after the other:

    apart   the plain forward, in which every row reads the user
    once    a runtime that has never seen the user
    again   the same runtime, other ads

Times are CPU seconds of the whole process, so that other work on the machine counts for little. The file grows with
every round, and a second run goes on from there.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from statistics import median
from time import monotonic, process_time
from typing import Any

import torch
import transformers as tf

from adapters import Adapter, Base, Head, Lora, load_base
from adapters.serving import Fetched, Request, Runtime
from adapters.slots import RowSlots, Slots, forward, pad
from adapters.slots.reading import of_like_length
from benchmarks.measure import keep_freed_memory, machine, now, versions

RESULT = Path(__file__).parent / "results" / "shared-tokens.json"
USER, AD, RANK = 120, 15, 8
ADS = (5, 20, 50)
ROUNDS = 5


def main() -> int:
    """Measure on fp32 and nf4, and write the result after each round."""
    keep_freed_memory()
    tf.logging.set_verbosity_error()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", type=Path)
    parser.add_argument("--budget", type=float, default=20.0, metavar="MINUTES")
    options = parser.parse_args()
    until = monotonic() + 60 * options.budget
    result = json.loads(RESULT.read_text()) if RESULT.is_file() else {"benchmark": "shared-tokens"}
    result |= {
        "command": "python -m benchmarks.shared_tokens BASE",
        "shape": {"base": options.base.name, "user": USER, "ad": AD, "rank": RANK},
        "machine": machine(),
        "versions": versions("torch", "transformers", "bitsandbytes"),
    }
    bases = {
        name: load_base(str(options.base), quantization)
        for name, quantization in (("fp32", "none"), ("nf4", "nf4"))
    }
    for turn in range(ROUNDS):
        for name, base in bases.items():
            for ads in ADS:
                own = result.setdefault(name, {}).setdefault(f"{ads} ads", {"cpu seconds": []})
                if len(own["cpu seconds"]) > turn or monotonic() > until:
                    continue
                own["cpu seconds"].append(one_round(base, ads, seed=100 * turn + ads))
                own["ratios"] = ratios(own["cpu seconds"])
                RESULT.write_text(json.dumps(result | {"date": now()}, indent=2) + "\n")
                print(name, ads, own["cpu seconds"][-1], own["ratios"], flush=True)
    return 0


def one_round(base: Base, ads: int, seed: int) -> dict[str, float]:
    """CPU seconds of each way, and the largest difference of their logits."""
    stream = torch.Generator().manual_seed(seed)
    made = adapter(base, stream)
    user, first, second = (
        rows(base, 1, USER, stream),
        rows(base, ads, AD, stream),
        rows(base, ads, AD, stream),
    )
    slots, runtime = Slots(base, 1), Runtime(base, lambda _: Fetched(made))
    try:
        slots.load(0, made)
        runtime.load("a")
        ask = [[Request("a", (*user[0], *ad)) for ad in own] for own in (first, second)]
        apart, expected = timed(partial(plainly, base, slots, [row.ids for row in ask[0]]))
        once, found = timed(partial(runtime.run, ask[0]))
        again, _ = timed(partial(runtime.run, ask[1]))
    finally:
        slots.close()
        runtime.close()
    off = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, expected, strict=True))
    return {"apart": apart, "once": once, "again": again, "off": off}


@torch.inference_mode()
def plainly(base: Base, slots: Slots, sequences: list[tuple[int, ...]]) -> list[torch.Tensor]:
    """Logits of the head in slot 0, every row read whole."""
    found: list[Any] = [None] * len(sequences)
    for part in of_like_length([len(ids) for ids in sequences]):
        hidden = forward(base, slots, pad(base, [sequences[row] for row in part]), RowSlots((0,) * len(part)))
        for row, logits in zip(part, slots.head(0)(hidden.states, hidden.mask, None), strict=True):
            found[row] = logits
    return found


def timed(run: Any) -> tuple[float, Any]:
    """CPU seconds of a call, and what it gave."""
    began = process_time()
    found = run()
    return round(process_time() - began, 3), found


def ratios(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Medians over the rounds."""
    return {
        "apart / once": round(median(each["apart"] / each["once"] for each in rounds), 2),
        "once / again": round(median(each["once"] / each["again"] for each in rounds), 2),
    }


def rows(base: Base, count: int, length: int, stream: torch.Generator) -> list[tuple[int, ...]]:
    """Token ids, a fifth more or fewer of them."""
    lengths = torch.randint(length - length // 5, length + length // 5 + 1, (count,), generator=stream)
    if count == 1:
        lengths[:] = length
    return [
        tuple(torch.randint(3, base.vocabulary, (int(each),), generator=stream).tolist()) for each in lengths
    ]


def adapter(base: Base, stream: torch.Generator) -> Adapter:
    """LoRA on all linear layers with random weights, and a head of two labels."""
    method = Lora(RANK, 2.0 * RANK, base.targets("all-linear"))
    tensors = {"base_model.model.score.weight": torch.randn(2, base.width, generator=stream)}
    for path, linear in base.linears.items():
        if method.covers(path):
            for part, shape in (("A", (RANK, linear.in_features)), ("B", (linear.out_features, RANK))):
                weight = torch.randn(*shape, generator=stream) * 0.02
                tensors[f"base_model.model.{path}.lora_{part}.weight"] = weight
    return Adapter(method, Head(("no", "yes"), "mean"), tensors, base.identity, "recommendation", {})


if __name__ == "__main__":
    raise SystemExit(main())
