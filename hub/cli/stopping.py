"""Ctrl-C and SIGTERM while something long runs: what is kept is said, and the command that goes on."""

import shlex
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


class Stopped(Exception):
    """The user, or who runs this machine, has ended a command. `number`: of the signal; `exit_code`: 128 more."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number
        self.exit_code = 128 + number


@contextmanager
def stoppable(kept: Callable[[], str]) -> Iterator[None]:
    """Let SIGTERM end what runs as Ctrl-C does.

    Args:
        kept: asked when it was ended: a sentence of what is kept and how to go on.

    Raises:
        Stopped: with that sentence.
    """
    told = signal.SIGINT

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal told
        told = signal.Signals(number)
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, end) if main else None
    try:
        yield
    except KeyboardInterrupt:
        # A second one must not hide what is kept.
        raise Stopped(told, f"stopped by {told.name}. {kept()}") from None
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


def resume_by(command: Sequence[str]) -> str:
    """The command that goes on with a run, of the one that began it."""
    return shlex.join([*(word for word in command if word != "--resume"), "--resume"])


def kept_of_run(out: Path, state: Path, command: Sequence[str]) -> str:
    """What is kept of a training, and how to go on.

    Args:
        out: its folder.
        state: the folder of its snapshots.
        command: that began it.
    """
    from recipes.runs import last_snapshot

    found = last_snapshot(state)
    if found is None:
        return f"No step was trained yet, and nothing is kept. To begin again: {shlex.join(command)}"
    done = f"{found.done} trained {'job' if found.done == 1 else 'jobs'} in {out}, and " if found.done else ""
    return f"Kept: {done}{found.told} in {state}. To go on: {resume_by(command)}"
