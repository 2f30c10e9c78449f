"""A run that is killed at any of its system calls, for real: the file of answers is whole or not there, and the same
command makes it whole."""

import csv
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from adapters import Head
from hub.bulk import Asking, answer_file
from hub.bulk.answering import state_of
from hub.registry.registry import Registry
from hub.registry.requests import Analysis, Analyze
from recipes import Recipe
from recipes.answer import Voice
from recipes.measure.calibration import Calibration
from tests.killed import killed_at

ASKING = Asking("analyze", "acme/spring/behavior")
ROWS = 600


class Plain:
    """A registry without a base, that labels a text by its length."""

    def __init__(self) -> None:
        self.answered = 0
        self.hub = SimpleNamespace(resolve=lambda reference: SimpleNamespace(reference=f"{reference}@1"))

    def voice(self, reference: str) -> Voice:
        head = Head(("odd", "even"), "last")
        return Voice("behavior", head, Recipe.load("behavior"), ("text",), Calibration(), None)

    def map(self, requests: Iterable[Analyze]) -> Iterator[list[Analysis]]:
        for request in requests:
            self.answered += 1
            (text,) = request.texts
            label = ("even", "odd")[len(text["text"]) % 2]  # type: ignore[index]
            yield [Analysis(text, (label,), {label: 1.0})]


def answer(data: Path, out: Path) -> int:
    """How many rows were answered anew."""
    registry = Plain()
    answer_file(cast(Registry, registry), ASKING, data, out)
    return registry.answered


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["text"], *([f"text {'x' * (at % 9)}{at}"] for at in range(ROWS))])
    return path


def can_be_traced() -> bool:
    try:
        killed_at(1, lambda: None)
    except OSError:
        return False
    return True


def told(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.skipif(os.name != "posix" or not can_be_traced(), reason="processes cannot be traced here")
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_killed_at_any_call_the_same_command_makes_the_file_whole(
    data: Path, tmp_path: Path, ending: str
) -> None:
    whole = tmp_path / f"whole.{ending}"
    answer(data, whole)
    expected = whole.read_bytes()
    stop, killed, resumed = 1, True, 0
    while killed:
        folder = tmp_path / f"{ending}-{stop}"
        folder.mkdir()
        out = folder / f"out.{ending}"
        killed = killed_at(stop, lambda: answer(data, out))  # noqa: B023
        if out.exists():
            assert out.read_bytes() == expected
            state_of(out).unlink(missing_ok=True)
        else:
            assert killed
            again = answer(data, out)
            resumed += again < ROWS
            assert out.read_bytes() == expected
            assert [path.name for path in folder.iterdir()] == [out.name], "something is left behind"
        shutil.rmtree(folder)
        stop += 1 + stop // 12
    assert resumed, "no kill came after the first answers were kept"


@pytest.mark.skipif(os.name != "posix" or not can_be_traced(), reason="processes cannot be traced here")
def test_a_run_that_is_killed_again_and_again_gets_there(data: Path, tmp_path: Path) -> None:
    out: Path = tmp_path / "out.csv"
    kills = 0
    while not out.exists() and killed_at(400 + 60 * kills, lambda: answer(data, out)):
        kills += 1
    assert kills and len(told(out)) == ROWS and all(row["answer_label"] for row in told(out))


def test_a_second_run_at_the_same_time_is_refused(data: Path, tmp_path: Path) -> None:
    from adapters.errors import RequestError

    out = tmp_path / "out.csv"
    refused: list[Any] = []

    def second(done: int, rows: int) -> None:
        if done == 300:
            with pytest.raises(RequestError, match="locked"):
                answer(data, out)
            refused.append(done)

    answer_file(cast(Registry, Plain()), ASKING, data, out, progress=second)
    assert refused == [300] and len(told(out)) == ROWS
