"""Nothing is destroyed where nobody agreed; how it is asked for is in test_remove.py."""

import pytest
import typer

from hub.cli.confirm import confirm
from tests.hub.conftest import Run


def test_yes_asks_nobody_and_nobody_to_ask_is_refused() -> None:
    confirm("Delete all?", yes=True)
    with pytest.raises(typer.BadParameter, match="--yes"):
        confirm("Delete all?", yes=False)


@pytest.mark.parametrize("command", [["gc"], ["purge", "--client", "acme"]])
def test_who_cannot_be_asked_is_told_what_to_say(command: list[str], run: Run) -> None:
    run("init")
    code, _, err = run(*command)
    assert code == 2 and "Invalid value" not in err
    assert "nothing was changed: add --yes to do it, or --dry-run to see what would be done" in err
    assert run(*command, "--dry-run")[0] == run(*command, "--yes")[0] == 0
