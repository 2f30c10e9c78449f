"""Who is let in, what a key sees of others, how much it may, and what a server tells those who run it."""

import asyncio
import json
import logging
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import Base
from hub import Hub
from hub.errors import BadKey
from hub.server import Bounds, Key, Keys, Scope
from tests.clock import LIMIT
from tests.hub.server.conftest import TASKS, Guarded, Served, serving

COPY = "acme/spring/ad-copy"
CHAT = {"model": COPY, "messages": [{"role": "user", "content": "mug 7"}]}


def routes(reference: str) -> list[tuple[str, str, Any]]:
    """Every route that takes a reference, with a body that is sound but for it."""
    chat = {"model": reference, "messages": [{"role": "user", "content": "mug 7"}]}
    entry = {"call": "analyze", "reference": reference, "texts": ["a"]}
    return [
        ("GET", f"/v1/models/{quote(reference, safe='')}", None),
        ("POST", "/v1/chat/completions", chat),
        ("POST", "/v1/chat/completions", {**chat, "stream": True}),
        ("POST", "/v1/completions", {"model": reference, "prompt": "mug"}),
        ("POST", "/v1/embeddings", {"model": reference, "input": "a"}),
        ("POST", "/v1/classify", {"model": reference, "input": "a"}),
        ("POST", "/v1/rerank", {"model": reference, "query": "a", "documents": ["b"]}),
        ("POST", "/v2/rerank", {"model": reference, "query": "a", "documents": ["b"]}),
        ("POST", "/v1/recommend", {"reference": reference, "user": "a", "ads": ["b"]}),
        ("POST", "/v1/analyze", {"reference": reference, "texts": ["a"]}),
        ("POST", "/v1/analyze", {"reference": ["acme/spring/behavior", reference], "texts": ["a"]}),
        ("POST", "/v1/write", {"reference": reference, "product": "a"}),
        ("POST", "/v1/batch", {"requests": [entry]}),
        ("POST", "/v1/load_lora_adapter", {"lora_name": reference}),
        ("POST", "/v1/unload_lora_adapter", {"lora_name": reference}),
    ]


OTHERS = [f"globex/launch/{task}" for task in TASKS]
MADE_UP = st.from_regex(r"globex/[a-z]{1,8}/[a-z]{1,8}", fullmatch=True)
SUFFIX = st.sampled_from(["", "@1", "@latest", "@production", "@9"])


@settings(max_examples=60)
@given(
    which=st.integers(0, len(routes("")) - 1), there=st.sampled_from(OTHERS), not_there=MADE_UP, suffix=SUFFIX
)
def test_of_another_client_s_adapter_a_key_learns_nothing(
    guarded: Guarded, which: int, there: str, not_there: str, suffix: str
) -> None:
    """One that is there and one that is not are answered in the same words, but for the name that was sent."""
    told = []
    with guarded.served.http(guarded.acme) as http:
        for name in (there, not_there):
            method, path, body = routes(name + suffix)[which]
            answer = http.request(method, path, json=body)
            # What is near is told of the key's own names, by the name that was sent.
            text = re.sub("; (near: [a-z/, -]*|GET /v1/models lists those that there are)", "", answer.text)
            told.append((answer.status_code, text.replace(name, "NAME")))
    (status, text), _ = told
    assert told[0] == told[1]
    assert status == 404 or (status == 200 and '"model_not_found"' in text)
    assert "globex" not in text


@pytest.mark.parametrize(
    "name", ["acme/launch/behavior", "acme/launch/behavio", "acme/globex/x", "globex/launch/x"]
)
def test_near_names_are_a_key_s_own(guarded: Guarded, name: str) -> None:
    """The nearest of all is another client's."""
    with guarded.served.http(guarded.acme) as http:
        for method, path, body in routes(name):
            answer = http.request(method, path, json=body)
            assert answer.status_code == 404 or '"model_not_found"' in answer.text, path
            assert "globex" not in answer.text.replace(name, "")


def test_a_key_lists_and_measures_its_own(guarded: Guarded) -> None:
    with guarded.served.http(guarded.globex) as theirs:
        assert theirs.post("/v1/analyze", json={"reference": OTHERS[1], "texts": ["a"]}).status_code == 200
    with guarded.served.http(guarded.acme) as http:
        http.post("/v1/chat/completions", json=CHAT)
        http.post("/v1/analyze", json={"reference": OTHERS[1], "texts": ["a"]})
        shown = "".join(http.get(path).text for path in ("/v1/models", "/metrics", "/v1/residency", "/ready"))
    assert COPY in shown and "globex" not in shown
    with guarded.served.http(guarded.admin) as http:
        http.post("/v1/analyze", json={"reference": "madeup/spring/behavior", "texts": ["a"]})
        everything = http.get("/metrics").text
        assert "madeup" not in everything
        assert {"acme", "globex"} <= {each["owned_by"] for each in http.get("/v1/models").json()["data"]}
    for name in (
        'repertoire_requests_total{call="analyze",client="globex",status="200"}',
        "repertoire_request_seconds_bucket",
        "repertoire_queue_seconds_bucket",
        "repertoire_step_seconds_sum",
        "vllm:num_requests_waiting 0.0",
        'vllm:lora_requests_info{max_lora="16"',
        'vllm:lora_adapter_loaded{adapter_name="acme/spring/ad-copy@1",level="gpu"} 1.0',
        'repertoire_adapters{tier="slot"}',
        'repertoire_tokens_total{client="acme",direction="out"}',
    ):
        assert name in everything, everything
    families = re.findall(r"^# TYPE (\S+)", everything, re.MULTILINE)
    assert len(families) == len(set(families))


def test_made_up_names_are_no_labels_of_metrics(guarded: Guarded, served: Served) -> None:
    """Whatever becomes of the request; the client of an adapter that is there is one."""
    mood: dict[str, Any] = {"reference": "acme/spring/behavior", "texts": ["a"]}
    for http in (guarded.served.http(guarded.admin), served.http()):
        with http:
            for at, (path, body) in enumerate(
                (
                    ("/v1/analyze", mood),
                    ("/v1/analyze", mood | {"deadline": 1e9}),
                    ("/v1/analyze", mood | {"texts": []}),
                    ("/v1/analyze", mood | {"texts": ["a"] * 1001}),
                    ("/v1/write", {"product": "a", "n": 0}),
                    ("/v1/chat/completions", CHAT | {"stream": True}),
                    ("/v1/chat/completions", CHAT | {"stream": True, "n": 0}),
                )
            ):
                name = f"madeup{at}/spring/behavior"
                assert http.post(path, json={**body, "reference": name, "model": name}).is_client_error
            entries = [{"call": "analyze", **mood, "reference": "madeup/spring/behavior"}]
            entries.append({"call": "analyze", **mood})
            answers = http.post("/v1/batch", json={"requests": entries}).json()["answers"]
            assert [each["answer"] is None for each in answers] == [True, False]
            shown = http.get("/metrics").text
            assert "madeup" not in shown
            assert 'repertoire_requests_total{call="batch",client="acme",status="200"}' in shown


def test_every_route_but_health_needs_a_key_that_counts(guarded: Guarded) -> None:
    keys = guarded.served.keys
    revoked, secret = keys.new("acme")
    keys.revoke(revoked.id)
    over, spent = keys.new("acme", expires="1h")
    with keys._open() as db:
        db.execute("UPDATE key SET expires = '2020-01-01T00:00:00+00:00' WHERE id = ?", (over.id,))
    paths = set(guarded.served.app.openapi()["paths"]) | {"/openapi.json", "/nowhere"}
    for said in (
        {},
        {"authorization": f"Bearer {secret}"},
        {"authorization": f"Bearer {spent}"},
        {"authorization": f"Basic {guarded.acme}"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer \xff\xfe"},
        {"cookie": f"repertoire_session={guarded.acme}"},
        {"cookie": '"""=;;'},
    ):
        with httpx.Client(base_url=guarded.served.url) as http:
            headers = {name: value.encode("latin-1") for name, value in said.items()}
            for path in paths - {"/health"}:
                answer = http.get(path.replace("{model}", COPY), headers=headers)  # type: ignore[arg-type]
                assert answer.status_code == 401, (path, said)
                assert answer.json()["error"]["code"] == "invalid_api_key"
            assert http.get("/health", headers=headers).json() == {"status": "ok"}  # type: ignore[arg-type]


def test_a_session_of_the_page_sees_what_its_key_does_until_that_ends(guarded: Guarded) -> None:
    key, _ = guarded.served.keys.new("acme")
    sessions = guarded.served.app.state.sessions
    cookie, session = sessions.begin(key.id)
    assert session.csrf not in cookie
    with httpx.Client(base_url=guarded.served.url, cookies={"repertoire_session": cookie}) as http:
        assert {each["owned_by"] for each in http.get("/v1/models").json()["data"]} == {"acme"}
        guarded.served.keys.revoke(key.id)
        assert http.get("/v1/models").status_code == 401
    other, _ = guarded.served.keys.new("acme")
    cookie, _ = sessions.begin(other.id)
    sessions.end(cookie)  # logged out; a replayed cookie is none
    with httpx.Client(base_url=guarded.served.url, cookies={"repertoire_session": cookie}) as http:
        assert http.get("/v1/models").status_code == 401


@pytest.mark.parametrize("by_cookie", [False, True])
def test_while_a_key_is_looked_up_others_are_answered(
    guarded: Guarded, by_cookie: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of keys may lie on a slow disk, or be held by another process."""
    served, looks, goes_on = guarded.served, threading.Event(), threading.Event()
    key, secret = served.keys.new("acme")
    cookie, _ = served.app.state.sessions.begin(key.id)
    headers = (
        {"cookie": f"repertoire_session={cookie}"} if by_cookie else {"authorization": f"Bearer {secret}"}
    )
    found = served.keys._one

    def slow(column: str, value: object) -> Key | None:
        looks.set()
        assert goes_on.wait(LIMIT)
        return found(column, value)

    monkeypatch.setattr(served.keys, "_one", slow)
    with served.http() as http, served.http() as other, ThreadPoolExecutor(1) as threads:
        asked = threads.submit(http.get, "/v1/models", headers=headers)
        try:
            assert looks.wait(LIMIT)
            assert other.get("/health").status_code == 200
        finally:
            goes_on.set()
        assert asked.result().status_code == 200


def test_scopes_and_shares(market: Hub, base: Base, tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    infer = keys.new("acme", Scope.infer, shared=["globex/launch/behavior"])[1]
    with serving(market, base, keys) as served, served.http(infer) as http:
        names = {each["id"] for each in http.get("/v1/models").json()["data"]}
        assert "globex/launch/behavior" in names and "globex/launch/ad-copy" not in names
        body = {"reference": "globex/launch/behavior", "texts": ["a"]}
        assert http.post("/v1/analyze", json=body).status_code == 200
        for method, path in (("GET", "/metrics"), ("GET", "/v1/residency")):
            assert http.request(method, path).json()["error"]["code"] == "scope"
        operate = {"authorization": f"Bearer {keys.new('acme', Scope.operate)[1]}"}
        moved = http.post("/v1/load_lora_adapter", json={"lora_name": COPY}, headers=operate)
        assert moved.status_code == 403 and "--adapter-calls" in moved.text


def test_adapters_are_brought_in_and_let_go_by_reference_alone(guarded: Guarded) -> None:
    with guarded.served.http(guarded.acme) as http:
        body = {"lora_name": COPY, "lora_path": "/etc/passwd"}
        assert http.post("/v1/load_lora_adapter", json=body).status_code == 200
        there = {each["adapter"]: each["tier"] for each in http.get("/v1/residency").json()["adapters"]}
        assert there[f"{COPY}@1"] == "slot"
        assert http.post("/v1/unload_lora_adapter", json={"lora_name": COPY}).status_code == 200
        assert f"{COPY}@1" not in http.get("/v1/residency").text
        for path in ("/etc/passwd", "../../hub", "file:///etc/passwd"):
            assert http.post("/v1/load_lora_adapter", json={"lora_name": path}).status_code == 404


def test_rates_and_requests_at_a_time_are_a_key_s_own(market: Hub, base: Base, tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    few = keys.new("acme", requests=2)[1]
    spent = keys.new("acme", tokens=1)[1]
    one = keys.new("acme", working=1)[1]
    free = keys.new("acme")[1]
    with serving(market, base, keys) as served:

        async def main() -> list[int]:
            headers = {"authorization": f"Bearer {one}"}
            async with httpx.AsyncClient(base_url=served.url, headers=headers, timeout=None) as http:
                return [
                    each.status_code
                    for each in await asyncio.gather(
                        *(http.post("/v1/chat/completions", json=CHAT) for _ in range(8))
                    )
                ]

        for secret, expected in ((few, [200, 200, 429]), (spent, [200, 429]), (free, [200] * 3)):
            with served.http(secret) as http:
                answers = [http.post("/v1/chat/completions", json=CHAT) for _ in expected]
            assert [each.status_code for each in answers] == expected
            if expected[-1] == 429:
                assert int(answers[-1].headers["retry-after"]) >= 1
                assert answers[-1].json()["error"]["type"] == "rate_limit_error"
        assert set(asyncio.run(main())) == {200, 429}


def test_without_keys_only_this_machine_s_names_are_answered(served: Served) -> None:
    with served.http() as http:
        assert http.get("/v1/models").status_code == 200
        assert http.get("/v1/models", headers={"host": "localhost:8000"}).status_code == 200
        for host in ("evil.example", "127.0.0.1.evil.example:80", ""):
            assert http.get("/v1/models", headers={"host": host}).status_code in (400, 421)


def test_keys_are_known_by_their_hash_and_read_strictly(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    assert keys.all() == [] and not keys.any() and keys.find("rk_x") is None
    key, secret = keys.new("acme", expires="8w", shared=["globex", "globex/launch"])
    assert secret.encode() not in (tmp_path / "keys").read_bytes()
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0
    assert keys.find(secret) == key and key.counts
    assert key.sees("acme/a/b") and key.sees("globex/launch/x") and not key.sees("acmes/a/b")
    assert keys.revoke(key.id).revoked and not keys.find(secret).counts  # type: ignore[union-attr]
    assert keys.any()
    for wrong in (
        {"client": "../up"},
        {"client": "acme", "shared": ["a/b/c/d"]},
        {"client": "acme", "expires": "soon"},
        {"client": "acme", "requests": 0},
    ):
        with pytest.raises(BadKey):
            keys.new(**wrong)  # type: ignore[arg-type]
    with pytest.raises(BadKey, match="keys ls"):
        keys.revoke("nothing")
    (tmp_path / "other").write_text("no database, but long enough to look at" * 100)
    with pytest.raises(BadKey, match="holds no keys"):
        Keys(tmp_path / "other").all()


def test_a_line_of_the_log_is_json_without_a_text(guarded: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "repertoire.requests"), guarded.served.http(guarded.acme) as http:
        body = {"model": COPY, "messages": [{"role": "user", "content": "secret mug"}]}
        id = http.post("/v1/chat/completions", json=body).headers["x-request-id"]
        http.get("/nowhere/secret")
    lines = [
        json.loads(record.getMessage()) for record in caplog.records if record.name == "repertoire.requests"
    ]
    (line,) = [each for each in lines if each["id"] == id]
    assert line["client"] == "acme" and line["reference"] == COPY and len(line["digest"]) == 64
    assert line["status"] == 200 and line["tokens_read"] > 0 and line["tokens_written"] > 0
    assert "secret" not in caplog.text and guarded.acme not in caplog.text


@pytest.fixture(scope="module")
def small(market: Hub, base: Base, tmp_path_factory: pytest.TempPathFactory) -> Any:
    bounds = Bounds(body=20_000, batch=3, texts=5, chars=500, tokens=50, stops=4)
    with serving(market, base, Keys(tmp_path_factory.mktemp("keys") / "keys"), bounds=bounds) as found:
        yield found


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (b"not json", 400),
        (b"", 400),
        (b"[]", 400),
        (b"null", 400),
        (b'{"model": "a", "messages": NaN}', 400),
        (b'{"temperature": Infinity}', 400),
        (b"[" * 5000, 400),
        (b"\xff\xfe\x00", 400),
        (b'{"seed": ' + b"9" * 5000 + b"}", 400),
        (b'{"x": "' + b"a" * 20_000 + b'"}', 413),
        ({"temperature": "hot"}, 400),
        ({"temperature": 1e999}, 400),
        ({"n": 0}, 400),
        ({"n": 6}, 400),
        ({"n": True}, 400),
        ({"n": 10**400}, 400),
        ({"seed": 2**70}, 400),
        ({"max_tokens": 51}, 400),
        ({"max_tokens": -1}, 400),
        ({"max_tokens": 3, "max_completion_tokens": 4}, 400),
        ({"stop": ["a"] * 5}, 400),
        ({"stop": [""]}, 400),
        ({"stop": ["\ud800"]}, 400),
        ({"top_p": 0}, 400),
        ({"min_p": -0.1}, 400),
        ({"min_p": 1.1}, 400),
        ({"min_p": "some"}, 400),
        ({"drafts": 0}, 400),
        ({"drafts": 33}, 400),
        ({"drafts": True}, 400),
        ({"drafts": "some"}, 400),
        ({"logprobs": True, "top_logprobs": 21}, 400),
        ({"top_logprobs": 2}, 400),
        ({"messages": []}, 400),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, 400),
        ({"messages": [{"role": "user", "content": "a" * 501}]}, 400),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400),
        ({"messages": [{"role": "user", "content": "{" * 400}]}, 200),
        ({"product": {"product": "\ud800"}}, 400),
        ({"product": {"\ud800": "mug"}}, 400),
        ({"product": {"product": "a" * 501}}, 400),
        ({"product": 3}, 400),
        ({"policy": {"allowed": ["a"]}}, 400),
        ({"policy": {"nonsense": 1}}, 400),
        ({"policy": {"limits": {"a": float("1e308")}}}, 400),
        ({"model": ""}, 404),
        ({"model": "../../../etc/passwd"}, 404),
        ({"model": "acme/spring/ad-copy@../1"}, 404),
        ({"model": "acme/spring/\x00"}, 404),
        ({"model": "\ud800/a/b"}, 404),
        ({"model": "a" * 10_000}, 404),
        ({"model": "acme/spring/ad-copy+"}, 404),
        ({"model": None}, 400),
        ({"response_format": {"type": "json_object"}}, 400),
        ({"presence_penalty": 1.0}, 400),
    ],
)
def test_bad_input_is_a_clear_4xx(small: Served, change: Any, status: int) -> None:
    body = change if isinstance(change, bytes) else json.dumps({**CHAT, **change}).encode()
    with small.http() as http:
        for stream in (False, True):
            sent = body
            if stream and not isinstance(change, bytes):
                sent = json.dumps({**CHAT, **change, "stream": True}).encode()
            answer = http.post(
                "/v1/chat/completions", content=sent, headers={"content-type": "application/json"}
            )
            assert answer.status_code == status, answer.text
            if status != 200:
                error = answer.json()["error"]
                assert error["message"] and error["type"] and set(error) >= {"param", "code"}


def test_texts_of_other_routes_are_bounded_too(small: Served) -> None:
    many = ["a"] * 6
    with small.http() as http:
        for path, body in (
            ("/v1/recommend", {"reference": "acme/spring/recommendation", "ads": many}),
            ("/v1/analyze", {"reference": "acme/spring/behavior", "texts": many}),
            ("/v1/classify", {"model": "acme/spring/behavior", "input": many}),
            ("/v1/embeddings", {"model": "acme/spring/behavior", "input": many}),
            ("/v2/rerank", {"model": "acme/spring/recommendation", "query": "", "documents": many}),
            ("/v1/write", {"reference": COPY, "product": "a", "deadline": 1e9}),
            ("/v1/completions", {"model": COPY, "prompt": many}),
            ("/v1/batch", {"requests": [{}] * 4}),
        ):
            assert http.post(path, json=body).status_code == 400, path
        most, mood = small.app.state.service.bounds.seconds, "acme/spring/behavior"
        for deadline, status in ((most, 200), (most + 1, 400), (0, 400)):
            asked = {"reference": mood, "texts": ["a"], "deadline": deadline}
            assert http.post("/v1/analyze", json=asked).status_code == status, deadline


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: localhost\r\nx : y\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: a\x00b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_smuggled_headers_are_refused(small: Served, head: bytes) -> None:
    place = small.url.removeprefix("http://").split(":")
    with socket.create_connection((place[0], int(place[1])), timeout=30) as connection:
        connection.sendall(head)
        status = connection.makefile("rb").readline().split()[1]
    assert status.startswith(b"4"), status
