"""Ctrl-C and SIGTERM wait until a turn is over, so that a snapshot can keep it; then they do what they always do."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_ASK = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Deferred:
    """The signal that waits; None where none came."""

    number: int | None = None

    def deliver(self) -> None:
        """Let it do now what it would have done."""
        if self.number is not None:
            signal.raise_signal(self.number)


@contextmanager
def deferred() -> Iterator[Deferred]:
    """Hold back signals that ask this process to end, until the block is left; a second one is not held back.

    Signals come to the main thread alone: elsewhere there is nothing to hold back. Nor is there where they are ignored.

    Yields:
        What came meanwhile; the caller delivers it.
    """
    came = Deferred()
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    handlers = {number: signal.getsignal(number) for number in _ASK}
    before = {number: each for number, each in handlers.items() if each not in (signal.SIG_IGN, None)}

    def wait(number: int, _frame: FrameType | None) -> None:
        came.number = number
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, wait)
    try:
        yield came
    finally:
        restore()
