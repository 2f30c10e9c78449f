"""A run that is killed goes on as if it had not been."""

import json
import os
import random
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from adapters import Adapter, Base
from adapters.format.files import read
from recipes import Order, Recipe, Settings, train_many
from recipes.errors import TrainingError
from recipes.learn.fused import Fused
from recipes.runs import snapshots as resume
from tests.adapters import models
from tests.clock import LIMIT
from tests.forked import begin, finish
from tests.killed import dies_at
from tests.recipes.runs.test_training import QUICK, copies, moods, weights

JOBS = ("lora", "prefix", "copy", "ranks", "late", "unlabelled")


def orders(folder: Path, out: Path) -> list[Order]:
    """A LoRA with dropout, a prefix, ad copy that accumulates, AdaLoRA with 8-bit moments, one that waits for a slot,
    and one that learns from rows without labels."""
    ranks = {"lora.adalora": {"target_rank": 4}, "train.optimizer": "adamw8bit", "train.accumulate": 2}
    recipes = {
        "lora": Recipe.load("behavior", **QUICK | {"lora.dropout": 0.1, "train.epochs": 4}),
        "prefix": Recipe.load("behavior-prefix", **QUICK | {"train.batch_size": 5}),
        "copy": Recipe.load("ad-copy", **QUICK | {"train.accumulate": 3, "write.max_new_tokens": 4}),
        "ranks": Recipe.load("behavior", **QUICK | ranks),
        "late": Recipe.load("behavior", **QUICK | {"lora.rank": 2}),
    }
    probed = Recipe.load("behavior", **QUICK | {"head.init": "probe"})
    rows, more = folder / "moods0.csv", folder / "moods1.csv"
    return [
        *(
            Order(recipe, folder / "copies.csv" if name == "copy" else rows, out=out / name, name=name)
            for name, recipe in recipes.items()
        ),
        Order(probed, rows, out=out / "unlabelled", name="unlabelled", unlabelled=more),
    ]


def night(folder: Path, out: Path, life: int = 10**9) -> None:
    """Train all, with a snapshot after every turn, and die at so many calls into the operating system."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    settings = Settings(pass_tokens=48, state=out / "state", snapshot_seconds=0)

    def train() -> None:
        run = train_many(
            orders(folder, out), models.base("llama", tie_word_embeddings=False), settings=settings
        )
        assert all(isinstance(result, Adapter) for result in run), run

    calls = dies_at(life, train)
    (out / "calls").write_text(str(calls))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    moods(folder, 64)
    moods(folder, 24, seed=1)
    copies(folder, 40)
    return folder


def test_killed_at_any_moment_and_resumed_it_ends_with_the_same_bits(data: Path, tmp_path: Path) -> None:
    """SIGKILL at random moments, before a first snapshot and between and in later ones, until a run comes through."""
    finish([begin(night, data, tmp_path / "whole")])
    calls = int((tmp_path / "whole" / "calls").read_text())
    draw, state, turns = random.Random(0), tmp_path / "killed" / "state", []
    for life in (10, *(draw.randint(calls // 12, calls // 7) for _ in range(5))):
        run = begin(night, data, tmp_path / "killed", life)
        run.join(LIMIT)
        assert run.exitcode == -signal.SIGKILL
        turns.append(max((int(path.name) for path in state.glob("0*")), default=0))
    assert turns[0] == 0 and turns == sorted(set(turns)), "each went on from where the one before it died"
    finish([begin(night, data, tmp_path / "killed")])
    assert not state.exists(), "a finished run leaves no snapshots"
    for name in JOBS:
        whole, killed = (read(tmp_path / way / name) for way in ("whole", "killed"))
        assert torch.equal(weights(whole), weights(killed)), name
        assert whole.info["report"]["history"] == killed.info["report"]["history"]


def test_a_snapshot_of_before_there_were_groups_is_gone_on_from(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its jobs run all together, whatever groups they would be in now."""
    base = models.base("llama", tie_word_embeddings=False)
    recipe = Recipe.load("behavior", **QUICK)

    def night(**settings: Any) -> list[Any]:
        orders = [Order(recipe, data / "moods0.csv", out=tmp_path / str(at), name=str(at)) for at in range(8)]
        return train_many(orders, base, settings=Settings(**settings))

    class Stop(Exception):
        pass

    def save_and_stop(*arguments: Any) -> None:
        saved(*arguments)
        raise Stop

    saved = resume.save
    with monkeypatch.context() as before:
        before.setattr("recipes.runs.run.deal", lambda sizes: [list(range(len(sizes)))])
        whole = night()
        before.setattr(resume, "save", save_and_stop)
        with pytest.raises(Stop):
            night(state=tmp_path / "state", snapshot_seconds=0)
    found = night(state=tmp_path / "state")
    assert all(torch.equal(weights(mine), weights(its)) for mine, its in zip(found, whole, strict=True))


def test_any_turn_can_be_gone_on_from(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped again and again in one process: in the middle of a window, at a validation, when a job ends."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    base = models.base("llama", tie_word_embeddings=False)
    whole = train_many(orders(data, tmp_path / "whole"), base, settings=Settings(pass_tokens=48))
    settings = Settings(pass_tokens=48, state=tmp_path / "state", snapshot_seconds=0)
    saved = resume.save

    class Stop(Exception):
        pass

    turns = 0

    def save_and_stop(*arguments: Any) -> None:
        nonlocal turns
        turns += 1
        saved(*arguments)
        if turns % 3 == 0:
            raise Stop

    monkeypatch.setattr(resume, "save", save_and_stop)
    stops = 0
    while True:
        try:
            broken = train_many(orders(data, tmp_path / "broken"), base, settings=settings)
            break
        except Stop:
            stops += 1
    torch.set_num_threads(threads)
    assert stops >= 5
    for mine, its in zip(whole, broken, strict=True):
        assert isinstance(mine, Adapter) and isinstance(its, Adapter)
        assert torch.equal(weights(mine), weights(its))
        assert mine.info["report"]["history"] == its.info["report"]["history"]


def test_a_state_of_other_jobs_is_refused(data: Path, tmp_path: Path) -> None:
    base, state = models.base("llama"), tmp_path / "state"
    job = orders(data, tmp_path / "out")[0]
    resume.save(state, {"digests": ["of another"], "slots": 1}, {})
    with pytest.raises(TrainingError, match="holds a run of other recipes"):
        train_many([job], base, settings=Settings(state=state))


def test_a_snapshot_that_was_not_finished_does_not_count(tmp_path: Path) -> None:
    resume.save(tmp_path, {"turn": 1}, {0: {"x": torch.ones(2)}})
    begun = tmp_path / ".000002"
    begun.mkdir()
    (begun / "run.json").write_text(json.dumps({"turn": 2}))
    found = resume.load(tmp_path)
    assert found is not None and found[0] == {"turn": 1} and torch.equal(found[1][0]["x"], torch.ones(2))
    resume.save(tmp_path, {"turn": 3}, {})
    assert resume.load(tmp_path) == ({"turn": 3}, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000002"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_costs_snapshots_never_the_training(data: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk], check=False).returncode:
        pytest.skip("no small file system can be mounted here")
    try:
        settings = Settings(state=disk / "state", snapshot_seconds=0)
        (result,) = train_many(orders(data, tmp_path)[:1], models.base("llama"), settings=settings)
        assert isinstance(result, Adapter)
        (full,) = train_many(orders(data, disk)[:1], models.base("llama"))
        assert isinstance(full, TrainingError) and "cannot be written" in str(full)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_bad_data_and_a_base_that_cannot_carry_it_fail_their_own_job(data: Path, tmp_path: Path) -> None:
    base: Base = models.base("llama", tie_word_embeddings=False)
    good = orders(data, tmp_path)[0]
    bad = Order(good.recipe, tmp_path / "absent.csv", name="bad")
    told: dict[int, object] = {}
    missing, sound = train_many([bad, good], base, on_result=told.__setitem__)
    assert not isinstance(missing, Adapter) and "absent.csv" in str(missing)
    assert isinstance(sound, Adapter) and told == {0: missing, 1: sound}


def test_an_adapter_that_could_not_be_written_is_not_lost(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = models.base("llama", tie_word_embeddings=False)
    settings = Settings(state=tmp_path / "state", snapshot_seconds=0)
    job = orders(data, tmp_path / "out")[0]

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recipes.runs.order.write", full)
    (failed,) = train_many([job], base, settings=settings)
    assert isinstance(failed, TrainingError) and "cannot be written" in str(failed)
    monkeypatch.undo()
    turns, real = [], Fused.turn
    monkeypatch.setattr("recipes.learn.fused.Fused.turn", lambda self, jobs: turns.append(real(self, jobs)))
    (made,) = train_many([job], base, settings=settings)
    assert isinstance(made, Adapter) and (tmp_path / "out" / "lora").is_dir()
    assert len(turns) == 1, "only the last turn is trained again"
