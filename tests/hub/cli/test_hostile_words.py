"""What strangers wrote acts on no terminal: a hub whose records were written before intake refused such words."""

import json
import logging
from pathlib import Path

import pytest
from rich.table import Table

from adapters.format import files
from adapters.unseen import hidden
from hub.cli import output
from hub.hub import Hub
from hub.intake import publishing
from tests.hub.conftest import Run
from tests.hub.tiny import NAME, lora

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\r\x7f"


@pytest.fixture
def hostile(run: Run, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A hub as another tool, or an older release, may have written it."""
    with monkeypatch.context() as before:
        before.setattr(publishing, "check_words", lambda *_: None)
        hub = Hub("campaigns")
        adapter = lora(labels=("calm" + EVIL, "angry"))
        hub.publish(adapter, NAME, message="new" + EVIL, tags=["tag" + EVIL], publisher="who" + EVIL)
    return hub


@pytest.mark.parametrize(
    "command",
    [
        ("show", NAME),
        ("ls",),
        ("versions", NAME),
        ("card", NAME),
        ("history", NAME),
        ("search", "new"),
        ("verify",),
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("as_json", [False, True], ids=["words", "json"])
def test_no_command_lets_words_act(run: Run, hostile: Hub, command: tuple[str, ...], as_json: bool) -> None:
    code, out, err = run(*command, *(["--json"] if as_json else []))
    assert code == 0 and hidden(out) is None and hidden(err) is None
    if as_json:
        json.loads(out)
    elif command[0] in ("show", "card"):
        assert "␛" in out


def test_a_document_is_exact(run: Run, hostile: Hub) -> None:
    told = json.loads(run("show", NAME, "--json")[1])["record"]
    assert (told["message"], told["tags"], told["publisher"]) == ("new" + EVIL, ["tag" + EVIL], "who" + EVIL)


@pytest.mark.parametrize("named", ["a" + EVIL + "/b/c", "acme/spring/behavior@" + EVIL])
def test_errors_say_hostile_names_visibly(run: Run, hostile: Hub, named: str) -> None:
    code, out, err = run("show", named)
    assert code in (2, 3) and hidden(out + err) is None
    code, out, err = run("publish", Path("no" + EVIL), NAME)
    assert code != 0 and hidden(out + err) is None


def test_titles_headings_and_cells_are_visible(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(title=EVIL, caption=EVIL)
    table.add_column(EVIL, footer=EVIL)
    table.add_row(EVIL)
    output.show(EVIL, table)
    out = capsys.readouterr().out
    assert out.count("␛") >= 8 and hidden(out) is None


def test_warnings_that_nobody_handles_are_visible() -> None:
    output.show_warnings_visibly()
    assert logging.lastResort is not None
    record = logging.LogRecord("hub", logging.WARNING, "x.py", 1, "%s is odd", (EVIL,), None)
    assert hidden(logging.lastResort.format(record)) is None


@pytest.mark.parametrize(
    "said",
    [
        {"message": "a\x1b[2J"},
        {"message": "a\u202eb"},
        {"tags": ["a", "b\x9b"]},
        {"tags": ["a\nb"]},
        {"publisher": "me\x07"},
        {"publisher": "me\u2067"},
        {"force_reason": "so\x00"},
        {"publish_id": "1\x1b"},
    ],
    ids=str,
)
def test_intake_refuses_them(run: Run, tmp_path: Path, said: dict[str, object]) -> None:
    from hub import Refused

    hub = Hub("campaigns")
    with pytest.raises(Refused, match="take it out") as caught:
        hub.publish(files.write(lora(), tmp_path / "adapter"), NAME, **said)  # type: ignore[arg-type]
    assert hidden(str(caught.value)) is None
    assert not hub.list()


def test_a_message_may_have_lines_and_any_language(run: Run) -> None:
    hub = Hub("campaigns")
    message = "Größer:\n\t你好 👩\u200d👧 שלום"
    assert hub.publish(lora(), NAME, message=message, tags=["été"]).record.message == message
