"""What a command leaves on a cluster where its fleet does not start, or is ended before; a stand-in for the cluster."""

import signal
from collections.abc import Iterator, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from hub.fleet import Setting

pytest.importorskip("ray.serve")
from ray.exceptions import AuthenticationError

from hub.fleet import connecting, starting


class Cluster:
    """Stands in for `ray` and `ray.serve`. fails: what comes of it when it is asked for `at`; told: what it was asked
    to do."""

    def __init__(self, fails: BaseException, at: str) -> None:
        self.fails, self.at = fails, at
        self.told: list[str] = []

    def is_initialized(self) -> bool:
        return False

    def init(self, **_: Any) -> None:
        self._told("init")

    def start(self, **_: Any) -> None:
        self._told("start")

    def run(self, _: Any, name: str) -> None:
        self._told(f"run {name}")

    def delete(self, name: str) -> None:
        self._told(f"delete {name}")

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(gcs_address="10.0.0.7:6379")

    def shutdown(self) -> None:
        self._told("shutdown")

    def _told(self, what: str) -> None:
        self.told.append(what)
        if what.partition(" ")[0] == self.at:
            raise self.fails


@pytest.fixture(autouse=True)
def _nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve does not run on the cluster yet, unless a test says so."""
    monkeypatch.setattr(starting, "list_named_actors", lambda all_namespaces: [])


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Starts a fleet whose deployment ends so."""

    def start(fails: BaseException, raised: type[BaseException], match: str, at: str = "run") -> list[str]:
        cluster = Cluster(fails, at)
        monkeypatch.setattr(connecting, "ray", cluster)
        monkeypatch.setattr(starting, "serve", cluster)
        monkeypatch.setattr(starting, "fleet", lambda _: None)
        with pytest.raises(raised, match=match):
            starting.run_fleet(Setting(hub="nowhere"), "auto", "127.0.0.1", 8000, lambda _: None)
        return cluster.told

    yield start


ALL = ["init", "start", f"run {starting.NAME}", f"delete {starting.NAME}", "shutdown"]


def test_a_fleet_that_does_not_start_is_a_problem_and_is_taken_away(tried: Any) -> None:
    assert tried(RuntimeError("no such hub"), starting.NotDeployed, "no such hub") == ALL


@pytest.mark.parametrize("fails", [TimeoutError("no proxies"), AuthenticationError("no proxies")])
def test_one_whose_proxies_do_not_start_is_a_problem_and_is_taken_away(tried: Any, fails: Exception) -> None:
    told = ["init", "start", f"delete {starting.NAME}", "shutdown"]
    assert tried(fails, starting.NotDeployed, "no proxies", at="start") == told


def test_one_that_is_ended_while_it_starts_is_taken_away(tried: Any) -> None:
    assert tried(KeyboardInterrupt(), KeyboardInterrupt, "^$") == ALL


@pytest.mark.parametrize(
    "fails", [ConnectionError("no answer"), ValueError("no address"), AuthenticationError("no token")]
)
def test_a_cluster_that_is_not_reached_is_a_problem_that_says_what_to_do(
    tried: Any, fails: Exception
) -> None:
    assert tried(fails, connecting.NoCluster, "no .*; start one .*RAY_AUTH_MODE=token", at="init") == ["init"]


class Refreshes:
    """Stands in for a refresher. told: as of the cluster."""

    def __init__(self, told: list[str]) -> None:
        self._told = told

    def start(self) -> None:
        self._told.append("refreshes")

    def close(self) -> None:
        self._told.append("refreshes no more")


def test_what_trains_campaigns_runs_as_long_as_the_fleet_on_the_cluster_that_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(KeyError(), "nothing")
    for module in (connecting, starting):
        monkeypatch.setattr(module, "ray", cluster)
    monkeypatch.setattr(starting, "serve", cluster)
    monkeypatch.setattr(starting, "fleet", lambda _: None)
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}

    def refresher(address: str) -> Any:
        cluster.told.append(f"at {address}")
        return Refreshes(cluster.told)

    try:
        ready = partial(signal.raise_signal, signal.SIGTERM)
        starting.run_fleet(
            Setting(hub="here"), "local", "127.0.0.1", 8000, lambda _: ready(), refresher=refresher
        )
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    told = ["at 10.0.0.7:6379", "refreshes", "refreshes no more", f"delete {starting.NAME}"]
    assert cluster.told == ["init", "start", f"run {starting.NAME}", *told, "shutdown", "shutdown"]


class Running(Cluster):
    """A cluster that runs actors and has machines. actors: their names; options: that Serve started with."""

    def __init__(self, actors: Sequence[str], machines: Sequence[str]) -> None:
        super().__init__(KeyboardInterrupt(), "run")
        self.actors = [{"namespace": "serve", "name": each} for each in actors]
        self.machines = machines
        self.options: Any = None

    def list_named_actors(self, all_namespaces: bool) -> list[dict[str, str]]:
        assert all_namespaces
        return self.actors

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "NodeManagerAddress": each} for each in self.machines]

    def start(self, **options: Any) -> None:
        super().start()
        self.options = options.get("controller_options")


@pytest.fixture
def with_haproxy(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Starts a fleet so on a cluster; gives what Serve was started with."""

    def start(
        raised: type[BaseException],
        actors: Sequence[str] = (),
        machines: Sequence[str] = ("10.0.0.1",),
        host: str = "127.0.0.1",
    ) -> Any:
        cluster = Running(actors, machines)
        for module in (connecting, starting):
            monkeypatch.setattr(module, "ray", cluster)
        monkeypatch.setattr(starting, "serve", cluster)
        monkeypatch.setattr(starting, "list_named_actors", cluster.list_named_actors)
        monkeypatch.setattr(starting, "fleet", lambda _: None)
        with pytest.raises(raised) as told:
            starting.run_fleet(Setting(hub="here"), "auto", host, 8000, lambda _: None, haproxy=True)
        return cluster.options, str(told.value), cluster.told

    return start


OTHERS = ["SERVE_CONTROLLER_ACTOR", "SERVE_PROXY_ACTOR-1234"]


def test_serve_begins_with_haproxy_where_it_does_not_run_yet(with_haproxy: Any) -> None:
    options, _, told = with_haproxy(KeyboardInterrupt, [])
    assert options["runtime_env"]["env_vars"]["RAY_SERVE_ENABLE_HA_PROXY"] == "1"
    assert told == ALL


def test_a_serve_that_runs_behind_it_keeps_what_it_was_told(
    with_haproxy: Any, caplog: pytest.LogCaptureFixture
) -> None:
    options, _, told = with_haproxy(KeyboardInterrupt, [*OTHERS, "SERVE_PROXY_ACTOR-fallback-1234"])
    assert options is None
    assert told == ALL
    assert "behind HAProxy as it was told then" in caplog.text


def test_a_serve_that_runs_without_it_goes_on_so_and_it_is_told_how_to_change_that(
    with_haproxy: Any, caplog: pytest.LogCaptureFixture
) -> None:
    options, _, told = with_haproxy(KeyboardInterrupt, OTHERS)
    assert options is None
    assert told == ALL
    assert "serve shutdown" in caplog.text


def test_ingresses_that_haproxy_on_another_machine_cannot_reach_are_a_problem(with_haproxy: Any) -> None:
    two = ["10.0.0.1", "10.0.0.2"]
    options, message, told = with_haproxy(starting.NotDeployed, machines=two)
    assert "--host 0.0.0.0" in message
    assert "start" not in told
    options, _, _ = with_haproxy(KeyboardInterrupt, machines=two, host="0.0.0.0")
    assert options is not None
    options, _, _ = with_haproxy(KeyboardInterrupt, machines=["10.0.0.1", "10.0.0.1"])
    assert options is not None
