"""A replica, without Ray: when it is to be replaced, what it has, and what it says while an alias moves."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from hub.fleet import Setting, replica
from hub.fleet.counting import Counts
from hub.fleet.replica import Stuck, Worker
from hub.hub import Hub
from tests.adapters import models
from tests.clock import Clock, until
from tests.hub.voices import voice


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


def test_it_has_what_each_name_means_now(worker: Worker) -> None:
    """Whatever an adapter was asked as, it is found where it lies."""
    hub, name = worker.registry.hub, "acme/spring/behavior"
    for seed in (1, 2):
        hub.publish(voice(worker.registry.base, seed), name)
    hub.set_alias(name, "production", 1)
    for reference in (f"{name}@latest", f"{name}@production"):
        worker.registry.analyze(reference, "good")
    there = {f"{name}@1", f"{name}@production", f"{name}@live", f"{name}@2", name}
    assert set(worker.has()["slots"]) == there
    hub.set_alias(name, "production", 2)
    until(lambda: worker.registry.state()["following"]["moves"])
    assert set(worker.has()["slots"]) == there
    (before,) = (each for each in worker.registry.following() if each.reference == f"{name}@production")
    assert before.version == f"{name}@2"


def test_replicas_that_are_asked_all_the_time_follow_an_alias_and_say_their_version(
    worker: Worker, tmp_path: Path
) -> None:
    hub, base, name = worker.registry.hub, worker.registry.base, "acme/spring/behavior"
    for seed in (1, 2):
        hub.publish(voice(base, seed), name)
    hub.set_alias(name, "production", 1)
    right = {
        hub.resolve(each).digest[:16]: worker.registry.analyze(each, "good")[0].probabilities
        for each in (f"{name}@1", f"{name}@2")
    }
    first, second = right
    setting = Setting(hub=str(tmp_path / "hub"), base=str(tmp_path / "base"), quantization="none")
    other = Worker("r1", setting, Counts(8))  # type: ignore[arg-type]
    asked = [TestClient(each.app, base_url="http://localhost") for each in (worker, other)]

    def say(http: TestClient) -> str:
        told = http.post("/v1/analyze", json={"reference": f"{name}@production", "texts": ["good"]}).json()
        version = str(told["system_fingerprint"])
        assert told["analyses"][0]["probabilities"] == pytest.approx(right[version], abs=1e-5)
        return version

    try:
        said = [[say(http) for http in asked]]
        assert said == [[first, first]]
        hub.set_alias(name, "production", 2)
        until(lambda: said.append([say(http) for http in asked]) or said[-1] == [second, second])
        for each in zip(*said, strict=True):
            assert list(each) == sorted(each, key=[first, second].index)
    finally:
        asyncio.run(other.close())
