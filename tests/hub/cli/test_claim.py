"""Two runs to one folder: the second is refused at once; whoever is killed holds nothing."""

import os
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer

from hub.cli.claim import claimed
from tests.clock import LIMIT
from tests.forked import begin
from tests.hub.conftest import Run

COMMAND = ["repertoire", "train", "behavior", "a file.csv", "--out", "made"]


def dies_holding(out: Path, command: Sequence[str]) -> None:
    with claimed(out, command):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    "command",
    [
        ("train", "behavior", "absent.csv", "--out", "made"),
        ("train", "behavior", "absent.csv", "--out", "made", "--resume"),
        ("train", "absent.yaml", "--out", "made"),
        ("train", "behavior", "absent.csv", "--out", "made/acme/spring/behavior"),
        ("tune", "behavior", "absent.csv", "--space", "absent.yaml", "--out", "made"),
    ],
)
def test_the_second_run_to_a_folder_is_refused_and_says_what_runs(
    run: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    with claimed(tmp_path / "made", COMMAND):
        code, out, err = run(*command)
    assert (code, out) == (2, "")
    assert f"another run writes to {tmp_path / 'made'} (process {os.getpid()}, since " in err
    assert shlex.join(COMMAND) in err
    assert list(tmp_path.iterdir()) == [], "and the first one leaves nothing behind"


def test_who_is_killed_holds_nothing(tmp_path: Path) -> None:
    process = begin(dies_holding, tmp_path / "made", COMMAND)
    process.join(LIMIT)
    assert process.exitcode == -signal.SIGKILL
    refused = pytest.raises(typer.BadParameter, match="another run")
    with claimed(tmp_path / "made", COMMAND), refused, claimed(tmp_path / "made", COMMAND):
        pass
    assert list(tmp_path.iterdir()) == []


def test_other_places_are_free_and_what_was_written_stays(tmp_path: Path) -> None:
    with claimed(tmp_path / "new" / "made", COMMAND), claimed(tmp_path / "new" / "made2", COMMAND):
        (tmp_path / "new" / "made").mkdir()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["made"]
