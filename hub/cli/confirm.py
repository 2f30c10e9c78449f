"""Before something is destroyed: `--yes`, or a person at a terminal who says so."""

import sys

import typer

from adapters import visible


def confirm(question: str, yes: bool) -> None:
    """Ask, unless `yes`; where the answer is no, the command ends.

    Args:
        question: with a question mark.
        yes: of `--yes`.

    Raises:
        typer.BadParameter: nobody can be asked here.
        typer.Exit: with 0 for no, 130 for an interruption.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here; say it with --yes", param_hint="--yes")
    try:
        agreed = typer.confirm(visible(question), err=True)
    except typer.Abort:
        raise typer.Exit(130) from None
    if not agreed:
        raise typer.Exit(0)
