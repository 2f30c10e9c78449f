"""The hub is away for a minute, a disk is full, clients go: what is loaded answers on, what failed is told, and nothing
that was acknowledged is lost."""

import errno
import json
import logging
import os
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from adapters import Base
from hub import Hub, Registry
from hub.errors import BadKey, FeedbackError
from hub.feedback import Feedback
from hub.feedback.tables import outcomes
from hub.server import Keys, create_app
from hub.storage.local import Local
from tests.adapters import models
from tests.clock import LIMIT, until
from tests.hub.feedback.made import stored
from tests.hub.server.conftest import Served, serving
from tests.hub.voices import voice

MOOD, OTHER = "acme/spring/behavior", "acme/autumn/behavior"
ASKED = (MOOD, f"{MOOD}@production", f"{MOOD}@1")
Away = Callable[[Path], Callable[[], object]]


def renamed(hub: Path) -> Callable[[], object]:
    hub.rename(hub.with_name("elsewhere"))
    return lambda: hub.with_name("elsewhere").rename(hub)


def unmounted(hub: Path) -> Callable[[], object]:
    """Its folder is there, and empty."""
    back = renamed(hub)
    hub.mkdir()
    return lambda: (hub.rmdir(), back())


def forbidden(hub: Path) -> Callable[[], object]:
    """As by another user, also where the tests run as root."""

    def refuse(self: Local, path: str, *_: Any) -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), f"{hub}/{path}")

    patch = pytest.MonkeyPatch()
    for name in ("read", "size", "_entries", "taken"):
        patch.setattr(Local, name, refuse)
    patch.setattr(Local, "exists", lambda self, path: False)
    patch.setattr(Local, "stamp", lambda self, folder: "")
    return patch.undo


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    base = models.base("llama")
    hub = Hub(tmp_path / "hub")
    for seed, name in enumerate((MOOD, MOOD, OTHER)):
        hub.publish(voice(base, seed + 1), name)
    hub.set_alias(MOOD, "production", 1)
    return hub


@pytest.fixture
def registry(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setattr("hub.registry.following._IN_FULL", 0.0)  # each look is one in full
    registry = Registry(hub, models.base("llama"))
    yield registry
    registry.close()


@pytest.mark.parametrize("away", [renamed, unmounted, forbidden])
def test_while_the_hub_is_away_what_is_loaded_answers_and_the_rest_is_told(
    hub: Hub, registry: Registry, tmp_path: Path, away: Away
) -> None:
    following = registry._following
    assert following is not None
    app = create_app(registry, Keys(tmp_path / "keys"))
    http = TestClient(app, base_url="http://localhost")

    def ask(reference: str) -> Any:
        return http.post("/v1/analyze", json={"reference": reference, "texts": ["so late"]})

    before = {reference: ask(reference).json() for reference in ASKED}
    assert http.get("/ready").json()["ready"]
    back = away(tmp_path / "hub")
    try:
        following.look(MOOD)
        for reference, answer in before.items():
            assert ask(reference).json() == answer
        ready = http.get("/ready")
        assert ready.status_code == 503 and ready.headers["retry-after"]
        assert ready.json()["hub"] == "unreachable" and set(ready.json()["behind"]) == set(ASKED[:2])
        assert http.get("/health").status_code == 200
        for answer in (
            ask(OTHER),
            ask("acme/spring/nothing"),
            http.get("/v1/models"),
            http.get(f"/v1/models/{MOOD}"),
        ):
            assert answer.status_code == 503 and answer.headers["retry-after"], answer.text
            assert answer.json()["error"]["code"] == "hub_unreachable"
        for path in ("adapters", f"adapters/{MOOD}", f"try/{MOOD}"):
            page = http.get(f"/page/{path}")
            assert page.status_code == 503 and "<h1>Not now</h1>" in page.text
        assert str(tmp_path) not in ready.text + page.text + ask(OTHER).text
    finally:
        back()
    assert http.get("/ready").status_code == 200
    hub.set_alias(MOOD, "production", 2)
    assert ask(OTHER).status_code == 200
    following.look(MOOD)
    assert http.get("/ready").json()["behind"] == {}
    assert ask(f"{MOOD}@production").json() == ask(f"{MOOD}@2").json() != before[f"{MOOD}@production"]


@pytest.mark.parametrize(
    "path", ["/health", "/ready", "/metrics", "/v1/models", "/page/adapters", "/page/load"]
)
def test_head_is_answered_as_get_without_its_body(
    served: Served, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with served.http() as http, caplog.at_level(logging.INFO, "repertoire.requests"):
        head, get = http.head(path), http.get(path)
        assert head.status_code == get.status_code == 200 and head.content == b""
        assert (
            head.headers["content-type"] == get.headers["content-type"] and "content-length" in head.headers
        )
        assert http.head("/v1/classify").status_code == 405 and http.head("/nowhere").status_code == 404
    lines = [json.loads(each.getMessage()) for each in caplog.records if each.name == "repertoire.requests"]
    assert {(each["method"], each["path"]) for each in lines} >= {("HEAD", path), ("GET", path)}


def test_a_mistake_on_a_page_is_a_page(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def mistaken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("of a secret text")

    monkeypatch.setattr(registry.hub, "search", mistaken)
    http = TestClient(
        create_app(registry, Keys(tmp_path / "keys")), "http://localhost", raise_server_exceptions=False
    )
    page = http.get("/page/adapters", headers={"accept-language": "zh"})
    assert page.status_code == 500 and page.headers["content-type"].startswith("text/html")
    assert "未能完成" in page.text and "secret" not in page.text and "content-security-policy" in page.headers
    assert "a mistake of Repertoire's own" in caplog.text
    assert http.get("/v1/models").json()["error"]["code"] == "internal"


def test_why_a_page_cannot_be_shown_is_in_the_log(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def torn(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO), f"{tmp_path}/hub/adapters")

    monkeypatch.setattr(registry.hub, "search", torn)
    http = TestClient(create_app(registry, Keys(tmp_path / "keys")), "http://localhost")
    page = http.get("/page/adapters")
    assert page.status_code == 503 and str(tmp_path) not in page.text
    assert "a request failed" in caplog.text and os.strerror(errno.EIO) in caplog.text


def test_a_client_that_goes_away_is_no_mistake(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    came, goes_on, submit = threading.Event(), threading.Event(), Registry.submit_all

    def held(*given: Any) -> Any:
        came.set()
        assert goes_on.wait(LIMIT)
        return submit(*given)

    monkeypatch.setattr(Registry, "submit_all", held)
    base: Base = models.base("llama")
    body = json.dumps({"reference": MOOD, "texts": [f"so late {i}" for i in range(900)]}).encode()
    head = b"POST /v1/analyze HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    with caplog.at_level(logging.INFO), serving(hub, base, Keys(tmp_path / "keys")) as served:
        host, _, port = served.url.removeprefix("http://").partition(":")
        service = served.app.state.service
        with socket.create_connection((host, int(port)), timeout=LIMIT) as connection:
            connection.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
            assert came.wait(LIMIT)
        goes_on.set()
        until(lambda: not service.working)
    assert "mistake" not in caplog.text
    assert '"status": 499' in caplog.text


def test_a_log_that_does_not_answer_holds_up_only_who_needs_it(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as for a disk that is full: more calls wait for it than there are threads for all else."""
    goes_on, waits = threading.Event(), []

    def stuck(*_: Any) -> Any:
        waits.append(1)
        assert goes_on.wait(LIMIT)
        raise FeedbackError("the disk is full")

    monkeypatch.setattr(Feedback, "feedback_all", stuck)
    base: Base = models.base("llama")
    with (
        serving(hub, base, Keys(tmp_path / "keys")) as served,
        served.http() as http,
        ThreadPoolExecutor(40) as threads,
    ):
        told = {"impression": "none", "kind": "click"}
        asked = [
            threads.submit(httpx.post, f"{served.url}/v1/feedback", json=told, timeout=LIMIT)
            for _ in range(40)
        ]
        try:
            until(lambda: len(waits) == 40)
            assert http.post("/v1/analyze", json={"reference": MOOD, "texts": ["a"]}).status_code == 200
            assert http.get("/v1/models").status_code == 200
        finally:
            goes_on.set()
        assert {each.result().json()["error"]["code"] for each in asked} == {"feedback_unreachable"}


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file grows beyond so many bytes meanwhile."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_on_a_full_disk_nothing_is_acknowledged_that_is_not_there(hub: Hub, tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    log = Feedback(hub, patience=0.5)
    with closing(Registry(hub, models.base("llama"))) as registry, closing(log):
        http = TestClient(create_app(registry, keys, log=lambda: log), "http://localhost")

        def tell(event: int) -> Any:
            told = {"impression": id, "kind": "label", "text": "glad " * 1000, "event": f"e{event}"}
            return http.post("/v1/feedback", json=told)

        logged = {"reference": MOOD, "texts": ["so late"], "log": True, "on_disk": True}
        id = http.post("/v1/analyze", json=logged).json()["impression"]
        with full_disk(150_000):
            answers = []
            while not answers or answers[-1].status_code == 200:
                answers.append(tell(len(answers)))
            assert answers[-1].status_code == 503 and len(answers) > 3
            assert answers[-1].json()["error"]["code"] == "feedback_unreachable"
            assert http.post("/v1/analyze", json=logged | {"on_disk": False}).status_code == 200
            with pytest.raises(BadKey, match="cannot be used"), full_disk(1):
                keys.new("acme")
            assert not keys.any()
        there = {each["event"] for each in stored(log, outcomes)}
        assert there >= {f"e{number}" for number in range(len(answers) - 1)}
        assert tell(len(answers) - 1).json()["known"] == 1, "it had waited"
        assert keys.new("acme")[0] == keys.all()[0]
