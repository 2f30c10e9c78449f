"""Every route, with something wrong at every place of its body, in its path and in its size: a clear 4xx."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.hub.server.conftest import Served
from tests.hub.server.test_hostile import connected

MOOD, CLICK, COPY = "acme/spring/behavior", "acme/spring/recommendation", "acme/spring/ad-copy"
JSON = {"content-type": "application/json"}
SEEN = {"log": False, "user_key": "u-1", "consent": True}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": COPY,
        "messages": [{"role": "user", "content": "mug 7"}],
        "product": {"product": "mug 7"},
        "stop": ["x"],
        "max_tokens": 2,
        "temperature": 1.0,
        "top_p": 0.9,
        "min_p": 0.1,
        "drafts": 2,
        "seed": 1,
        "n": 1,
    },
    "/v1/completions": {"model": COPY, "prompt": ["mug 7"], "stop": "x", "max_tokens": 2},
    "/v1/embeddings": {"model": MOOD, "input": ["so late"], "encoding_format": "float"},
    "/v1/classify": {"model": MOOD, "input": ["so late"]},
    "/v1/rerank": {"model": CLICK, "query": "likes tea", "documents": ["tea", {"ad": "rum"}], "top_n": 1},
    "/v2/rerank": {"model": CLICK, "query": "likes tea", "documents": ["tea"], "top_n": 1},
    "/v1/recommend": {
        "reference": CLICK,
        "user": "likes tea",
        "ads": ["tea", {"ad": "rum"}],
        "deadline": 60.0,
        **SEEN,
    },
    "/v1/analyze": {"reference": [MOOD], "texts": ["so late", {"text": "so late"}], **SEEN},
    "/v1/write": {
        "reference": COPY,
        "product": {"product": "mug 7"},
        "n": 1,
        "max_new_tokens": 2,
        "min_p": 0.1,
        "drafts": 2,
        "stop": ["x"],
        **SEEN,
    },
    "/v1/explain": {"reference": CLICK, "user": "likes tea", "ad": "tea"},
    "/v1/place": {
        "reference": CLICK,
        "user": "likes tea",
        "ads": ["tea", {"ad": "rum", "bid": 1.0}],
        "k": 1,
        **SEEN,
    },
    "/v1/feedback": {"impression": "i-1", "kind": "click", "value": 1.0, "text": "a", "event": "e"},
    "/v1/load_lora_adapter": {"lora_name": MOOD},
    "/v1/unload_lora_adapter": {"lora_name": MOOD},
}


def places(body: Any, *path: str | int) -> Iterator[tuple[str | int, ...]]:
    """Of every value in a body, and of what holds it."""
    if path:
        yield path
    inside = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in inside:
        yield from places(value, *path, key)


def changed(body: Any, path: tuple[str | int, ...], value: Any) -> Any:
    if not path:
        return value
    copied = dict(body) if isinstance(body, dict) else list(body)
    copied[path[0]] = changed(body[path[0]], path[1:], value)
    return copied


@pytest.mark.parametrize("path", BODIES)
def test_what_is_wrong_at_any_place_is_a_4xx(served: Served, path: str) -> None:
    whole = BODIES[path]
    with served.http() as http:
        for place in places(whole):
            for wrong in (
                "\ud800",
                "a\ud800b",
                float("nan"),
                float("inf"),
                -1e308,
                [[]],
                {"\udfff": 1},
                10**400,
                "\0",
            ):
                sent = json.dumps(changed(whole, place, wrong)).encode()
                answer = http.post(path, content=sent, headers=JSON)
                hopeless = (
                    wrong != wrong or wrong == float("inf") or (isinstance(wrong, str) and "\ud800" in wrong)
                )
                told = (path, place, wrong, answer.status_code, answer.text[:300])
                assert answer.status_code < 500, told
                assert answer.status_code >= 400 or not hopeless, told
                if answer.status_code >= 400:
                    assert answer.json()["error"]["message"], told


@pytest.mark.parametrize("call", ["recommend", "analyze", "write"])
def test_a_batch_of_them_tells_each(served: Served, call: str) -> None:
    whole = {**BODIES[f"/v1/{call}"], "call": call}
    entries = [changed(whole, place, "a\ud800b") for place in places(whole)]
    with served.http() as http:
        answer = http.post("/v1/batch", content=json.dumps({"requests": entries}).encode(), headers=JSON)
    assert answer.status_code == 200
    assert all(each["error"]["message"] for each in answer.json()["answers"])


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/hub.json",
        "acme/spring/../../globex/launch/behavior",
        "acme//spring/behavior",
        "/acme/spring/behavior",
        "acme/spring/behavior/",
        "acme/spring/behavior%00",
        "acme/spring/behavior@1/../2",
        "acme\\spring\\behavior",
        "%ED%A0%80/a/b",
        "acme/spring/.records",
        "acme/spring/behavior@production%0d%0ax-evil:1",
        "file:///etc/passwd",
        "hf:%2f%2fowner/repo",
        "%ff%fe",
    ],
)
def test_path_tricks_in_a_name_lead_nowhere(served: Served, name: str) -> None:
    head = b"GET %s HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    for prefix in ("/v1/models/", "/page/adapters/", "/page/try/", "/page/static/"):
        with connected(served) as connection:
            connection.sendall(head % f"{prefix}{name}".encode("latin-1"))
            answer = connection.makefile("rb").read()
        status, headers = answer.split(b"\r\n", 1)
        assert status.split()[1] in (b"400", b"404", b"405"), (prefix, status)
        assert b"x-evil" not in headers.split(b"\r\n\r\n")[0].lower() and b"root:" not in answer


@pytest.mark.parametrize("chunked", [False, True])
def test_a_hundred_megabytes_are_not_taken(served: Served, chunked: bool) -> None:
    head = b"POST /v1/classify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    size = 100 * 2**20
    said = b"transfer-encoding: chunked\r\n\r\n" if chunked else b"content-length: %d\r\n\r\n" % size
    piece = b" " * 2**16
    sent = 0
    with connected(served) as connection:
        connection.sendall(head + said)
        with suppress(OSError):  # the server hangs up
            while sent < size:
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
                sent += len(piece)
        with suppress(ConnectionResetError):
            assert connection.makefile("rb").readline().split()[1] == b"413"
    assert sent < size


def test_a_million_stop_strings_are_too_many(served: Served) -> None:
    body = b'{"model": "%s", "prompt": "mug", "stop": [%s]}' % (
        COPY.encode(),
        b",".join([b'"a"'] * 1_000_000),
    )
    with served.http() as http:
        for sent, status in ((body, 400), (body + b" " * 2**20, 413)):
            answer = http.post("/v1/completions", content=sent, headers=JSON)
            assert answer.status_code == status and len(answer.content) < 1000
