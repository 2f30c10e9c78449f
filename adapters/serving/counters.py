"""What a runtime has done so far: counts, and how long things took."""

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from time import perf_counter
from typing import Any

from adapters.errors import Cancelled, DeadlineExceeded, RepertoireError

_RECENT = 1024


@dataclass
class Seconds:
    """Times of one kind of event. `recent` holds the last ones, for quantiles."""

    count: int = 0
    total: float = 0.0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def add(self, seconds: float) -> None:
        """Note one event."""
        self.count += 1
        self.total += seconds
        self.recent.append(seconds)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Note how long the body takes, also when it fails."""
        began = perf_counter()
        try:
            yield
        finally:
            self.add(perf_counter() - began)

    def summary(self) -> dict[str, float]:
        """Count, total, mean, and over the recent ones the median and the 95th percentile; seconds."""
        ordered = sorted(self.recent)

        def quantile(share: float) -> float:
            return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0

        mean = self.total / self.count if self.count else 0.0
        return {
            "count": self.count,
            "total": self.total,
            "mean": mean,
            "median": quantile(0.5),
            "p95": quantile(0.95),
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
