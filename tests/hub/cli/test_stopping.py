"""Ctrl-C and SIGTERM: what is kept, the exit code, and a command that goes on as if nothing had been."""

import os
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from adapters.format.files import read
from hub.cli import main
from hub.cli.stopping import resume_by
from recipes.learn.fused import Fused
from recipes.runs.run import Run
from tests.adapters import models
from tests.clock import LIMIT
from tests.forked import begin
from tests.hub.conftest import Run as Command
from tests.recipes.runs.test_training import moods, weights

SETTINGS = (
    *("--base", "base", "--quantization", "none"),
    *("--set", "train.epochs=2", "--set", "train.batch_size=8", "--set", "data.max_tokens=64"),
)
TRAIN = ("train", "behavior", "moods0.csv", "--out", "a folder/made", *SETTINGS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A client's file, and a base in a folder."""
    moods(tmp_path, 80)
    made = models.base("llama", tie_word_embeddings=False)
    made.model.save_pretrained(tmp_path / "base")
    made.tokenizer.save_pretrained(tmp_path / "base")
    return tmp_path


def ends(folder: Path, number: int, where: str, command: tuple[str, ...]) -> None:
    """Run a command in this process, and be told to end in the middle of a turn, or while the data are prepared."""
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background may ignore it
    for stream, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    owner, name, count = {"turn": (Fused, "turn", 3), "start": (Run, "_identify", 1)}[where]
    real, calls = getattr(owner, name), 0

    def told(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count:
            os.kill(os.getpid(), number)
        return real(*given)

    setattr(owner, name, told)
    main(command)


def ended(folder: Path, number: int, where: str, command: tuple[str, ...]) -> tuple[int | None, str, str]:
    """Exit code and streams of a process of its own."""
    process = begin(ends, folder, number, where, command)
    process.join(LIMIT)
    return process.exitcode, (folder / "out").read_text(), (folder / "err").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_that_is_told_to_end_says_the_command_that_goes_on(
    run: Command, folder: Path, number: int
) -> None:
    assert run(*TRAIN)[0] == 0
    whole = read(folder / "a folder" / "made")
    (folder / "a folder").rename(folder / "whole")
    code, out, err = ended(folder, number, "turn", TRAIN)
    assert (code, out) == (128 + number, "") and "Traceback" not in err
    last = err.splitlines()[-1]
    assert f"stopped by {signal.Signals(number).name}. Kept: the snapshot of " in last
    assert "with 1 job under way (step 3) in a folder/made.state" in last
    assert not list(folder.glob("a folder/.*")), "nobody holds the folder"
    told = shlex.split(last.partition("To go on: ")[2])
    assert told == ["repertoire", *TRAIN, "--resume"]
    code, _, err = run(*TRAIN)
    assert code == 2 and shlex.join(told) in err, "begun anew, it says the same"
    assert run(*told[1:])[0] == 0
    resumed = read(folder / "a folder" / "made")
    assert resumed.info["report"]["steps"] == whole.info["report"]["steps"]
    assert weights(resumed).equal(weights(whole))


def test_before_the_first_step_nothing_is_kept_and_the_same_command_begins_again(
    run: Command, folder: Path
) -> None:
    code, _, err = ended(folder, signal.SIGTERM, "start", (*TRAIN, "--json"))
    assert (code, err) == (143, "")
    told = (folder / "out").read_text()
    assert "nothing is kept. To begin again: repertoire train behavior" in told and '"exit_code": 143' in told
    assert not (folder / "a folder").exists()
    assert run(*TRAIN)[0] == 0


def test_a_search_that_is_told_to_end_says_that_it_keeps_nothing(folder: Path) -> None:
    (folder / "space.yaml").write_text("train.learning_rate: [1e-3, 1e-2]")
    tune = ("tune", "behavior", "moods0.csv", "--space", "space.yaml", "--out", "best.yaml", *SETTINGS)
    code, out, err = ended(folder, signal.SIGINT, "turn", tune)
    assert (code, out) == (130, "")
    assert (
        f"keeps nothing before its end. To begin again, with the same trials: repertoire {shlex.join(tune)}"
        in err
    )
    assert not (folder / "best.yaml").exists()


def test_the_command_that_goes_on_is_the_one_that_began_whatever_its_words() -> None:
    began = ["repertoire", "train", "my recipe.yaml", "it's.csv", "--label", "1=a b", "--out", "x"]
    once = resume_by(began)
    assert shlex.split(once) == [*began, "--resume"]
    assert resume_by(shlex.split(once)) == once, "stopped twice"
