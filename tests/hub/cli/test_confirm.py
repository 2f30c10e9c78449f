"""Nothing is destroyed where nobody agreed; how it is asked for is in test_remove.py."""

import pytest
import typer

from hub.cli.confirm import confirm


def test_yes_asks_nobody_and_nobody_to_ask_is_refused() -> None:
    confirm("Delete all?", yes=True)
    with pytest.raises(typer.BadParameter, match="--yes"):
        confirm("Delete all?", yes=False)
