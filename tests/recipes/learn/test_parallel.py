"""One run in two processes."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch.distributed import TCPStore
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from adapters import Adapter, Base, load_base
from adapters.format.files import read
from recipes import Order, Recipe, train_many
from tests.adapters import models
from tests.clock import LIMIT
from tests.forked import begin, finish
from tests.recipes.runs.test_training import QUICK, copies, moods, weights


def run(data: Path, out: Path) -> None:
    """LoRA with dropout and accumulation, AdaLoRA, a prefix and ad copy."""
    changes = {"train.batch_size": 7, "train.accumulate": 2}
    ranks = {"lora.adalora": {"target_rank": 3}, "train.epochs": 4}
    orders = [
        Order(Recipe.load("behavior", **QUICK | ranks), data / "moods0.csv", out=out / "ranks"),
        Order(Recipe.load("behavior", **QUICK | changes), data / "moods0.csv", out=out / "lora"),
        Order(Recipe.load("behavior-prefix", **QUICK), data / "moods0.csv", out=out / "prefix"),
        Order(
            Recipe.load("ad-copy", **QUICK | {"write.evaluated": 2}), data / "copies.csv", out=out / "copy"
        ),
    ]
    train(orders, models.base("llama", tie_word_embeddings=False))


def run_on_the_starter(data: Path, out: Path) -> None:
    """A LoRA and a prefix on the quantized starter, which `sharded` splits between the processes."""
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
    # The forward of two short names is small enough for kernels that read whole 4-bit weights alone.
    changes: dict[str, Any] = {"train.max_steps": 4, "data.label_names": False}
    orders = [
        Order(Recipe.load(name, **QUICK | changes), data / "moods0.csv", out=out / method)
        for name, method in (("behavior", "lora"), ("behavior-prefix", "prefix"))
    ]
    train(orders, base)


def train(orders: list[Order], base: Base) -> None:
    torch.set_num_threads(1)
    results = train_many(orders, base)
    assert all(isinstance(result, Adapter) for result in results), results


def as_one_of(environment: dict[str, str], work: object, *given: object) -> None:
    """What a launcher does for one of its processes."""
    os.environ.update(environment)
    assert callable(work)
    work(*given)


def together(count: int, work: object, data: Path, out: str) -> None:
    """Run it in so many processes that work together."""
    store = TCPStore("127.0.0.1", 0, is_master=True, timeout=timedelta(seconds=LIMIT), wait_for_workers=False)
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "WORLD_SIZE": str(count)}
    shared |= {"TORCHELASTIC_USE_AGENT_STORE": "True"}  # the store above, whose port nobody else can take
    own = [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]
    finish([begin(as_one_of, environment, work, data, data / out) for environment in own])


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    """Over gloo, with the same global batches."""
    moods(tmp_path, 50)
    copies(tmp_path, 30)
    together(1, run, tmp_path, "one")
    together(2, run, tmp_path, "two")
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
    together(2, run_on_the_starter, tmp_path, "whole")
    together(2, run_on_the_starter, tmp_path, "sharded")
    for name in ("lora", "prefix"):
        whole, sharded = read(tmp_path / "whole" / name), read(tmp_path / "sharded" / name)
        assert torch.equal(weights(whole), weights(sharded))
        assert whole.info["report"]["after"] == sharded.info["report"]["after"]
