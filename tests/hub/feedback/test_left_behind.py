"""What a server, its log, a canary and a refresh leave behind holds no key, no secret of the environment, no user's own
key, and, but for what the refresh keeps for its own next start, no place of this machine."""

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from adapters import Base
from hub import Hub, Registry
from hub.feedback import Feedback, Refresh, canary
from hub.server import Keys, Scope, create_app
from tests.adapters import models
from tests.clock import Clock
from tests.hub.feedback.made import NAME, NOW
from tests.hub.feedback.test_loop import ranker
from tests.hub.feedback.test_refreshing import DAY, campaign, seen
from tests.hub.test_secrets import ENVIRONMENT, PLANTED

HOME = "home-of-someone"


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in ("USER", "LOGNAME"):
        monkeypatch.setenv(name, "operator")
    home = tmp_path / HOME
    home.mkdir()
    yield home


def test_a_server_its_log_a_canary_and_a_refresh(
    home: Path, base: Base, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hub = Hub(home / "campaigns")
    for seed in (0, 1):
        hub.publish(ranker(base, seed, features=[]), NAME)
    hub.set_alias(NAME, "production", 1)
    clock = Clock(NOW)
    log, keys = Feedback(hub, clock=clock), Keys(home / "keys")
    _, key = keys.new("acme", Scope.operate)
    told = []
    with closing(log), closing(Registry(hub, base)) as registry:
        http = TestClient(create_app(registry, keys, log=lambda: log), base_url="http://127.0.0.1")
        own = {"authorization": f"Bearer {key}", "x-api-token": f"{PLANTED}-header"}
        asked = {"reference": NAME, "user": "likes tea", "ads": ["tea", "rum"], "log": True}
        canary.start(hub, log, NAME, 2, share=0.5)
        for reference, user in ((NAME, 1), (f"{NAME}@live", 2), (f"{NAME}@live", 3)):
            body = asked | {"reference": reference, "user_key": f"{PLANTED}-{user}@example.com"}
            answered = http.post("/v1/recommend", json=body, headers=own)
            assert answered.status_code == 200, answered.text
            event = {"impression": answered.json()["impression"], "kind": "click"}
            told.append(http.post("/v1/feedback", json=event, headers=own).text)
        for wrong in (f"Bearer {PLANTED}-key", f"Basic {PLANTED}"):
            told.append(http.post("/v1/recommend", json=asked, headers={"authorization": wrong}).text)
        told.append(http.get(f"/v1/models?token={PLANTED}", headers=own).text)
        told.append(http.post("/v1/recommend", json=asked | {"ads": []}, headers=own).text)
        told.append(http.get("/metrics", headers=own).text)
        canary.stop(hub, log, NAME)
        seen(log, 160)
        clock.move(DAY)
        (found,) = Refresh(hub, log, base, home / "refresh").run([campaign(share=0.2)])
        assert found.happened == "canary", found.why
    files = [path for path in home.rglob("*") if path.is_file()]
    assert all(
        any(part in str(path.relative_to(home)) for path in files) for part in ("feedback", "keys", "refresh")
    )
    # The test's own client tells the addresses that it asks.
    logged = "\n".join(each.getMessage() for each in caplog.records if not each.name.startswith("httpx"))
    assert '"path": "/v1/models"' in logged
    for secret in (PLANTED, key):
        assert [str(path) for path in files if secret.encode() in path.read_bytes()] == []
        assert secret not in logged and secret not in "".join(told)
    given = [path for path in files if (home / "refresh") not in path.parents]
    assert len(given) > 20
    assert [str(path) for path in given if HOME.encode() in path.read_bytes()] == []
    pages = [path for path in files if path.suffix in (".md", ".html")]
    assert pages and not [str(path) for path in pages if HOME in path.read_text()]
    assert HOME not in "".join(told)
