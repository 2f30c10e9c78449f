"""Plain lines of a long run on standard error, for a log: bars move only on a terminal.

    09:30:12 preparing acme/spring/recommendation
    09:30:15 training 2 jobs, 1,200 steps in all
    09:30:45 step 120 of 1,200, 0 of 2 jobs done, about 5 min left
    09:31:02 acme/spring/recommendation: step 100 of 600, loss 0.431, auc 0.712

One at least every half minute, also where a single step of the work takes longer.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

from rich.console import Console

from adapters.unseen import visible

EVERY = 30.0
"""Seconds after which a line comes at the latest."""


def has_bars() -> bool:
    """Whether bars can move on standard error: on a terminal, or in a notebook."""
    console = Console(stderr=True)
    return console.is_jupyter or (console.is_interactive and sys.stderr.isatty())


def say(line: str) -> None:
    """A line now, with the time of day."""
    with suppress(OSError, ValueError):  # a log that cannot be written stops no training
        print(visible(f"{datetime.now():%H:%M:%S} {line}"), file=sys.stderr, flush=True)


class LogLines:
    """Lines of what is new, and one of where the work stands when nothing was new for a while.

    Used as a context, it looks by itself once a second, in a thread of its own.
    """

    def __init__(
        self,
        stands: Callable[[], str],
        news: Callable[[], Sequence[str]] = tuple,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """stands: where the work stands now; news: what was not told yet; clock: in seconds."""
        self._stands, self._news, self._clock, self._last = stands, news, clock, clock()
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "LogLines":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def look(self) -> None:
        """Say what is new, or where the work stands, if it is time for a line."""
        with self._lock:
            lines = list(self._news())
            if not lines and self._clock() - self._last >= EVERY:
                lines = [self._stands()]
            if lines:
                self._last = self._clock()
            for line in lines:
                say(line)

    def _look(self) -> None:
        while not self._over.wait(1.0):
            self.look()


@contextmanager
def doing(what: str, on: bool) -> Iterator[None]:
    """Say that something long begins, and every half minute that it goes on; nothing where bars are.

    Args:
        what: is done, such as "loading starter".
        on: whether anybody wants to know.
    """
    if not on or has_bars():
        yield
        return
    say(what)
    with LogLines(lambda: f"still {what}"):
        yield
