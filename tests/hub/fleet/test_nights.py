"""A night on a real Ray cluster of two nodes ends with the adapters of a night on one machine, whatever is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from adapters import Adapter, load_base
from adapters.format.files import read
from hub import Hub
from hub.fleet import OnRay, train_on_ray
from recipes import Order, Recipe, Settings, TrainingError, train_many
from recipes.runs import newest, of_group
from tests.adapters import models
from tests.clock import LIMIT, until
from tests.hub.fleet.nodes import Nodes, processes
from tests.recipes.runs.test_training import QUICK, moods, weights

ray = pytest.importorskip("ray")
JOBS = 8  # six of them fill a pass and are a group, and two another one


@dataclass(frozen=True)
class Place:
    """Where nights are trained. whole: the adapters of a night on one machine."""

    folder: Path
    whole: list[Adapter]


def orders(folder: Path, out: Path, epochs: int = 8) -> list[Order]:
    """LoRA with dropout and prefixes, of rows that differ in number."""
    found = []
    for at in range(JOBS):
        own = {"lora.dropout": 0.1} if at % 4 == 1 else {}
        preset = "behavior-prefix" if at % 4 == 3 else "behavior"
        recipe = Recipe.load(preset, **QUICK | {"train.epochs": epochs, "train.batch_size": 24} | own)
        found.append(Order(recipe, folder / f"moods{at}.csv", out=out / f"job{at}", name=f"job{at}"))
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("nights")
    for at in range(JOBS):
        moods(folder, 40 + 6 * at, seed=at)
    made = models.base("llama", tie_word_embeddings=False)
    made.model.save_pretrained(folder / "base")
    made.tokenizer.save_pretrained(folder / "base")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    base = load_base(str(folder / "base"), "none")
    alone = train_many(orders(folder, folder / "whole"), base)
    torch.set_num_threads(threads)
    whole = [each for each in alone if isinstance(each, Adapter)]
    assert len(whole) == JOBS, alone
    return Place(folder, whole)


def night(place: Place, nodes: Nodes, folder: Path, *more: str) -> "subprocess.Popen[str]":
    """The command, in a process of its own."""
    command = [
        *(sys.executable, "-c", "from hub.cli import main; main()", "train", str(folder / "jobs.yaml")),
        *("--out", str(folder / "night"), "--base", str(place.folder / "base"), "--quantization", "none"),
        *(
            "--publish",
            str(folder / "hub"),
            "--snapshot",
            "0",
            "--ray",
            nodes.address,
            "--json",
            *more,
        ),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_command_that_is_killed_goes_on_with_the_bits_of_one_machine_and_publishes_nothing_twice(
    place: Place, nodes: Nodes, tmp_path: Path
) -> None:
    names = [f"acme/c{at}/behavior" for at in range(JOBS)]
    jobs = [
        {"name": name, "recipe": each.recipe.to_dict(), "data": str(each.data)}
        for name, each in zip(names, orders(place.folder, tmp_path), strict=True)
    ]
    (tmp_path / "jobs.yaml").write_text(json.dumps({"jobs": jobs}))
    run = night(place, nodes, tmp_path)
    until(lambda: list((tmp_path / "hub" / "adapters").glob("*/*/*/.records/*.json")))
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    assert (tmp_path / "night.state").is_dir()
    run = night(place, nodes, tmp_path, "--resume")
    out, err = run.communicate(timeout=LIMIT)
    assert run.returncode == 0, err
    assert [each["published"] for each in json.loads(out)] == [f"{name}@1" for name in names]
    published = Hub(tmp_path / "hub")
    assert [len(published.versions(name)) for name in names] == [1] * JOBS
    for at, name in enumerate(names):
        own = read(tmp_path / "night" / name)
        assert torch.equal(weights(own), weights(place.whole[at]))
        assert torch.equal(weights(published.read(f"{name}@1")), weights(own))
    assert (tmp_path / "night-report" / "report.html").is_file()
    assert not (tmp_path / "night.state").exists()


def test_a_night_goes_on_when_a_worker_and_then_a_node_is_killed(
    place: Place, nodes: Nodes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is wrong with one job is its own."""
    state, told = tmp_path / "state", Counter[int]()

    second = nodes.second

    def kill() -> None:
        until(lambda: newest(of_group(state, 0)) >= 3)
        for each in processes("ray::Trainer.train", second):
            each.send_signal(signal.SIGKILL)
        so_far = newest(of_group(state, 0))
        until(lambda: newest(of_group(state, 0)) >= so_far + 3 or told)
        nodes.kill_second()

    killing = threading.Thread(target=kill)
    killing.start()
    given = orders(place.folder, tmp_path)
    given.insert(3, Order(given[0].recipe, tmp_path / "absent.csv", out=tmp_path / "absent", name="absent"))
    results = train_on_ray(
        OnRay(nodes.address, str(place.folder / "base"), "none"),
        given,
        settings=Settings(state=state, snapshot_seconds=0),
        on_result=lambda index, _: told.update([index]),
    )
    killing.join(LIMIT)
    absent = results.pop(3)
    assert isinstance(absent, TrainingError) and "absent.csv" in str(absent)
    for mine, its in zip(results, place.whole, strict=True):
        assert isinstance(mine, Adapter), mine
        assert torch.equal(weights(mine), weights(its))
        assert mine.info["report"]["history"] == its.info["report"]["history"]
    assert told == Counter(range(JOBS + 1)), "each is told once"
    assert "a worker has died" in capfd.readouterr().err
    assert not state.exists()
    until(lambda: not processes("ray::Trainer"))


def test_orders_without_a_folder_are_refused() -> None:
    with pytest.raises(TrainingError, match="give every order an `out`"):
        train_on_ray(OnRay("auto"), [Order(Recipe.load("behavior"), "moods.csv")])
