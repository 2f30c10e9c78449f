"""Browsers of a server's page, without a browser: they keep cookies, and send the token of the form that they saw."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from fastapi.testclient import TestClient

from adapters import Base
from hub import Hub
from hub.server import Keys, Scope
from tests.hub.server.conftest import Guarded, Served, serving
from tests.hub.server.pages.campaigns import build

TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass
class Visitor:
    """Somebody with a browser. client: keeps the cookies, and follows no redirect."""

    client: TestClient

    def get(self, path: str, **options: object) -> httpx.Response:
        return self.client.get(path, **options)  # type: ignore[arg-type]

    def post(self, path: str, seen_at: str, **fields: str) -> httpx.Response:
        """Send a form with the token of the page that shows it."""
        found = TOKEN.search(self.get(seen_at).text)
        assert found, seen_at
        return self.client.post(path, data={"csrf": found[1], **fields})


def visitor(served: Served) -> Visitor:
    return Visitor(TestClient(served.app, base_url="http://localhost", follow_redirects=False))


def logged_in(served: Served, key: str) -> Visitor:
    found = visitor(served)
    answer = found.post("/page/login", "/page/login", key=key, next="/page/adapters")
    assert (answer.status_code, answer.headers["location"]) == (303, "/page/adapters")
    return found


@pytest.fixture(scope="module")
def anybody(served: Served) -> Visitor:
    """Of a server without keys."""
    return visitor(served)


@pytest.fixture(scope="module")
def acme(guarded: Guarded) -> Iterator[Visitor]:
    yield logged_in(guarded.served, guarded.acme)


@pytest.fixture(scope="module")
def shop(market: Hub, base: Base, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Guarded, Hub]]:
    """A server with keys of the hub of `campaigns`; the hub, of which tests may move aliases."""
    folder = tmp_path_factory.mktemp("shop")
    hub, keys = build(market, folder / "hub"), Keys(folder / "keys")
    acme, globex = (keys.new(client, Scope.operate)[1] for client in ("acme", "globex"))
    admin = keys.new("ops", Scope.admin)[1]
    with serving(hub, base, keys) as found:
        yield Guarded(found, acme, globex, admin), hub
