"""Before something is destroyed: `--yes`, or a person at a terminal who says so."""

import sys

import typer

from adapters.unseen import visible


class Unanswered(typer.BadParameter):
    """A question to nobody. The message stands alone: no value was given that could be invalid."""

    def format_message(self) -> str:
        """The message."""
        return self.message


def confirm(question: str, yes: bool, dry_run: bool = True) -> None:
    """Ask, unless `yes`; where the answer is no, the command ends.

    Args:
        question: with a question mark.
        yes: of `--yes`.
        dry_run: whether the command has a `--dry-run`.

    Raises:
        Unanswered: nobody can be asked here, with what to say instead.
        typer.Exit: with 0 for no, 130 for an interruption.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        other = ", or --dry-run to see what would be done" if dry_run else ""
        raise Unanswered(
            f"{question} Nobody can be asked here (standard input is no terminal), and nothing was changed: add --yes "
            f"to do it{other}"
        )
    try:
        agreed = typer.confirm(visible(question), err=True)
    except typer.Abort:
        raise typer.Exit(130) from None
    if not agreed:
        raise typer.Exit(0)
