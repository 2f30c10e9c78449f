"""The ingress, without Ray: what it hands on and to whom, and what a client is told when a replica dies."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx
import pytest
from starlette.types import Message

from hub.fleet.forwarding import PAGE, Forwarding, Lost

JSON = [(b"content-type", b"application/json")]
EVENTS = [(b"content-type", b"text/event-stream")]
Script = Callable[[int], AsyncIterator[Sequence[Message]]]


def answer(body: bytes, headers: list[tuple[bytes, bytes]] = JSON) -> list[Message]:
    return [
        {"type": "http.response.start", "status": 200, "headers": headers},
        {"type": "http.response.body", "body": body},
    ]


class Replicas:
    """Answers as a script says; wanted, tries: what it was asked."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.wanted: list[str] = []
        self.bodies: list[bytes] = []

    async def forward(self, scope: Any, body: bytes, wanted: str) -> AsyncIterator[Sequence[Message]]:
        self.wanted.append(wanted)
        self.bodies.append(body)
        async for each in self.script(len(self.wanted)):
            yield each


async def dies(_: int) -> AsyncIterator[Sequence[Message]]:
    raise Lost
    yield


async def dies_once(time: int) -> AsyncIterator[Sequence[Message]]:
    if time == 1:
        raise Lost
    yield answer(b"{}")


async def dies_within(_: int) -> AsyncIterator[Sequence[Message]]:
    yield [answer(b"", EVENTS)[0], {"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True}]
    raise Lost


def ask(
    replicas: Replicas, path: str, document: Any = None, method: str = "POST", **headers: str
) -> httpx.Response:
    async def asked() -> httpx.Response:
        app = Forwarding(replicas.forward, 60.0)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(
                method, path, json=document, headers={k.replace("_", "-"): v for k, v in headers.items()}
            )

    return asyncio.run(asked())


def test_what_only_asks_is_asked_again_and_the_client_does_not_know() -> None:
    replicas = Replicas(dies_once)
    assert ask(replicas, "/v1/analyze", {"reference": "a/b/c", "texts": ["é"]}).json() == {}
    assert replicas.wanted == ["a/b/c", "a/b/c"]
    assert replicas.bodies[0] == replicas.bodies[1]
    assert json.loads(replicas.bodies[0])["texts"] == ["é"]


@pytest.mark.parametrize(
    ("path", "document", "tries"),
    [
        ("/v1/analyze", {"reference": "a/b/c", "texts": []}, 3),
        ("/v1/recommend", {"reference": "a/b/c", "ads": [], "log": True}, 1),
        ("/v1/batch", {"requests": [{"reference": "a/b/c"}, {"reference": "a/b/d", "log": True}]}, 1),
        ("/v1/batch", {"requests": [{"reference": "a/b/c"}]}, 3),
        ("/v1/feedback", {"events": []}, 1),
        ("/page/move", {}, 1),
    ],
)
def test_where_no_replica_lives_the_error_says_so_and_nothing_is_written_twice(
    path: str, document: Any, tries: int
) -> None:
    replicas = Replicas(dies)
    found = ask(replicas, path, document)
    assert found.status_code == 503
    assert found.json()["error"]["code"] == "replica_lost"
    assert found.headers["retry-after"] == "1"
    assert len(replicas.wanted) == tries


def test_a_stream_that_breaks_off_says_so_and_is_not_begun_again() -> None:
    replicas = Replicas(dies_within)
    text = ask(replicas, "/v1/completions", {"model": "a/b/c", "stream": True}).text
    first, last = text.strip().split("\n\n")
    assert first == "data: 1"
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "replica_lost"
    assert len(replicas.wanted) == 1


@pytest.mark.parametrize(
    ("path", "document", "headers", "wanted"),
    [
        ("/v1/completions", {"model": "a/b/c@production"}, {}, "a/b/c@production"),
        ("/v1/recommend", {"reference": ["a/b/c", "a/b/d"]}, {}, "a/b/c"),
        ("/v1/analyze", {"reference": "a/b/c + a/b/d"}, {}, "a/b/c"),
        ("/v1/batch", {"requests": [{"reference": "a/b/d"}, {"reference": "a/b/c"}]}, {}, "a/b/d"),
        ("/v1/batch", {"requests": [1]}, {}, ""),
        ("/v1/batch", {"requests": 1}, {}, ""),
        ("/v1/analyze", {"reference": 7}, {}, ""),
        ("/v1/analyze", {"reference": []}, {}, ""),
        ("/v1/analyze", [], {}, ""),
        ("/v1/analyze", None, {}, ""),
        ("/page/adapters", None, {}, PAGE),
        ("/", None, {}, PAGE),
        ("/v1/analyze", {"reference": "a/b/c"}, {"cookie": "x=y"}, "a/b/c"),
        ("/v1/analyze", {"reference": "a/b/c"}, {"cookie": "repertoire_session=x"}, "a/b/c"),
        ("/v1/analyze", {"reference": "a/b/c"}, {"cookie": "x=y", "authorization": "Bearer k"}, "a/b/c"),
        ("/v1/analyze", {"reference": "a/b/c@latest"}, {}, "a/b/c"),
        ("/v1/analyze", {"reference": " a/b/c@latest + a/b/d@1"}, {}, "a/b/c"),
        ("/v1/recommend", {"reference": ["a/b/c@latest", "a/b/d"]}, {}, "a/b/c"),
        ("/v1/recommend", {"reference": "a/b/c@live"}, {}, "a/b/c@live"),
        ("/v1/analyze", {"reference": "a/b/c@"}, {}, "a/b/c@"),
        ("/v1/analyze", {"reference": "é@x"}, {}, "é@x"),
    ],
)
def test_where_a_request_goes(path: str, document: Any, headers: dict[str, str], wanted: str) -> None:
    async def fine(_: int) -> AsyncIterator[Sequence[Message]]:
        yield answer(b"{}")

    replicas = Replicas(fine)
    ask(replicas, path, document, **headers)
    assert replicas.wanted == [wanted]


def test_an_application_without_replicas_imports_no_ray() -> None:
    """Nobody on one machine pays for it."""
    import subprocess
    import sys

    code = (
        "import sys, hub, hub.cli, hub.server, hub.fleet, hub.server.app, hub.server.running, hub.cli.serve, "
        "hub.fleet.forwarding, hub.fleet.routing, hub.fleet.shares, hub.fleet.replica\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'ray'])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
