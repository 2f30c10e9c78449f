"""What it costs a step of writing that its rows' slots lie in no order: `python -m benchmarks.slot_order`.

16 rows over slots side by side, in order and in none, and over slots far apart; 64 rows over 64 of 256 slots, beside 64
rows of one. CPU seconds, all ways in turn in each round, on the Llama shape of `llama28m.py`.
"""

import argparse
import json
import random
from collections.abc import Callable
from functools import partial
from time import monotonic, process_time
from typing import Any

import torch
import transformers as tf

from adapters import Base, load_base
from adapters.slots import RowSlots, Slots, pack
from adapters.slots.cache import KeyValueCache
from adapters.slots.forward_pass import extend
from benchmarks import llama28m
from benchmarks.measure import keep_freed_memory, machine, medians, now, ratio, versions
from benchmarks.mixed_batch import NO_ORDER
from benchmarks.shared_tokens import adapter

RESULT = llama28m.ROOT / "benchmarks" / "results" / "slot-order.json"
SLOTS, PAST, ROUNDS = 256, 48, 60


def main() -> int:
    """Measure and write the result."""
    keep_freed_memory()
    tf.logging.set_verbosity_error()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=5.0, metavar="MINUTES")
    until = monotonic() + 60 * parser.parse_args().budget
    about, base = machine(), load_base(str(llama28m.base()), "none")
    slots = Slots(base, SLOTS)
    packed = pack(adapter(base, torch.Generator().manual_seed(0)), base, torch.float32)
    for slot in range(SLOTS):
        slots.put(slot, packed)
    far = random.Random(0).sample(range(SLOTS), 64)
    rows = {
        "16 in order": list(range(16)),
        "16 in no order": list(NO_ORDER),
        "16 on 8 slots": [slot // 2 for slot in NO_ORDER],
        "16 far apart": far[:16],
        "64 of one": [3] * 64,
        "64 in order": list(range(64)),
        "64 of 256": far,
    }
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    with torch.inference_mode():
        steps = {name: step(base, slots, own) for name, own in rows.items()}
        for turn in range(ROUNDS + 1):
            if turn > 2 and monotonic() > until:
                break
            for name, run in steps.items():
                began = process_time()
                run()
                if turn:
                    seconds[name].append(process_time() - began)
    result: dict[str, Any] = {
        "benchmark": "slot-order",
        "command": "python -m benchmarks.slot_order",
        "shape": llama28m.SHAPE
        | {"rank": 8, "slots": SLOTS, "past": PAST, "rounds": len(seconds["64 of one"])},
        "cpu milliseconds": medians(seconds),
        "ratios": {
            **{f"{name} / in order": ratio(seconds, name, "16 in order") for name in list(rows)[1:4]},
            **{f"{name} / of one": ratio(seconds, name, "64 of one") for name in list(rows)[5:]},
        },
        "machine": about | {"load after": machine()["load before"]},
        "versions": versions("torch", "transformers"),
        "date": now(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["ratios"], indent=2))
    return 0


def step(base: Base, slots: Slots, rows: list[int]) -> Callable[[], Any]:
    """One token of each row, behind as many positions each."""
    cache = KeyValueCache(base.attention, base.device, base.dtype)
    cache.resize(len(rows), PAST + 1, 0)
    ids = torch.randint(3, base.vocabulary, (len(rows), 1))
    return partial(extend, base, slots, cache, 0, [PAST] * len(rows), ids, RowSlots(tuple(rows)))


if __name__ == "__main__":
    raise SystemExit(main())
