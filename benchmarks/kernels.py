"""The two ways of computing low-rank terms in place, by shape: `python -m benchmarks.kernels`.

16 rows of one layer of 512 inputs and 1408 outputs, in segments of equal slots, no two layers in a row the same, so
that weights come from memory as they do in a model. What stands in the result decides `adapters.kernels.torch_inplace`.
"""

import json
import sys
from functools import partial
from itertools import cycle
from typing import Any

import torch

from adapters.kernels import LoraRows, Scratch, Segment, Weights, torch_inplace
from adapters.slots.layout import Layout, Term
from benchmarks import llama28m
from benchmarks.measure import interleaved, keep_freed_memory, machine, medians, now, versions

RESULT = llama28m.ROOT / "benchmarks" / "results" / "kernels.json"
ROWS, INPUTS, OUTPUTS, SLOTS, LAYERS = 16, 512, 1408, 64, 8


def main() -> int:
    """Measure and write the result."""
    keep_freed_memory()
    about, found = machine(), {}
    with torch.inference_mode():
        for rank in (8, 64):
            layout = Layout.of([Term("w", rank, INPUTS, OUTPUTS, False)], {"w": "w"})
            layers = [layout.views(torch.randn(SLOTS + 1, layout.size))["w"] for _ in range(LAYERS)]
            for tokens in (1, 32):
                for segments in (1, 2, 4, 8, 16):
                    found[f"rank {rank}, {tokens} tokens, {segments} segments"] = measure(
                        layers, tokens, segments
                    )
    result = {
        "benchmark": "kernels",
        "command": "python -m benchmarks.kernels",
        "shape": {"rows": ROWS, "in": INPUTS, "out": OUTPUTS, "slots": SLOTS},
        "milliseconds": found,
        "machine": about,
        "versions": versions("torch"),
        "date": now(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(found, indent=2))
    return 0


def measure(layers: list[Weights], tokens: int, segments: int) -> dict[str, float]:
    """Median milliseconds of both ways, the slots far apart, and of the batched one on slots in order."""
    x, output = torch.randn(ROWS, tokens, INPUTS), torch.randn(ROWS, tokens, OUTPUTS)

    def run(way: Any, rows: LoraRows, turn: "cycle[Weights]") -> None:
        rows.scratch.forget()
        way(output, x, next(turn), None, rows)

    apart = plan([(7 * segment) % SLOTS for segment in range(segments)])
    variants = {
        "one by one": partial(run, torch_inplace.one_by_one, apart, cycle(layers)),
        "together": partial(run, torch_inplace.together, apart, cycle(layers)),
    }
    if segments == ROWS:
        in_order = plan(list(range(ROWS)))
        variants["together, slots in order"] = partial(run, torch_inplace.together, in_order, cycle(layers))
    return medians(interleaved(variants, 200))


def plan(slots: list[int]) -> LoraRows:
    """Rows in segments of equal length."""
    each = ROWS // len(slots)
    segments = [Segment(slot, index * each, (index + 1) * each) for index, slot in enumerate(slots)]
    return LoraRows(segments, SLOTS, 64, torch.device("cpu"), Scratch())


if __name__ == "__main__":
    sys.exit(main())
