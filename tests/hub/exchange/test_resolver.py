"""A hub inside vLLM: its two classes stood in for, and its own code where it is installed."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from adapters import Head
from adapters.format import files
from adapters.starter import world
from hub.errors import Unreachable
from hub.exchange import HubResolver, Versioned, resolver, versioned
from hub.hub import Hub
from hub.storage.layout import blob
from tests.clock import Clock
from tests.hub.tiny import NAME, lora
from tests.hub.writers import writer

COPY = "globex/launch/ad-copy"
STARTER = str(Path(world.__file__).with_name("weights"))


@dataclass(frozen=True)
class LoRARequest:
    """As vLLM's."""

    lora_name: str
    lora_int_id: int
    lora_path: str


class Registered:
    """As vLLM's LoRAResolverRegistry."""

    def __init__(self) -> None:
        self.resolvers: dict[str, Any] = {}

    def register_resolver(self, name: str, made: Any) -> None:
        self.resolvers[name] = made


@pytest.fixture
def registered(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registered]:
    """vLLM's two classes, and an environment that names the hub."""
    registry = Registered()
    for name, held in {
        "vllm": {}, "vllm.lora": {}, "vllm.lora.request": {"LoRARequest": LoRARequest},
        "vllm.lora.resolver": {"LoRAResolverRegistry": registry},
    }.items():  # fmt: skip
        module = ModuleType(name)
        vars(module).update(held)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("REPERTOIRE_HUB", hub.address)
    resolver.opened.cache_clear()
    yield registry
    resolver.opened.cache_clear()


@pytest.fixture
def resolved(registered: Registered) -> Callable[..., Any]:
    """What vLLM is given for a name."""
    made = HubResolver()
    return lambda name, served="owner/tiny": asyncio.run(made.resolve_lora(served, name))


def test_vllm_is_given_a_resolver_only_where_a_hub_is_named(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver.register()
    assert isinstance(registered.resolvers["Repertoire"], HubResolver)
    registered.resolvers.clear()
    monkeypatch.delenv("REPERTOIRE_HUB")
    resolver.register()
    assert registered.resolvers == {}


def test_a_version_is_handed_over_as_it_was_published(resolved: Callable[..., Any], hub: Hub) -> None:
    one, two = hub.publish(writer(), COPY), hub.publish(writer(), COPY, message="again")
    found = resolved(one.reference)
    assert found.lora_name == one.reference and found.lora_int_id > 0
    assert one.folder is not None
    assert (Path(found.lora_path) / files.WEIGHTS).read_bytes() == (one.folder / files.WEIGHTS).read_bytes()
    assert resolved(one.reference) == found
    assert resolved(two.reference).lora_path != found.lora_path


def test_a_hub_in_a_bucket_is_read_as_one_in_a_folder(
    resolved: Callable[..., Any], bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPERTOIRE_HUB", f"{bucket}/hub")
    version = Hub(f"{bucket}/hub").publish(writer(), COPY)
    held = Path(resolved(version.reference).lora_path) / files.WEIGHTS
    assert sha256(held.read_bytes()).hexdigest() == version.record.file(files.WEIGHTS).sha256


def test_a_copy_that_was_changed_and_a_blob_that_was_are_not_handed_over(
    resolved: Callable[..., Any], hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = hub.publish(writer(), COPY), hub.publish(writer(base="owner/other"), NAME)
    copied = Path(resolved(one.reference).lora_path) / files.WEIGHTS
    copied.write_bytes(copied.read_bytes()[:-1] + b"x")
    assert resolved(one.reference) is None
    assert f"{one.reference} is not served: " in caplog.text and "holds other files" in caplog.text
    stored = Path(hub.address) / blob(two.record.file(files.WEIGHTS).sha256)
    os.chmod(stored, 0o600)
    stored.write_bytes(b"x" * stored.stat().st_size)
    caplog.clear()
    assert resolved(two.reference, "owner/other") is None
    assert f"{two.reference} is not served: " in caplog.text


def test_what_is_not_for_this_vllm_is_told(
    resolved: Callable[..., Any], hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    hub.publish(writer(), COPY)
    hub.publish(replace(lora(), head=Head(("0", "1"), "mean")), NAME)
    for name, served, why in (
        (COPY, "owner/tiny", "an alias may move; `--middleware hub.exchange.Versioned` follows it"),
        (f"{COPY}@latest", "owner/tiny", "an alias may move"),
        (f"{COPY}@1", "owner/other", "it was made for owner/tiny, and this is owner/other"),
        (f"{NAME}@1", STARTER, "its head (modules_to_save) is not one"),
    ):
        caplog.clear()
        assert resolved(name, served) is None
        assert why in caplog.text
    caplog.clear()
    for name in (f"{COPY}@2", "acme/spring/nothing@1", "owner/tiny", "../../etc@1", ""):
        assert resolved(name) is None
    assert "not served" not in caplog.text


def test_a_base_is_known_by_the_folder_where_it_lies(
    resolved: Callable[..., Any], hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "bases.yaml").write_text(f"local/tiny: {tmp_path / 'here'}\n")
    monkeypatch.setenv("REPERTOIRE_BASES", str(tmp_path / "bases.yaml"))
    for base, folder in (("starter", STARTER), ("local/tiny", str(tmp_path / "here"))):
        version = hub.publish(writer(base), f"{COPY}-{base.split('/')[-1]}")
        found = json.loads((Path(resolved(version.reference, folder).lora_path) / files.CONFIG).read_text())
        assert found["base_model_name_or_path"] == folder
        assert resolved(version.reference, str(tmp_path)) is None


def asked(around: Versioned, seen: list[Any], body: bytes, kind: bytes = b"application/json") -> Any:
    """What the server inside read of a request whose body comes in two pieces."""
    parts = iter([(body[:3], True), (body[3:], False)])

    async def receive() -> dict[str, Any]:
        piece, more = next(parts)
        return {"type": "http.request", "body": piece, "more_body": more}

    async def send(_: Mapping[str, Any]) -> None:
        pass

    seen.clear()
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    asyncio.run(around({"type": "http", "headers": headers}, receive, send))
    return seen[0]


@pytest.fixture
def around(registered: Registered) -> tuple[Versioned, list[Any]]:
    """The middleware, around a server that notes what it reads."""
    seen: list[Any] = []

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        length = dict(scope["headers"]).get(b"content-length")
        assert length is None or int(length) == len(body)
        seen.append(body)

    return Versioned(inside), seen


def test_an_alias_goes_on_as_the_version_that_it_means_now(
    around: tuple[Versioned, list[Any]], hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(versioned, "monotonic", clock)
    for n in range(2):
        hub.publish(writer(), COPY, message=str(n))
    hub.set_alias(COPY, "production", 1)

    def meant(name: str) -> str:
        told = json.loads(asked(*around, json.dumps({"model": name, "prompt": "é\ud800", "n": 1}).encode()))
        assert told == {"model": told["model"], "prompt": "é\ud800", "n": 1}
        return str(told["model"])

    assert [meant(f"{COPY}{end}") for end in ("", "@production", "@1")] == [
        f"{COPY}@2", f"{COPY}@1", f"{COPY}@1",
    ]  # fmt: skip
    hub.set_alias(COPY, "production", 2)
    clock.move(1.1)
    assert meant(f"{COPY}@production") == f"{COPY}@2"
    hub.rollback(COPY)
    clock.move(1.1)
    assert meant(f"{COPY}@production") == f"{COPY}@1"

    for why in (Unreachable("gone"), OSError("gone")):

        def away(*_: Any, why: Exception = why) -> Any:
            raise why

        monkeypatch.setattr(Hub, "resolve", away)
        clock.move(1.1)
        assert meant(f"{COPY}@production") == f"{COPY}@1"
        assert meant("acme/spring/never-asked") == "acme/spring/never-asked"


def test_a_hub_that_is_not_named_or_not_there_changes_no_request(
    around: tuple[Versioned, list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b'{"model": "' + COPY.encode() + b'"}'
    monkeypatch.delenv("REPERTOIRE_HUB")
    assert asked(*around, body) == body
    monkeypatch.setenv("REPERTOIRE_HUB", str(tmp_path / "nowhere"))
    assert asked(*around, body) == body


@pytest.mark.parametrize(
    "body",
    [b'{"model": "owner/tiny"}', b'{"model": 3}', b"[1]", b"{", b'"x"', b"\xff\xff\xff\xff", b"[" * 99999],
)
def test_what_names_nothing_of_the_hub_goes_on_as_it_came(
    body: bytes, around: tuple[Versioned, list[Any]], hub: Hub
) -> None:
    assert asked(*around, body) == body
    hub.publish(writer(), COPY)
    form = b'{"model": "' + COPY.encode() + b'"}'
    assert asked(*around, form, b"multipart/form-data; boundary=x") == form


def test_a_request_whose_caller_leaves_ends(around: tuple[Versioned, list[Any]]) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.disconnect"

    scope = {"type": "http", "headers": [(b"content-type", b"application/json")]}
    asyncio.run(Versioned(inside)(scope, receive, None))  # type: ignore[arg-type]
