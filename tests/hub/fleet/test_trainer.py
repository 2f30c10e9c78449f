"""A worker that trains, in this process: what is handed to it travels, and what goes wrong is told in words."""

import fcntl
import os
import pickle
import socket
from pathlib import Path

import pytest
import torch

from adapters import Adapter
from adapters.format.files import read
from hub.fleet.trainer import Trainer, alone
from recipes import Order, Recipe, Settings, TrainingError, train_many
from recipes.runs import newest
from tests.adapters import models
from tests.recipes.runs.test_training import QUICK, moods, weights


@pytest.fixture
def trainer() -> Trainer:
    made = Trainer("/", "starter", "none", 1)
    made._base = models.base("llama", tie_word_embeddings=False)
    return made


def test_an_order_that_travelled_goes_on_from_its_parent_as_here(trainer: Trainer, tmp_path: Path) -> None:
    recipe = Recipe.load("behavior", **QUICK)
    data = moods(tmp_path, 60)
    (parent,) = train_many([Order(recipe, data)], trainer._base)
    assert isinstance(parent, Adapter)

    def order(out: str, file: Path) -> Order:
        return Order(recipe, file, out=tmp_path / out, name=out, parent=(parent, "acme/c/behavior@1"))

    (here,) = train_many([order("here", data)], trainer._base)
    orders = pickle.loads(pickle.dumps([order("there", data), order("absent", tmp_path / "absent.csv")]))
    state = tmp_path / "state" / "group-0000"
    told = dict(trainer.train(orders, Settings(state=state)))
    assert told[0] is None and type(told[1]) is TrainingError and "absent.csv" in str(told[1])
    assert isinstance(here, Adapter) and torch.equal(weights(read(tmp_path / "there")), weights(here))
    assert newest(state) > 0, "its snapshots stay until the night is done"
    assert dict(trainer.train(orders, Settings(state=state))).keys() == {0, 1}, "and say what is done already"
    (size,) = trainer.weigh(orders[0], Settings())
    assert size.tokens > 0 and 0 < size.passes < 1 and size.bytes > 0
    with pytest.raises(TrainingError, match=r"absent\.csv"):
        next(trainer.weigh(orders[1], Settings()))


def test_who_trains_a_group_holds_it_against_others(tmp_path: Path) -> None:
    state = tmp_path / "state" / "group-0000"

    def is_held() -> bool:
        with Path(f"{state}.lock").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    with alone(state):
        assert is_held()
    assert not is_held()
    with alone(None):
        assert not is_held(), "without snapshots there is nothing to hold"


def test_a_folder_that_a_machine_does_not_see_is_told(tmp_path: Path) -> None:
    here = os.getcwd()
    with pytest.raises(TrainingError, match=f"not there on {socket.gethostname()}.*one folder that all"):
        next(Trainer(str(tmp_path / "away"), "starter", "none", 1).ready())
    assert os.getcwd() == here
