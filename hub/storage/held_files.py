"""A file that is held: one process has it, and others can read what it does there.

The file is locked by the kernel (flock), so that a process that is killed holds nothing. That the file is there, and
what stands in it, means nothing by itself.
"""

import fcntl
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path


def hold(path: Path, about: str) -> int | None:
    """Hold a file, which is made where it is not there.

    Args:
        path: of it; its folder is there.
        about: what runs, for others.

    Returns:
        A handle for `let_go`; None where it is held already.

    Raises:
        OSError: nothing can be written there.
    """
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
                break
        os.close(handle)
    told = f"process {os.getpid()}, since {datetime.now():%Y-%m-%d %H:%M}: {about}"
    os.truncate(handle, 0)
    os.write(handle, told.encode(errors="surrogateescape"))
    return handle


def let_go(path: Path, handle: int) -> None:
    """Hold it no longer."""
    with suppress(OSError):  # it lies there and means nothing
        path.unlink()
    os.close(handle)


def holder(path: Path) -> str | None:
    """What a process that holds a file now says of itself; None where none does."""
    with suppress(OSError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().decode(errors="replace")
    return None
