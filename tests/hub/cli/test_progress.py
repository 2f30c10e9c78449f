"""Bars are for people at a terminal."""

from pathlib import Path

import pytest

from hub.cli.progress import bytes_done, names_read, rows_done
from recipes.data import check
from recipes.recipe import Recipe
from tests.clock import Clock


def bars(shown: bool) -> None:
    with bytes_done("verifying", shown) as told:
        told(1000, 2000)
    with names_read("reading", shown) as read:
        read("acme/spring/recommendation")


def test_a_terminal_sees_what_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bars(True)
    assert capsys.readouterr() == ("", ""), "this is no terminal"
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    bars(True)
    out, err = capsys.readouterr()
    assert out == "" and "verifying" in err and "1.0/2.0 kB" in err and "reading: acme" in err
    bars(False)
    assert capsys.readouterr() == ("", ""), "a program reads"


def test_a_log_gets_a_plain_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    monkeypatch.setattr("hub.cli.progress.monotonic", clock)
    for shown in (True, False):
        with rows_done("answering feed.csv", shown) as told:
            for done in range(0, 5000, 1000):
                told(done, 5000)
                clock.move(16.0)
        lines = ["answering feed.csv: 2,000 of 5,000 rows", "answering feed.csv: 4,000 of 5,000 rows"]
        out, err = capsys.readouterr()
        assert out == "" and [line.partition(" ")[2] for line in err.splitlines()] == (lines if shown else [])


def test_a_name_is_text_and_no_markup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    data = tmp_path / "[red]feed[bold].csv"
    data.write_text("text,label\n" + "".join(f"late {n},{n % 2}\n" for n in range(40)))
    assert check(Recipe.load("behavior"), data, progress=True).rows == 40
    assert "checking [red]feed[bold].csv" in capsys.readouterr().err
