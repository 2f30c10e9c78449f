"""Idle OpenMP threads spin while the cores are free, and rest as soon as other programs wait for them.

    cores free       spin    the next operation finds its threads awake; resting, a step took up to 1.5 times as long
    others waiting   rest    a thread that spins holds the core that the one with work waits for: 9 times and more

How long an idle thread of GNU's OpenMP spins is set once, when it is loaded; but where it manages more threads than
there are cores, they rest almost at once (libgomp's `gomp_throttled_spin_count_var`). So there is one thread here that
may have a team of its own, which never computes: as long as it is there, all others rest. When it is time for that is
told by Linux' pressure stall information, the share of time in which something waited for a core.
"""

import logging
import sys
import time
from functools import cache
from threading import Thread

from adapters.base.cpu_threads import crowd_threads, hand_back_threads, pressure, watched

_PERIOD = 0.25  # seconds between two looks
# Shares of the time, on two cores. One program that always wants a core: 0.49 while threads spin, 0.33 while they rest;
# none: 0.02 and 0.04. Where one wants a core a tenth of the time (0.09), spinning is better, by a quarter.
_CROWDED, _FREE = 0.25, 0.12
_FREE_FOR = 4  # looks in a row before threads spin again

_log = logging.getLogger(__name__)


class Waiting:
    """Whether idle threads should rest, by what was seen last."""

    def __init__(self) -> None:
        self.rests = False
        self._free = 0

    def saw(self, share: float) -> bool:
        """Note the share of time in which something waited for a core; whether threads should rest now."""
        self._free = self._free + 1 if share < _FREE else 0
        if share > _CROWDED:
            self.rests = True
        elif self._free >= _FREE_FOR:
            self.rests = False
        return self.rests


def watch_cores() -> None:
    """Begin to look, once for a process; nothing where it was not asked for, or no operation is shared by threads."""
    import torch

    if watched() and torch.get_num_threads() > 1:
        _begin()


@cache
def _begin() -> None:
    Thread(target=_watch, name="core-watch", daemon=True).start()


def _watch() -> None:
    waiting, before, seen = Waiting(), time.monotonic(), pressure()
    while seen is not None and not sys.is_finalizing():
        time.sleep(_PERIOD)
        rested, now, total = waiting.rests, time.monotonic(), pressure()
        if total is not None and waiting.saw((total - seen) / 1e6 / (now - before)) != rested:
            (hand_back_threads if rested else crowd_threads)()
            _log.debug("idle threads %s from now on", "spin" if rested else "rest")
        before, seen = now, total
