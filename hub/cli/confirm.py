"""Before something is destroyed: `--yes`, or a person at a terminal who says so."""

import sys
from typing import Annotated

import typer

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


def confirm(question: str, yes: bool) -> None:
    """Ask, unless `yes`. Ends the command where the answer is no; refuses where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here; say it with --yes", param_hint="--yes")
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        raise typer.Exit(130) from None
    if not agreed:
        raise typer.Exit(0)
