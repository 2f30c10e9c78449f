"""Many adapters on one base of 8 billion parameters, on a GPU: `benchmarks/gpu.sh`, which also runs the tests that need
one; `--dry-run` runs all of it on a CPU at a tiny size, to see that it works.

For a base in bf16, then in nf4:

    decode     one token of 1, 16 and 64 rows, each with its own adapter of rank 16, beside the base alone, as it comes
               and captured as a CUDA graph
    prefill    whole prompts, the same way
    products   each 4-bit linear layer by itself, at 1 to 64 rows
    cold       from an adapter's file to the first token of a text
    training   1, 4, 16 and 64 small jobs fused, beside the same jobs by stock PEFT, one after the other
    peft       decode by stock PEFT's mixed batches

Beside each stands its bound: bytes that must be read over the bandwidth that was measured, or operations over the
arithmetic that was measured. The file is written anew after each part, so that a run which is cut still counts.
"""

import argparse
import gc
import json
import os
import resource
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

import torch
import transformers as tf
from torch import nn

from adapters import Base, read, write
from adapters.base.quantization import BITS_PER_WEIGHT, plain_weight
from adapters.slots import RowSlots, Slots, forward, pack, pad
from adapters.slots.cache import KeyValueCache
from adapters.slots.fixed_steps import Capture, FixedSteps, cuda_graphs
from adapters.slots.forward_pass import extend
from benchmarks import gpu_rig as rig
from benchmarks.gpu_peers import peft_steps, training
from benchmarks.measure import interleaved, machine, medians, now, ratio, versions

RESULTS = Path(__file__).parent / "results"


@dataclass
class Report:
    """The file, and what of the time is left.

    path: of the file; until: when to stop, on the monotonic clock.
    """

    path: Path
    until: float
    told: dict[str, Any] = field(default_factory=dict)

    def part(self, name: str, run: Callable[[], dict[str, Any]], device: torch.device) -> None:
        """Measure one part and write the file. What goes wrong in it is what the file says of it."""
        if monotonic() > self.until:
            self.told[name] = {"not measured": "the time was over"}
        else:
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            began = monotonic()
            try:
                self.told[name] = run()
            except Exception as error:  # the parts behind it are worth having all the same
                self.told[name] = {"failed": f"{type(error).__name__}: {error}"}
            self.told[name] |= {"peak GiB": peak(device), "took seconds": round(monotonic() - began, 1)}
            gc.collect()
            if device.type == "cuda":
                torch.cuda.empty_cache()
        self.write()
        print(name, json.dumps(self.told[name]), flush=True)

    def write(self) -> None:
        """The file appears whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".partial")
        temporary.write_text(json.dumps(self.told | {"date": now()}, indent=2) + "\n")
        os.replace(temporary, self.path)


def main() -> int:
    """Measure and write the result. 1 where a part failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="tiny, on whatever there is")
    parser.add_argument("--out", type=Path, default=RESULTS / "gpu.json")
    parser.add_argument("--budget", type=float, default=7.0, metavar="MINUTES")
    options = parser.parse_args()
    if not options.dry_run and not torch.cuda.is_available():
        raise SystemExit("torch sees no CUDA device; run it where there is one, or with --dry-run")
    tf.logging.set_verbosity_error()
    size = rig.TINY if options.dry_run else rig.LARGE
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    report = Report(options.out, monotonic() + 60 * options.budget)
    report.told = {
        "benchmark": "gpu",
        "command": "benchmarks/gpu.sh" + (" --dry-run" if options.dry_run else ""),
        "device": rig.told() or str(device),
        "machine": machine(),
        "versions": versions("torch", "triton", "transformers", "peft", "bitsandbytes"),
        "shape": size.model | {"rank": rig.RANK, "past": size.past, "dtype": str(dtype)},
    }
    report.part("bounds", lambda: rig.bounds(size, device, dtype), device)
    plain = rig.model(size, device, dtype)
    for name, quantization in ((str(dtype).removeprefix("torch."), "none"), ("nf4", "nf4")):
        measure(name, rig.base(plain, quantization), size, report)
    return int(any("failed" in part for part in report.told.values() if isinstance(part, dict)))


def measure(name: str, base: Base, size: rig.Size, report: Report) -> None:
    """All parts on one base, those that matter most first."""
    limits = report.told["bounds"]
    for part in (decode, training, prefill, cold):
        report.part(f"{name} {part.__name__}", partial(part, base, size, limits), base.device)
    if base.quantization == "nf4":
        report.part(f"{name} products", partial(products, base, size, limits), base.device)
    ours = report.told[f"{name} decode"]
    report.part(f"{name} peft", partial(peft_steps, base, size, ours), base.device)


def loaded(base: Base, count: int) -> Slots:
    """So many slots, full: one adapter's numbers, in memory of their own each time."""
    slots, packed = Slots(base, count), pack(rig.adapter(base), base, base.dtype)
    for slot in range(count):
        slots.put(slot, packed)
    return slots


@torch.inference_mode()
def decode(base: Base, size: rig.Size, limits: dict[str, float]) -> dict[str, Any]:
    """A step of writing at each number of rows: tokens a second, and which share of its bound that is."""
    slots, found = loaded(base, max(size.counts)), {}
    capture = capture_on(base.device)
    try:
        for rows in size.counts:
            none, each = (None,) * rows, tuple(range(rows))
            runs = {
                "base": step(base, slots, none, size.past, None),
                "distinct": step(base, slots, each, size.past, None),
                "base, captured": step(base, slots, none, size.past, capture),
                "distinct, captured": step(base, slots, each, size.past, capture),
            }
            times = interleaved(
                {name: rig.settled(run, base.device) for name, run in runs.items()}, size.rounds
            )
            own, least = medians(times), step_seconds(base, slots, rows, size, limits)
            found[f"{rows} rows"] = {
                "milliseconds": own,
                "tokens a second": {name: round(1000 * rows / each) for name, each in own.items()},
                "base / distinct": ratio(times, "base", "distinct"),
                "base / distinct, captured": ratio(times, "base, captured", "distinct, captured"),
                "bound, milliseconds": {name: round(1000 * least[name.split(",")[0]], 3) for name in own},
                "of the bound": {
                    name: round(1000 * least[name.split(",")[0]] / own[name], 6) for name in own
                },
            }
    finally:
        slots.close()
    return found


def step(
    base: Base, slots: Slots, own: tuple[int | None, ...], past: int, capture: Capture | None
) -> Callable[[], Any]:
    """One token of each row, behind as many columns each, as it comes or captured."""
    cache = KeyValueCache(base.attention, base.device, base.dtype)
    cache.resize(len(own), past + 1, 0)
    tokens = torch.randint(3, base.vocabulary, (len(own),)).tolist()
    rows, starts = RowSlots(own), [past] * len(own)
    if capture is not None:
        fixed = FixedSteps(base, slots, capture)

        def captured() -> Any:
            logits = fixed.logits(cache, tokens, starts, rows)
            assert logits is not None, "it could not be captured; the log says why"
            return logits

        return captured
    ids = torch.tensor(tokens, device=base.device)[:, None]
    return lambda: base.lm_logits(extend(base, slots, cache, 0, starts, ids, rows)[:, -1]).float()


def step_seconds(
    base: Base, slots: Slots, rows: int, size: rig.Size, limits: dict[str, float]
) -> dict[str, float]:
    """The least that a step can take: weights once, each row's cache once, each adapter once."""
    embedding = base.model.get_input_embeddings().weight
    weights = base.memory_footprint() - embedding.numel() * embedding.element_size()
    columns = sum(2 * layer.kv_heads * layer.head_dim for layer in base.attention) * base.dtype.itemsize
    read_always = weights + rows * size.past * columns
    each = slots_bytes(slots) // (slots.count + 1)
    bandwidth = limits["GB a second"] * 1e9
    return {"base": read_always / bandwidth, "distinct": (read_always + rows * each) / bandwidth}


def slots_bytes(slots: Slots) -> int:
    """Bytes of the low-rank terms of all slots, the empty one too."""
    return slots.memory.numel() * slots.memory.element_size()


@torch.inference_mode()
def products(base: Base, size: rig.Size, limits: dict[str, float]) -> dict[str, Any]:
    """Each linear layer of a block at each number of rows: the quantized product, the same with its weights unpacked
    beforehand, and what 4 bits allow. One block after the other, so that no cache holds a weight from before, and
    captured, so that nothing waits for Python."""
    found, blocks = {}, defaultdict(list)
    capture = capture_on(base.device)
    for path, linear in base.linears.items():
        blocks[path.rpartition(".")[2]].append(linear)
    for name, layers in blocks.items():
        plain = [plain_weight(linear).to(base.dtype) for linear in layers]
        least = plain[0].numel() * BITS_PER_WEIGHT["nf4"] / 8 / (limits["GB a second"] * 1e9)
        for rows in size.product_rows:
            x = torch.randn(rows, layers[0].in_features, device=base.device, dtype=base.dtype)
            runs = {
                "nf4": capture(lambda x=x, layers=layers: [linear(x) for linear in layers]),
                "unpacked": capture(lambda x=x, plain=plain: [nn.functional.linear(x, own) for own in plain]),
            }
            times = interleaved(
                {way: rig.settled(run, base.device) for way, run in runs.items()}, size.rounds
            )
            found[f"{name}, {rows} rows"] = {
                "microseconds": {
                    way: round(1e6 * median(own) / len(layers), 1) for way, own in times.items()
                },
                "4-bit bound, microseconds": round(1e6 * least, 2),
            }
    return found


def capture_on(device: torch.device) -> Any:
    """CUDA graphs; on a CPU a run stays what it is."""
    return cuda_graphs(device) if device.type == "cuda" else lambda run: run


@torch.inference_mode()
def prefill(base: Base, size: rig.Size, limits: dict[str, float]) -> dict[str, Any]:
    """Whole prompts: the base alone, and a distinct adapter each."""
    rows, slots = size.prefill_rows, loaded(base, size.prefill_rows)
    tokens = pad(base, torch.randint(3, base.vocabulary, (rows, size.prompt)).tolist())
    try:
        times = interleaved(
            {
                name: rig.settled(partial(forward, base, slots, tokens, RowSlots(own)), base.device)
                for name, own in (("base", (None,) * rows), ("distinct", tuple(range(rows))))
            },
            size.rounds,
        )
    finally:
        slots.close()
    numbers = sum(linear.in_features * linear.out_features for linear in base.linears.values())
    least = 2 * numbers * rows * size.prompt / (limits["TFLOP a second"] * 1e12)
    own = medians(times)
    return {
        "rows": rows,
        "tokens a row": size.prompt,
        "milliseconds": own,
        "base / distinct": ratio(times, "base", "distinct"),
        "bound, milliseconds": round(1000 * least, 3),
        "of the bound": {name: round(1000 * least / each, 3) for name, each in own.items()},
    }


@torch.inference_mode()
def cold(base: Base, size: rig.Size, limits: dict[str, float]) -> dict[str, Any]:
    """From an adapter's file, which the system has read before, to the first token of a text."""
    slots, rows = loaded(base, 1), RowSlots((0,))
    tokens = pad(base, [list(range(3, 3 + 32))])
    with tempfile.TemporaryDirectory() as folder:
        write(rig.adapter(base), folder)
        ways: dict[str, Callable[[], Any]] = {
            "read": lambda: read(folder),
            "read, checked and laid out": lambda: pack(read(folder), base, slots.dtype),
        }
        packed = pack(read(folder), base, slots.dtype)
        ways["moved into a slot"] = lambda: slots.put(0, packed)

        def first_token() -> Any:
            slots.put(0, pack(read(folder), base, slots.dtype))
            return base.lm_logits(forward(base, slots, tokens, rows).states[:, -1]).argmax().item()

        ways["file to first token"] = first_token
        try:
            times = interleaved(
                {name: rig.settled(run, base.device) for name, run in ways.items()}, size.rounds // 2
            )
        finally:
            slots.close()
    moved = packed.size / (limits["GB a second from the host"] * 1e9)
    return {
        "bytes": packed.size,
        "milliseconds": medians(times),
        "bound of the move, milliseconds": round(1000 * moved, 3),
    }


def peak(device: torch.device) -> float:
    """GiB that were taken at the most: on a GPU by the part, on a CPU by the process so far."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**30, 3)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3)


if __name__ == "__main__":
    raise SystemExit(main())
