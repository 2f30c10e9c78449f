"""How many bytes a mirror moves: `python -m benchmarks.mirror [--adapters 1000]`; 3 minutes.

A thousand adapters, of which eight each have the same weights (one adapter, published for eight campaigns), go from a
hub on a disk to S3 by push, and from there into an empty folder by pull. S3 is moto's server in this process; it counts
the bodies of all requests and all answers, records, listings and errors among them, and the headers apart.

unique      bytes of all distinct contents and of all records: what has to move
plain       bytes of all version folders: what a copy of each of them moves
"""

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from adapters import Adapter, BaseId, Head, Lora
from benchmarks import measure
from hub import Hub
from hub.exchange import pull, push
from tests.hub.s3 import ENVIRONMENT, Server

RESULT = Path(__file__).parent / "results" / "mirror.json"
SHARED = 8
WIDTH = 1024
LAYERS = 16
RANK = 16


def adapter(seed: int) -> Adapter:
    """Two megabytes."""
    draw = torch.Generator().manual_seed(seed)
    tensors = {
        f"base_model.model.model.layers.{layer}.self_attn.q_proj.lora_{half}.weight": torch.randn(
            *shape, generator=draw
        )
        for layer in range(LAYERS)
        for half, shape in (("A", (RANK, WIDTH)), ("B", (WIDTH, RANK)))
    }
    tensors["base_model.model.score.weight"] = torch.randn(2, WIDTH, generator=draw)
    method = Lora(rank=RANK, alpha=32.0, targets=("q_proj",))
    return Adapter(
        method, Head(("0", "1"), "last"), tensors, BaseId("starter", None, "ab" * 32), "recommendation", {}
    )


def counted(server: Server, unique: int, move: Any) -> dict[str, Any]:
    """What one direction takes."""
    server.forget()
    began = perf_counter()
    moved = move()
    seconds = perf_counter() - began
    bodies = server.sent + server.answered
    return {
        "versions": len(moved.versions),
        "contents": len(moved.blobs),
        "requests": len(server.asked),
        "bytes of requests": server.sent,
        "bytes of answers": server.answered,
        "bytes moved / unique": round(bodies / unique, 4),
        "bytes of headers": server.headers,
        "with headers / unique": round((bodies + server.headers) / unique, 4),
        "seconds": round(seconds, 1),
    }


def main() -> None:
    """Measure, print, and write the result of the full size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adapters", type=int, default=1000)
    count = parser.parse_args().adapters
    server = Server()
    os.environ.update(ENVIRONMENT | {"AWS_ENDPOINT_URL": server.url})
    server.client().mkdir("mirror")
    folder = Path(tempfile.mkdtemp())
    try:
        hub = Hub(folder / "hub")
        for index in range(count):
            hub.publish(
                adapter(index // SHARED), f"client-{index // 50}/campaign-{index % 50}/recommendation"
            )
        marks = hub.storage.marks("")
        unique = sum(
            size for path, (size, _) in marks.items() if path.startswith("blobs/") or "/.records/" in path
        )
        pushed = counted(server, unique, lambda: push(hub, "s3://mirror/hub"))
        again = counted(server, unique, lambda: push(hub, "s3://mirror/hub"))
        pulled = counted(server, unique, lambda: pull(folder / "mirror", "s3://mirror/hub"))
        mirror = Hub(folder / "mirror", create=False)
        assert [version.digest for version in mirror.list()] == [version.digest for version in hub.list()]
    finally:
        shutil.rmtree(folder)
        server.stop()
    result = {
        "adapters": count,
        "unique bytes": unique,
        "plain bytes / unique": round(
            sum(size for path, (size, _) in marks.items() if "/v0" in path) / unique, 2
        ),
        "push": pushed,
        "push again": again,
        "pull": pulled,
        "target": 1.02,
        "machine": measure.machine(),
        "versions": measure.versions("s3fs", "moto", "fsspec"),
        "date": measure.now(),
    }
    print(json.dumps(result, indent=2))
    if count >= 1000:
        RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
