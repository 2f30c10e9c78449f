"""Time in tests: a clock that only a test moves, and waiting for a state; none depends on how long something takes."""

from collections.abc import Callable
from time import monotonic, sleep

LIMIT = 600.0
"""Seconds after which what is waited for counts as never coming, on any machine."""


class Clock:
    """Stands in for `time`, `monotonic` or `perf_counter`, and stands still until a test moves it.

    tick: seconds by which each look moves it on, so that a deadline counts looks.
    """

    def __init__(self, now: float = 1_000_000.0, tick: float = 0.0) -> None:
        self.now, self.tick = now, tick

    def __call__(self) -> float:
        self.now += self.tick
        return self.now

    def move(self, seconds: float) -> None:
        """On, or back."""
        self.now += seconds


def until(true: Callable[[], object]) -> None:
    """Wait for a state. Fails only where it never comes."""
    ends = monotonic() + LIMIT
    while not true():
        assert monotonic() < ends, "it never came"
        sleep(0.002)
