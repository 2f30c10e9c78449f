"""One run to one folder: who begins to write to a place holds it until it ends, however it ends.

    .my-adapter.lock      beside my-adapter: who writes to it, for the message to the second

The file is locked by the kernel (flock), so that a process that is killed holds nothing. That the file is there, and
what stands in it, means nothing by itself.
"""

import fcntl
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import typer


@contextmanager
def claimed(out: Path, command: Sequence[str]) -> Iterator[None]:
    """Hold a place against other runs, on this machine and on those that share its file system's locks.

    Args:
        out: the folder or file that is written, which need not be there.
        command: what runs, for the message to others.

    Raises:
        typer.BadParameter: another run writes there, or to a folder around it; says which. Nothing is waited for.
        OSError: nothing can be written there.
    """
    if os.environ.get("RANK", "0") != "0":  # of the processes of one run (torchrun), the first holds for all
        yield
        return
    place = Path(os.path.abspath(out))
    for around in place.parents:
        if (told := _held(_lock(around))) is not None:
            raise _refusal(around, told)
    path = _lock(place)
    made = [parent for parent in path.parents if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = _take(path)
        if handle is None:
            raise _refusal(place, _held(path) or "")
        try:
            about = f"process {os.getpid()}, since {datetime.now():%Y-%m-%d %H:%M}: {shlex.join(command)}"
            os.truncate(handle, 0)
            os.write(handle, about.encode(errors="surrogateescape"))
            yield
        finally:
            with suppress(OSError):  # it lies there and means nothing
                path.unlink()
            os.close(handle)
    finally:
        for folder in made:
            with suppress(OSError):  # something was written to it
                folder.rmdir()


def _lock(place: Path) -> Path:
    return place.parent / f".{place.name}.lock"


def _take(path: Path) -> int | None:
    """The open, locked file of a place; None where another process has it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        # Who held it may have taken it away between these two lines: then this is no longer the file of the place.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        os.close(handle)


def _held(path: Path) -> str | None:
    """What stands in the file of a place that a process holds now; None where none does."""
    with suppress(OSError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().decode(errors="replace")
    return None


def _refusal(place: Path, told: str) -> typer.BadParameter:
    return typer.BadParameter(
        f"another run writes to {place} ({told or 'it begins just now'}); wait until it is done, or give this one "
        "another place",
        param_hint="--out",
    )
