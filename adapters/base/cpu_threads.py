"""Hand the CPU threads that PyTorch holds for the calling thread back.

PyTorch keeps a team of OpenMP threads for each Python thread that computes. Where the teams of several threads together
have more members than there are cores, OpenMP stops letting idle members spin and puts them to sleep at every step,
also if only one team ever works: a forward in a second thread then takes about 1.5 times as long. A thread that is
about to wait for another one's computing therefore hands its team back; it gets a new one when it computes again.
"""

import ctypes
import re
from functools import cache
from pathlib import Path
from typing import Any

_SOFT = 1  # omp_pause_soft: keep what is set (OpenMP 5.0, §3.2.44)


def hand_back_threads() -> None:
    """End the calling thread's own OpenMP team, where it has one. Takes a quarter of a millisecond then, and next to
    nothing otherwise."""
    pause = _pause()
    if pause is not None:
        pause(_SOFT)


@cache
def _pause() -> Any:
    """`omp_pause_resource_all` of the OpenMP library that PyTorch has loaded; None where it cannot be found."""
    maps = Path("/proc/self/maps")
    found = re.search(r"/\S*lib[gi]?omp\S*\.so\S*", maps.read_text()) if maps.exists() else None
    try:
        return ctypes.CDLL(found[0]).omp_pause_resource_all if found else None
    except (OSError, AttributeError):
        return None
