"""What a run tells while it trains: lines in a log, each half minute and at each validation; bars on a terminal."""

import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from adapters import Base
from recipes import Order, Recipe, Settings, train_many
from recipes.learn.job import Job
from recipes.runs import shown
from recipes.runs.log_lines import EVERY, LogLines, doing
from recipes.runs.run import Run
from recipes.runs.shown import Shown
from tests.adapters import models
from tests.clock import Clock
from tests.recipes.runs.test_training import QUICK, moods


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama", tie_word_embeddings=False)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines of standard error without their time of day; standard output stays empty."""
    captured = capsys.readouterr()
    assert captured.out == ""
    told = captured.err.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in told) and "\r" not in captured.err
    return [line[9:] for line in told]


def run_of(base: Base, *orders: Order) -> Run:
    return Run(orders, base, Settings(pass_tokens=64), None, True)


def test_a_log_has_a_line_each_half_minute_and_at_each_validation(
    base: Base, tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = Recipe.load("behavior", **QUICK | {"train.patience": None})
    run = run_of(base, *(Order(recipe, moods(tmp_path, 60), name=name) for name in ("acme", "globex")))
    assert lines(capsys) == ["preparing acme", "preparing globex"]
    steps = run.jobs[0].steps
    told: list[list[str]] = []
    with Shown(run, True, clock) as view:
        told.append(lines(capsys))
        while run.turn():
            clock.move(EVERY / 2)
            view.update()
            told.append(lines(capsys))
    run.close()
    assert told[0] == [f"training 2 jobs, {2 * steps} steps"]
    assert told[1] == [], "a quarter of a minute"
    [half] = told[2]
    assert re.fullmatch(rf"step 4 of {2 * steps}, 0 of 2 jobs done, about \d+ min left", half)
    every = list(chain.from_iterable(told))
    for name in ("acme", "globex"):
        validated = [line for line in every if line.startswith(f"{name}: step ")]
        assert len(validated) == 2, "one for each epoch"
        assert re.fullmatch(
            rf"{name}: step {steps} of {steps}, loss [\d.e-]+, accuracy [\d.]+", validated[-1]
        )
        assert every.count(f"{name}: done") == 1
    silent = max(map(len, "".join("x" if each else "." for each in told).split("x")))
    assert silent <= 1, "never two looks of a quarter of a minute each without a line"


def test_a_step_that_takes_long_is_told_while_it_lasts(
    base: Base, tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(base, Order(Recipe.load("behavior", **QUICK), moods(tmp_path, 60), name="acme"))
    with Shown(run, True, clock) as view:
        run.turn()
        view.update()
        lines(capsys)
        run.measures = "measuring acme"
        clock.move(EVERY)
        view.update()  # as the thread does
        assert lines(capsys) == [f"step 1 of {run.jobs[0].steps}, now measuring acme"]
    run.close()


def test_a_job_that_fails_is_told_as_failed(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no metric")

    monkeypatch.setattr(Job, "judge", broken)
    order = Order(Recipe.load("behavior", **QUICK), moods(tmp_path, 60), name="acme")
    train_many([order], base, progress=True)
    assert lines(capsys)[-1] == "acme: failed"


def test_nothing_is_told_where_nobody_wants_to_know(
    base: Base, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_many([Order(Recipe.load("behavior", **QUICK), moods(tmp_path, 60))], base)
    assert lines(capsys) == []


def test_a_terminal_has_bars_and_a_line_at_each_validation(
    base: Base,
    tmp_path: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(shown, "has_bars", lambda: True)
    run = run_of(base, Order(Recipe.load("behavior", **QUICK), moods(tmp_path, 60), name="acme"))
    capsys.readouterr()
    with Shown(run, True, clock) as view:
        while run.turn():
            clock.move(EVERY)
            view.update()
    run.close()
    captured = capsys.readouterr()
    assert captured.out == "", "bars are no part of the output"
    told = [line[9:] for line in captured.err.splitlines() if re.match(r"\d\d:\d\d:\d\d ", line)]
    (job,) = run.jobs.values()
    steps = [f"acme: step {entry['step']} of {job.steps}, " for entry in job.history]
    assert len(steps) == 2
    assert [line[: len(step)] for line, step in zip(told, steps, strict=False)] == steps
    assert told[2:] == ["acme: done"]


def test_the_bars_say_what_is_measured_while_it_lasts(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    run = run_of(base, Order(Recipe.load("behavior", **QUICK), moods(tmp_path, 60), name="acme"))
    bars = shown._Bars(run)
    judge, finish = Job.judge, run._finish

    def drawing(then: Any) -> Any:
        def draw(*given: Any) -> Any:
            drawn.append(" ".join(str(bars._bars.columns[-1](task)) for task in bars._bars.tasks).strip())
            return then(*given)

        return draw

    monkeypatch.setattr(Job, "judge", drawing(judge))
    monkeypatch.setattr(run, "_finish", drawing(finish))
    with bars:
        while run.turn():
            bars.update()
    run.close()
    assert drawn == ["validating acme", "validating acme", "measuring acme"]


def test_what_lasts_is_told_again_every_half_minute(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    told = LogLines(lambda: "still reading", clock=clock)
    for seconds in (EVERY - 1, 1, EVERY - 1, 1):
        clock.move(seconds)
        told.look()
    assert lines(capsys) == ["still reading"] * 2
    with doing("loading starter", True):
        pass
    with doing("loading starter", False):
        pass
    assert lines(capsys) == ["loading starter"]


def test_a_log_on_a_full_disk_stops_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("builtins.print", full)
    with doing("loading starter", True):
        pass
