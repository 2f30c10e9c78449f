"""What a runtime has done so far: counts, and how long things took."""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from itertools import accumulate
from time import perf_counter
from typing import Any

from adapters.errors import Cancelled, DeadlineExceeded, RepertoireError

EDGES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass
class Seconds:
    """Times of one kind of event, as a histogram: `counts[i]` of them took at most `EDGES[i]`, and more than the edge
    before; the last counts what took longer than all."""

    count: int = 0
    total: float = 0.0
    counts: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))

    def add(self, seconds: float) -> None:
        """Note one event."""
        self.count += 1
        self.total += seconds
        self.counts[bisect_left(EDGES, seconds)] += 1

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Note how long the body takes, also when it fails."""
        began = perf_counter()
        try:
            yield
        finally:
            self.add(perf_counter() - began)

    def summary(self) -> dict[str, Any]:
        """Count, total and mean in seconds; and `buckets`, as Prometheus has them: how many took at most so long."""
        return {
            "count": self.count,
            "total": self.total,
            "mean": self.total / self.count if self.count else 0.0,
            "buckets": [list(pair) for pair in zip(EDGES, accumulate(self.counts), strict=False)],
        }


@dataclass
class Counters:
    """What a runtime counts, since it began.

    Attributes:
        hits: rows that found their adapter in a slot.
        misses: rows that had to wait for a copy.
        fetched: adapters read from the hub.
        failed: adapters that could not be.
        evicted_slots, evicted_host: adapters that made room for others.
        answered, errors, refused, cancelled, expired: requests by how they ended.
        tokens: written.
        read, verify, copy: seconds of a load: bytes from the hub, their checks, into the slot.
        queue: seconds from a request's coming to its first step.
        prefill: seconds of reading prompts and head rows.
        step: seconds of one token of every running row.
    """

    hits: int = 0
    misses: int = 0
    fetched: int = 0
    failed: int = 0
    evicted_slots: int = 0
    evicted_host: int = 0
    answered: int = 0
    errors: int = 0
    refused: int = 0
    cancelled: int = 0
    expired: int = 0
    tokens: int = 0
    read: Seconds = field(default_factory=Seconds)
    verify: Seconds = field(default_factory=Seconds)
    copy: Seconds = field(default_factory=Seconds)
    queue: Seconds = field(default_factory=Seconds)
    prefill: Seconds = field(default_factory=Seconds)
    step: Seconds = field(default_factory=Seconds)

    def count(self, error: RepertoireError) -> None:
        """Note a request that ended without an answer."""
        if isinstance(error, Cancelled):
            self.cancelled += 1
        elif isinstance(error, DeadlineExceeded):
            self.expired += 1
        else:
            self.errors += 1

    def summary(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            name: value.summary() if isinstance(value := getattr(self, name), Seconds) else value
            for name in (each.name for each in fields(self))
        }
