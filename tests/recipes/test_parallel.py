"""One run in two processes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from adapters.files import read
from tests.recipes.test_train import copies, moods, weights

RUN = """
import sys
from pathlib import Path
from adapters import Adapter
from recipes import Order, Recipe, train_many
from tests.adapters import models
from tests.recipes.test_train import QUICK
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


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    """Over gloo: LoRA with dropout and accumulation, AdaLoRA, a prefix and ad copy, with the same global batches."""
    moods(tmp_path, 50)
    copies(tmp_path, 30)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    settings = os.environ | {"OMP_NUM_THREADS": "1"}
    alone = subprocess.Popen([*command, str(tmp_path / "one")], env=settings)
    launched = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    both = [
        subprocess.Popen(
            [*command, str(tmp_path / "two")], env=settings | launched | {"RANK": rank, "LOCAL_RANK": rank}
        )
        for rank in "01"
    ]
    assert [process.wait(timeout=300) for process in (alone, *both)] == [0, 0, 0]
    for name in ("lora", "ranks", "prefix", "copy"):
        one, two = read(tmp_path / "one" / name), read(tmp_path / "two" / name)
        assert float((weights(one) - weights(two)).abs().max()) <= 1e-4, name
        histories = (each.info["report"]["history"] for each in (one, two))
        for mine, its in zip(*histories, strict=True):
            assert all(abs(mine[key] - its[key]) <= 1e-4 for key in mine), name
