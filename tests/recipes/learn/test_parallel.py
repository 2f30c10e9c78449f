"""One run in two processes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import torch

from adapters.format.files import read
from tests.recipes.runs.test_training import copies, moods, weights

RUN = """
import sys
from pathlib import Path
from adapters import Adapter
from recipes import Order, Recipe, train_many
from tests.adapters import models
from tests.recipes.runs.test_training import QUICK
data, out = Path(sys.argv[1]), Path(sys.argv[2])
changes = {"train.batch_size": 7, "train.accumulate": 2}
ranks = {"lora.adalora": {"target_rank": 3}, "train.epochs": 4}
orders = [
    Order(Recipe.load("behavior", **QUICK | ranks), data / "moods0.csv", out=out / "ranks"),
    Order(Recipe.load("behavior", **QUICK | changes), data / "moods0.csv", out=out / "lora"),
    Order(Recipe.load("behavior-prefix", **QUICK), data / "moods0.csv", out=out / "prefix"),
    Order(Recipe.load("ad-copy", **QUICK | {"write.evaluated": 2}), data / "copies.csv", out=out / "copy"),
]
results = train_many(orders, models.base("llama", tie_word_embeddings=False))
assert all(isinstance(result, Adapter) for result in results), results
"""


SHARDED = """
import sys
from pathlib import Path
import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from adapters import Adapter, load_base
from recipes import Order, Recipe, train_many
from tests.recipes.runs.test_training import QUICK
data, out = Path(sys.argv[1]), Path(sys.argv[2])
base = load_base("starter", "nf4")
before = sum(weight.numel() for weight in base.backbone.parameters())
if out.name == "sharded":
    torch.distributed.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (2,))
    for layer in base.backbone.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(base.backbone, mesh=mesh, reshard_after_forward=True)
    held = sum(weight.to_local().numel() for weight in base.backbone.parameters())
    assert held < 0.6 * before, (held, before)
orders = [
    Order(Recipe.load(name, **QUICK | {"train.max_steps": 4}), data / "moods0.csv", out=out / method)
    for name, method in (("behavior", "lora"), ("behavior-prefix", "prefix"))
]
results = train_many(orders, base)
assert all(isinstance(result, Adapter) for result in results), results
"""


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    """Over gloo: LoRA with dropout and accumulation, AdaLoRA, a prefix and ad copy, with the same global batches."""
    moods(tmp_path, 50)
    copies(tmp_path, 30)
    finish(start(RUN, tmp_path, "one", 1) + start(RUN, tmp_path, "two", 2))
    for name in ("lora", "ranks", "prefix", "copy"):
        one, two = read(tmp_path / "one" / name), read(tmp_path / "two" / name)
        assert float((weights(one) - weights(two)).abs().max()) <= 1e-4, name
        histories = (each.info["report"]["history"] for each in (one, two))
        for mine, its in zip(*histories, strict=True):
            assert all(abs(mine[key] - its[key]) <= 1e-4 for key in mine), name


def test_a_quantized_base_may_be_sharded(tmp_path: Path) -> None:
    """FSDP2's fully_shard over gloo, each process holding half of every layer's 4-bit weights: the same as with two
    processes that hold all of them."""
    moods(tmp_path, 50)
    finish(start(SHARDED, tmp_path, "whole", 2) + start(SHARDED, tmp_path, "sharded", 2))
    for name in ("lora", "prefix"):
        whole, sharded = read(tmp_path / "whole" / name), read(tmp_path / "sharded" / name)
        assert torch.equal(weights(whole), weights(sharded))
        assert whole.info["report"]["after"] == sharded.info["report"]["after"]


def start(run: str, folder: Path, out: str, count: int) -> list["subprocess.Popen[bytes]"]:
    """This many processes that work together."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = os.environ | {"OMP_NUM_THREADS": "1", "WORLD_SIZE": str(count)}
    settings |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, "-c", run, str(folder), str(folder / out)]
    return [
        subprocess.Popen(command, env=settings | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(count)
    ]


def finish(processes: list["subprocess.Popen[bytes]"]) -> None:
    assert [process.wait(timeout=300) for process in processes] == [0] * len(processes)
