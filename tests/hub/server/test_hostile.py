"""What an intruder sends: bodies that lie about their size, texts deeper than a stack, pages of other sites, and keys
that are lost or cannot be read while a server runs."""

import asyncio
import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from adapters import Base
from adapters.errors import Busy
from hub import Hub
from hub.server import Bounds, Keys
from hub.server.failing import Draining
from tests.hub.server.conftest import Guarded, Served, serving

COPY = "acme/spring/ad-copy"
CHAT = {"model": COPY, "messages": [{"role": "user", "content": "mug 7"}]}
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def small(market: Hub, base: Base, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    keys = Keys(tmp_path_factory.mktemp("keys") / "keys")
    with serving(market, base, keys, bounds=Bounds(body=50_000), adapter_calls=True) as found:
        yield found


def connected(served: Served) -> socket.socket:
    host, _, port = served.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def status(served: Served, sent: bytes) -> bytes:
    with connected(served) as connection:
        connection.sendall(sent)
        return connection.makefile("rb").readline().split()[1]


@pytest.mark.parametrize("said", [b"", b"content-length: 5\r\n"])
def test_a_body_in_chunks_is_as_large_as_it_is_not_as_it_says(small: Served, said: bytes) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    body = b"%x\r\n" % 60_000 + b" " * 60_000 + b"\r\n0\r\n\r\n"
    assert status(small, head + said + b"transfer-encoding: chunked\r\n\r\n" + body) == b"413"


@pytest.mark.parametrize("deep", [300, 600, 900, 940, 5000])
@pytest.mark.parametrize("opens", ['{"a":', "["])
def test_what_lies_deeper_than_a_stack_is_refused(small: Served, deep: int, opens: str) -> None:
    nest = opens * deep + "1" + {"[": "]"}.get(opens, "}") * deep
    mood, click = "acme/spring/behavior", "acme/spring/recommendation"
    bodies: Any = [
        ("/v1/chat/completions", f'{{"model": "{COPY}", "product": {{"product": {nest}}}, "messages": []}}'),
        ("/v1/recommend", f'{{"reference": "{click}", "ads": [{{"ad": {nest}}}]}}'),
        ("/v1/recommend", f'{{"reference": "{click}", "ads": ["a"], "features": {{"f": {nest}}}}}'),
        ("/v2/rerank", f'{{"model": "{click}", "query": "a", "documents": [{{"ad": {nest}}}]}}'),
        ("/v1/analyze", f'{{"reference": "{mood}", "texts": [{{"text": {nest}}}]}}'),
        ("/v1/write", f'{{"reference": "{COPY}", "product": "mug", "policy": {{"banned": {nest}}}}}'),
    ]
    with small.http() as http:
        for path, body in bodies:
            answer = http.post(path, content=body, headers=JSON)
            assert answer.status_code == 400, (path, answer.text)
        said = json.dumps({**CHAT, "messages": [{"role": "user", "content": f'{{"product": {nest}}}'}]})
        assert http.post("/v1/chat/completions", content=said, headers=JSON).status_code in (200, 400)
        entry = (
            f'{{"requests": [{{"call": "analyze", "reference": "{mood}", "texts": [{{"text": {nest}}}]}}]}}'
        )
        answer = http.post("/v1/batch", content=entry, headers=JSON)
        assert answer.status_code == 400 or answer.json()["answers"][0]["error"]


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "9" * 5000])
@pytest.mark.parametrize(
    "place", ['"features": {"f": %s}', '"user": "a", "features": {}, "ads": [{"ad": %s}]']
)
def test_a_number_that_is_none_is_refused_wherever_it_stands(small: Served, number: str, place: str) -> None:
    body = f'{{"reference": "acme/spring/recommendation", "ads": ["a"], {place % number}}}'
    with small.http() as http:
        answer = http.post("/v1/recommend", content=body, headers=JSON)
    assert answer.status_code == 400 and "no JSON" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "body", "status", "said"),
    [
        ({}, b"{}", 415, "Content-Type"),
        ({"content-type": "application/x-www-form-urlencoded"}, b"{}", 415, "Content-Type"),
        ({"content-type": "text/plain"}, b"{}", 415, "Content-Type"),
        ({**JSON, "content-encoding": "gzip"}, gzip.compress(b"{}", mtime=0), 415, "Content-Encoding"),
        (JSON, b'{"model": ', 400, "no JSON: Expecting value, at character 10"),
        (JSON, b'{"model": "a"', 400, "no JSON: Expecting ',' delimiter"),
    ],
)
def test_what_is_wrong_with_a_body_is_said(
    small: Served, headers: Any, body: bytes, status: int, said: str
) -> None:
    with small.http() as http:
        for path in ("/v1/chat/completions", "/v1/classify", "/v1/load_lora_adapter"):
            answer = http.post(path, content=body, headers=headers)
            assert (answer.status_code, answer.json()["error"]["param"]) == (status, None)
            assert said in answer.json()["error"]["message"]


def test_a_long_name_is_not_repeated(small: Served) -> None:
    with small.http() as http:
        for answer in (
            http.get(f"/v1/models/{'a' * 20_000}"),
            http.post("/v1/chat/completions", json={**CHAT, "model": "a" * 20_000}),
        ):
            assert answer.status_code == 404 and len(answer.text) < 5000


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost.evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin", "origin": "https://behind.a.proxy"}, 200),
        ({"authorization": "Bearer none", "origin": "http://a.program"}, 200),
        ({}, 200),
    ],
)
def test_pages_of_other_sites_do_nothing(small: Served, headers: Any, status: int) -> None:
    with small.http() as http:
        body = {"lora_name": COPY}
        assert http.post("/v1/load_lora_adapter", json=body, headers=headers).status_code == status
        own = {"origin": small.url, **headers} if status == 200 else {"origin": small.url}
        assert http.post("/v1/load_lora_adapter", json=body, headers=own).status_code == 200


def test_a_server_whose_keys_are_lost_lets_nobody_in(market: Hub, base: Base, tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    _, secret = keys.new("acme")
    with serving(market, base, keys, local=False) as served, served.http(secret) as http:
        assert http.get("/v1/models").status_code == 200
        whole = keys.path.read_bytes()
        for left, status in ((None, 401), (b"", 401), (b"garbage" * 300, 503)):
            keys.path.unlink(missing_ok=True)
            if left is not None:
                keys.path.write_bytes(left)
            answer = http.get("/v1/models")
            assert answer.status_code == status, left
            assert status == 401 or answer.headers["retry-after"]
            assert httpx.get(f"{served.url}/v1/models").status_code == 401
            assert httpx.get(f"{served.url}/health").status_code == 200
        keys.path.write_bytes(whole)
        assert http.get("/v1/models").status_code == 200


def test_a_file_that_a_full_disk_left_empty_holds_no_keys(tmp_path: Path) -> None:
    (tmp_path / "keys").touch()
    keys = Keys(tmp_path / "keys")
    assert keys.all() == [] and not keys.any() and keys.find("rk_x") is None
    _, secret = keys.new("acme")
    assert keys.any() and keys.find(secret) is not None


def test_a_body_that_does_not_come_is_given_up(market: Hub, base: Base, tmp_path: Path) -> None:
    head = b"POST /v1/classify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    with serving(market, base, Keys(tmp_path / "keys"), bounds=Bounds(stalled=0.05)) as served:
        assert status(served, head + b"content-length: 99\r\n\r\n{}") == b"408"
        assert status(served, head + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n") == b"408"


@pytest.mark.parametrize(
    "sent", [b"", b"GET /health HT", b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\nGET"]
)
def test_a_head_that_does_not_end_is_given_up(
    small: Served, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.server.connection.SILENT", 0.05)
    with connected(small) as connection:
        connection.sendall(sent)
        try:
            while connection.recv(65536):
                pass
        except ConnectionResetError:
            pass


def test_names_that_are_not_there_hold_up_nobody(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Near names are read from the hub, which may be far: never by the thread that answers everybody."""
    hub, blocked = guarded.served.registry.hub, []
    search = hub.search

    def far() -> Any:
        blocked.append(asyncio._get_running_loop() is not None)
        return search()

    monkeypatch.setattr(hub, "search", far)
    with guarded.served.http(guarded.acme) as http:
        for name in ("globex/launch/ad-copy", "acme/spring/ad-cop", "initech/a/b", "acme/a/b+acme/a/c"):
            assert http.get(f"/v1/models/{name}").status_code == 404
            assert http.post("/v1/classify", json={"model": name, "input": "a"}).status_code == 404
            assert http.post("/v1/load_lora_adapter", json={"lora_name": name}).status_code == 404
            stream = {**CHAT, "model": name, "stream": True}
            assert http.post("/v1/chat/completions", json=stream).status_code in (400, 404)
    assert blocked and not any(blocked)


@pytest.mark.parametrize("status", [429, 503])
def test_an_sdk_asks_again_when_it_is_told_to(guarded: Guarded, status: int) -> None:
    """Busy, and shutting down, until the client has waited as `Retry-After` says."""
    service = guarded.served.app.state.service
    work, refused = service._budgets.one, []

    def full(caller: Any) -> Any:
        if not refused:
            refused.append(caller)
            raise Busy("full") if status == 429 else Draining(0.5)
        return work(caller)

    client = openai.OpenAI(base_url=f"{guarded.served.url}/v1", api_key=guarded.acme, max_retries=2)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(service._budgets, "one", full)
        chat = client.chat.completions.create(
            model=COPY, messages=[{"role": "user", "content": "mug 7"}], seed=3
        )
    assert len(refused) == 1
    (expected,) = guarded.served.registry.write(COPY, "mug 7", seed=3)
    assert chat.choices[0].message.content == expected
