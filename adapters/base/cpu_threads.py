"""The CPU threads that PyTorch computes with: how many there may be, that idle ones rest, and when they are given back.

Between two steps, idle OpenMP threads spin: they ask again and again whether there is work, for milliseconds. Alone on
a machine that is the fastest way to wait. Beside another busy program they take the very cores that it, and the one
thread with work, are waiting for: a step then takes many times as long. With a short spin it is twice as long, which is
what sharing costs, but alone up to half as long again. So `core_watch` looks who wants the cores; where the system does
not tell, spinning is always short.

PyTorch also keeps a team of OpenMP threads for each Python thread that computes. Where the teams of several threads
together have more members than there are cores, OpenMP stops letting idle members spin and puts them to sleep at every
step, also if only one team ever works: a forward in a second thread then takes about 1.5 times as long. A thread that
is about to wait for another one's computing therefore hands its team back; it gets a new one when it computes again.
"""

import ctypes
import math
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

# For GNU's OpenMP turns of the loop (a few microseconds), for LLVM's and Intel's milliseconds; unset they spin for
# 300,000 turns and 200 ms.
_TURNS = "GOMP_SPINCOUNT"
RESTFUL: Mapping[str, str] = {_TURNS: "1000", "KMP_BLOCKTIME": "1"}
_OURS = "REPERTOIRE_THREADS"  # of a process that inherits these: nobody but a parent of ours has set them
PRESSURE = Path("/proc/pressure/cpu")
_MOST_CORES = 16
_THREADS = "OMP_NUM_THREADS"
_WAITING = (*RESTFUL, "OMP_WAIT_POLICY")
_SHARED = 1 << 20  # numbers, so many that an operation on them is shared by all threads
_SOFT = 1  # omp_pause_soft: keep what is set (OpenMP 5.0, §3.2.44)


@cache
def settle_threads() -> Mapping[str, str]:
    """Let idle threads rest while others want the cores, and have no more of them than a container's quota feeds.

    OpenMP reads its settings once, when it is loaded: to be called before torch is imported, and without effect on them
    afterwards. `load_base` begins to look who wants the cores, where the system tells (Linux from 4.20 on). Once for a
    process; what its user has set stays as it is.

    Returns:
        What was set: variables of the environment and their values.
    """
    global _watched
    _watched = _can_watch() and not _are_set(os.environ)
    own = {} if "torch" in sys.modules else thread_settings(os.environ)
    if own.keys() & RESTFUL.keys():
        own[_OURS] = "1"
    os.environ.update(own)
    return own


_watched = False


def watched() -> bool:
    """Whether `settle_threads` was called, and how idle threads wait is to follow who wants the cores."""
    return _watched


def thread_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """What an environment lacks for idle threads to rest, and for no more threads than there is CPU time for."""
    own = {} if _are_set(environment) else dict(RESTFUL)
    if own and _can_watch():
        del own[_TURNS]  # `core_watch` sees to it
    allowed = allowed_cpus()
    if _THREADS not in environment and allowed < usable_cpus():
        own[_THREADS] = str(allowed)
    return own


def _are_set(environment: Mapping[str, str]) -> bool:
    """Whether a user has said how idle threads wait."""
    return _OURS not in environment and any(name in environment for name in _WAITING)


def _can_watch() -> bool:
    """Whether the system tells who waits for a core, and that says something of our own cores: it tells of all of the
    machine, of which this process may have few, and of whose many some are always wanted."""
    return pressure() is not None and allowed_cpus() == os.cpu_count() and allowed_cpus() <= _MOST_CORES


def pressure(file: Path = PRESSURE) -> int | None:
    """Microseconds in which something waited for a core, since the system began; None where it does not tell.

    Linux' pressure stall information: `some avg10=0.00 avg60=0.00 avg300=0.00 total=857961171`.
    """
    try:
        return int(_read(file).partition("\n")[0].rpartition("total=")[2])
    except ValueError:
        return None


def usable_cpus() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def allowed_cpus(root: Path = Path("/")) -> int:
    """Cores whose time this process may use up: those it may run on, or fewer by the quota of its control group.

    Args:
        root: where `proc` and `sys` are.
    """
    return max(1, min([usable_cpus(), *map(math.ceil, _quotas(root))]))


def hand_back_threads() -> None:
    """End the calling thread's own OpenMP team, where it has one. Takes a quarter of a millisecond then, and next to
    nothing otherwise."""
    openmp = _openmp()
    if openmp is not None:
        openmp.omp_pause_resource_all(_SOFT)


def crowd_threads() -> None:
    """Give the calling thread an OpenMP team as large as the machine, until it hands it back: with the teams of others
    these are more threads than cores, so that all of them rest when idle. Needs torch."""
    import torch

    torch.ones(_SHARED)  # the first operation of a thread sets the size of its team
    openmp = _openmp()
    if openmp is not None:
        openmp.omp_set_num_threads(usable_cpus())
        torch.ones(_SHARED)


def _quotas(root: Path) -> Iterator[float]:
    """Cores' worth of CPU time by each control group that this process is in, of either version of Linux's groups.

    A line of /proc/self/cgroup is `0::/path` (version 2) or `4:cpu,cpuacct:/path` (version 1). Inside a container the
    path may be the host's, and what is mounted is the container's own group: then only the top is found.
    """
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            mounts, limit = [root / "sys/fs/cgroup", root / "sys/fs/cgroup/unified"], _quota_2
        elif "cpu" in controllers.split(","):
            mounts, limit = [root / "sys/fs/cgroup" / name for name in (controllers, "cpu")], _quota_1
        else:
            continue
        inside = Path(path.strip("/"))
        for mount in mounts:
            for group in (inside, *inside.parents):
                quota = limit(mount / group)
                if quota is not None:
                    yield quota


def _quota_2(group: Path) -> float | None:
    """cpu.max: `QUOTA PERIOD`, microseconds, or `max PERIOD`."""
    return _share(*[*_read(group / "cpu.max").split(), "", ""][:2])


def _quota_1(group: Path) -> float | None:
    """Two files of microseconds; -1 is no quota."""
    return _share(_read(group / "cpu.cfs_quota_us").strip(), _read(group / "cpu.cfs_period_us").strip())


def _share(quota: str, period: str) -> float | None:
    if not (quota.isdecimal() and period.isdecimal()) or not int(quota) or not int(period):
        return None
    return int(quota) / int(period)


def _read(path: Path) -> str:
    """A file's text, empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _openmp() -> Any:
    """The OpenMP library that PyTorch computes with; None where it has none that can be told to pause."""
    return _library() if "torch" in sys.modules else None


@cache
def _library() -> Any:
    """Other packages bring copies of their own (scikit-learn does), so that it is looked up from PyTorch's library on,
    which is loaded already."""
    try:
        library = ctypes.CDLL("libtorch_cpu.so")
    except OSError:
        return None
    return library if hasattr(library, "omp_pause_resource_all") else None
