"""A clock to be moved."""

import time
from collections.abc import Callable

import pytest

from tests.clock import Clock


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the clock of the collector, on or back."""
    clock = Clock(time.time())
    for module in ("hub.keeping.collect", "hub.keeping.needs", "hub.storage.pins"):
        monkeypatch.setattr(f"{module}.time", clock)
    return clock.move
