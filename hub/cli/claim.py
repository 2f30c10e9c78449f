"""One run to one folder: who begins to write to a place holds it until it ends, however it ends.

.my-adapter.lock      beside my-adapter: who writes to it, for the message to the second
"""

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import typer

from hub.storage.held_files import hold, holder, let_go


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
        if (told := holder(_lock(around))) is not None:
            raise _refusal(around, told)
    path = _lock(place)
    made = [parent for parent in path.parents if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = hold(path, shlex.join(command))
        if handle is None:
            raise _refusal(place, holder(path) or "")
        try:
            yield
        finally:
            let_go(path, handle)
    finally:
        for folder in made:
            with suppress(OSError):  # something was written to it
                folder.rmdir()


def _lock(place: Path) -> Path:
    return place.parent / f".{place.name}.lock"


def _refusal(place: Path, told: str) -> typer.BadParameter:
    return typer.BadParameter(
        f"another run writes to {place} ({told or 'it begins just now'}); wait until it is done, or give this one "
        "another place",
        param_hint="--out",
    )
