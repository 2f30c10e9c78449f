"""A replica, without Ray: when it is to be replaced."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.fleet import Setting, replica
from hub.fleet.counting import Counts
from hub.fleet.replica import Stuck, Worker
from hub.hub import Hub
from tests.adapters import models
from tests.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(replica, "monotonic", found)
    return found


@pytest.fixture
def worker(tmp_path: Path, clock: Clock) -> Iterator[Worker]:
    models.saved("llama", tmp_path / "base")
    Hub(tmp_path / "hub")
    setting = Setting(hub=str(tmp_path / "hub"), base=str(tmp_path / "base"), quantization="none")
    found = Worker("r0", setting, Counts(8))  # type: ignore[arg-type]
    yield found
    asyncio.run(found.close())


def test_only_one_whose_rows_do_not_go_on_is_replaced(
    worker: Worker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long text takes minutes: none has ended, and each step brings it on."""
    state = worker.registry.state() | {"writing": 1}
    monkeypatch.setattr(worker.registry, "state", lambda: state)
    for kind in ("prefill", "step"):
        for _ in range(4):
            clock.move(45.0)
            state = state | {kind: {"count": state[kind]["count"] + 1}}
            worker.check()
    clock.move(59.0)
    worker.check()
    clock.move(2.0)
    with pytest.raises(Stuck):
        worker.check()
    state = state | {"writing": 0}
    worker.check()
