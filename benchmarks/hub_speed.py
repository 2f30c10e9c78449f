"""Publishing and loading one adapter of 20 MB, beside the least that any tool must do with the same bytes.

    python -m benchmarks.hub_speed        about a minute; put build/ on the disk that is to be measured

publish / write     the whole of `Hub.publish` from a PEFT directory, over writing the bytes to a new file and fsyncing
load / read         `Hub.read` (read, hash, parse, check), over reading the bytes and hashing them

Each ratio is the median over rounds that alternate; the order within a round alternates too.
"""

import hashlib
import json
import os
import shutil
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch

from adapters import Adapter, BaseId, Lora
from adapters.format import files
from benchmarks.measure import keep_freed_memory, machine, now, versions
from hub import Hub

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "hub-speed.json"
_NAME = "acme/spring/ad-copy"
_ROUNDS = 21


def main() -> None:
    """Measure and write the result."""
    keep_freed_memory()
    about, room = machine(), ROOT / "build" / "benchmarks" / "hub-speed"
    shutil.rmtree(room, ignore_errors=True)
    hub = Hub(room / "hub")
    hub.publish(_adapter(0), "acme/spring/first")
    publish: list[tuple[float, float]] = []
    load: list[tuple[float, float]] = []
    size = 0
    for turn in range(_ROUNDS + 2):
        folder = files.write(_adapter(turn + 1), room / "source")
        data = (folder / files.WEIGHTS).read_bytes()
        size, plain = len(data), room / "plain"
        os.sync()
        publish.append(_both(turn, partial(hub.publish, folder, _NAME), partial(_write, plain, data)))
        load.append(_both(turn, partial(hub.read, hub.resolve(_NAME)), partial(_read, plain)))
        plain.unlink()
    publish, load = publish[2:], load[2:]
    result: dict[str, Any] = {
        "benchmark": "hub-speed",
        "bytes": size,
        "rounds": _ROUNDS,
        "ratios": {
            "publish / write and fsync": round(median(a / b for a, b in publish), 3),
            "load / read and hash": round(median(a / b for a, b in load), 3),
        },
        "milliseconds": {
            "publish": _milliseconds(a for a, _ in publish),
            "write and fsync": _milliseconds(b for _, b in publish),
            "load": _milliseconds(a for a, _ in load),
            "read and hash": _milliseconds(b for _, b in load),
        },
        "machine": about,
        "versions": versions("torch"),
        "date": now(),
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result["ratios"] | result["milliseconds"], indent=2))
    shutil.rmtree(room)


def _both(turn: int, ours: Any, least: Any) -> tuple[float, float]:
    seconds = {}
    for call in (ours, least) if turn % 2 else (least, ours):
        began = perf_counter()
        kept = call()
        seconds[call] = perf_counter() - began
        del kept
    return seconds[ours], seconds[least]


def _write(path: Path, data: bytes) -> None:
    with open(path, "wb", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())


def _read(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _adapter(seed: int) -> Adapter:
    """LoRA of rank 16 on all of 40 layers of width 2,048 that are called q_proj and v_proj."""
    random = torch.Generator().manual_seed(seed)
    tensors = {
        f"base_model.model.model.layers.{layer}.self_attn.{name}.lora_{side}.weight": torch.randn(
            *((16, 2048) if side == "A" else (2048, 16)), generator=random
        )
        for layer in range(40)
        for name in ("q_proj", "v_proj")
        for side in "AB"
    }
    method = Lora(rank=16, alpha=32.0, targets=("q_proj", "v_proj"))
    return Adapter(method, None, tensors, BaseId("owner/model"), "ad-copy")


def _milliseconds(seconds: Any) -> float:
    return round(median(seconds) * 1000, 1)


if __name__ == "__main__":
    main()
