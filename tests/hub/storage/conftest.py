"""A clock to be moved."""

import time
from collections.abc import Callable

import pytest


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the clock of the collector, on or back."""
    now = [time.time()]

    def move(seconds: float) -> None:
        now[0] += seconds

    for module in ("hub.keeping.collect", "hub.keeping.needs", "hub.storage.pins"):
        monkeypatch.setattr(f"{module}.time", lambda: now[0])
    return move
