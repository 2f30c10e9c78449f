"""Bars of progress on standard error, where that is a terminal; what they say is text, and no markup."""

from rich.console import Console
from rich.progress import Progress, ProgressColumn, TextColumn


def progress_bars(shown: bool, *columns: ProgressColumn) -> Progress:
    """Bars that vanish when they are done, each behind its description.

    Args:
        shown: whether anybody wants to see them; elsewhere than at a terminal nobody does.
        columns: what stands behind the description.
    """
    terminal = Console(stderr=True)
    described = TextColumn("{task.description}", markup=False)
    hidden = not (shown and terminal.is_interactive)
    return Progress(described, *columns, console=terminal, disable=hidden, transient=True)
