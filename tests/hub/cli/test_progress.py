"""Bars are for people at a terminal."""

import pytest

from hub.cli.progress import bytes_done, names_read


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
