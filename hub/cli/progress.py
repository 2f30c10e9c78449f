"""Bars on standard error, where that is a terminal: bytes done of all of them, what is being read, or rows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from adapters.unseen import visible
from recipes.data import progress_bars
from recipes.runs import LogLines


@contextmanager
def bytes_done(what: str, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar of bytes.

    Args:
        what: is done with them, such as `verifying`.
        shown: no bar for a program.

    Yields:
        To be called with the bytes done, and all of them.
    """
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with progress_bars(shown, *columns) as bars:
        task = bars.add_task(visible(what), total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def names_read(what: str, shown: bool) -> Iterator[Callable[[str], None]]:
    """What is being read, while nobody knows how much there is.

    Args:
        what: is done, such as `reading what is needed`.
        shown: nothing for a program.

    Yields:
        To be called with each name.
    """
    with progress_bars(shown, SpinnerColumn()) as bars:
        task = bars.add_task(visible(what), total=None)
        yield lambda name: bars.update(task, description=visible(f"{what}: {name}"))


@contextmanager
def rows_done(what: str, bar: bool) -> Iterator[Callable[[int, int], None]]:
    """Rows done of all of them: a bar at a terminal, elsewhere a plain line every half minute.

    Args:
        what: is done with them, such as `answering feed.csv`.
        bar: none for a program.

    Yields:
        To be called with the rows done, and all of them.
    """
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with progress_bars(bar, *columns) as bars:
        task = bars.add_task(visible(what), total=None)
        stands = ""
        lines = LogLines(lambda: stands, clock=monotonic)

        def done(count: int, rows: int) -> None:
            nonlocal stands
            bars.update(task, completed=count, total=rows)
            if bar and bars.disable:
                stands = f"{what}: {count:,} of {rows:,} rows"
                lines.look()

        yield done
