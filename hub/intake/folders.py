"""A folder of this machine, as a source of adapters: what stock PEFT, a training or Repertoire left there.

The files of an adapter are read; what a training or a tokenizer left beside them is passed over and named, as in a
repository; anything else stands against the whole.
"""

import os
import stat
from pathlib import Path

from adapters.bounds import FILES
from adapters.errors import BadAdapter
from adapters.format import CONFIG, WEIGHTS, check_weights
from hub.errors import Refused
from hub.intake.allowed import ARCHIVES, folder_below, refused, size_problem, sort_out
from hub.intake.huggingface import Download
from hub.storage.local import read


def read_folder(path: str | os.PathLike[str]) -> Download:
    """An adapter's files out of a PEFT directory, or out of the only one below a folder.

    Args:
        path: with the adapter, or with the folder of one that has a name.

    Raises:
        Refused: with every file that stands against it, or the names of the adapters where there are several.
    """
    folder = Path(path)
    if folder.is_file() and folder.name.lower().endswith(ARCHIVES):
        raise Refused(f"{folder} is an archive, which is never taken; unpack it and give the PEFT directory")
    if folder.is_symlink() or not folder.is_dir():
        raise Refused(f"{folder} is not a folder; give the PEFT directory that holds {CONFIG}")
    below = folder_below(str(folder), _names(folder))
    folder = folder / (below or "")
    wanted, left, problems = sort_out(_names(folder))
    for name in wanted:
        status = os.lstat(folder / name)
        if stat.S_ISLNK(status.st_mode):
            problems.append(f"{name} is a symbolic link; copy the file itself")
        elif not stat.S_ISREG(status.st_mode):
            problems.append(f"{name} does not belong to an adapter (it is no file); take it out")
        elif problem := size_problem(name, status.st_size) or (
            _header_problem(folder) if name == WEIGHTS else None
        ):
            problems.append(problem)
    if problems:
        raise refused(str(folder), problems)
    return Download(str(folder), {name: read(folder / name) for name in wanted}, None, tuple(left))


def _header_problem(folder: Path) -> str | None:
    """What the weights say of themselves may already be wrong: then nothing behind it is read."""
    descriptor = os.open(folder / WEIGHTS, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        check_weights(lambda count: os.pread(descriptor, count, 0), os.fstat(descriptor).st_size)
    except BadAdapter as error:
        return str(error)
    finally:
        os.close(descriptor)
    return None


def _names(folder: Path) -> list[str]:
    """What lies in a folder, and a level below as `folder/file`; no link is followed. Raises Refused for too many."""
    names: list[str] = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            names += [f"{entry.name}/{name}" for name in os.listdir(entry.path)]
        else:
            names.append(entry.name)
        if problem := FILES.problem(len(names), str(folder)):
            raise Refused(f"{problem}; move the adapter into a folder of its own")
    return names
