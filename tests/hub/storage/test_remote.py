"""A hub in an object store: created under a condition, and the store's answers not believed."""

import hashlib
import io
import random
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.httpsession import AIOHTTPSession
from botocore.exceptions import ReadTimeoutError
from fsspec.config import conf as fsspec_config
from s3fs import S3FileSystem

from hub import Registry
from hub.errors import Damaged, HubError, NoHub, Unreachable
from hub.hub import Hub
from hub.storage.layout import blob
from hub.storage.remote import Remote, open_remote
from recipes import Recipe, train
from tests.adapters import models
from tests.hub import gcs
from tests.hub.s3 import App, Fault, Server, hang_up, is_put, swallow, told
from tests.hub.tiny import NAME, lora

RECORD = f"adapters/{NAME}/.records/000001.json"
LARGE = bytes(range(256)) * 1024
OTHER = bytes(reversed(range(256))) * 1024


def storage_in(bucket: str) -> Remote:
    """A storage beside others in a bucket."""
    return open_remote(f"{bucket}/hub")


def test_a_remote_hub_publishes_resolves_lists_and_reads(bucket: str) -> None:
    hub = Hub(f"{bucket}/team/hub")
    version = hub.publish(lora(1), NAME, tags=["spring"])
    assert (version.reference, version.folder) == (f"{NAME}@1", None)
    hub.publish(lora(2), NAME)
    hub.set_alias(NAME, "production", 1, why="tried")
    again = Hub(f"{bucket}/team/hub", create=False)
    assert again.id == hub.id
    assert [one.number for one in again.versions(NAME)] == [1, 2]
    assert [one.reference for one in again.list(client="acme")] == [f"{NAME}@2"]
    assert again.aliases(NAME) == {"production": 1, "latest": 2}
    read = again.read(f"{NAME}@production")
    assert all((read.tensors[name] == tensor).all() for name, tensor in lora(1).tensors.items())
    assert again.publish(lora(3), NAME, publish_id="job").number == 3
    assert again.publish(lora(3), NAME, publish_id="job").number == 3


def test_nothing_but_the_hub_and_the_probe_lies_in_the_store(bucket: str) -> None:
    hub = Hub(f"{bucket}/hub")
    version = hub.publish(lora(), NAME)
    blobs = {blob(file.sha256) for file in version.record.files}
    assert set(hub.storage.walk("")) == {"hub.json", ".tmp/created-once", RECORD} | blobs


def test_a_registry_answers_from_a_remote_hub_and_refuses_what_is_damaged_there(
    bucket: str, s3: Server, tmp_path: Path
) -> None:
    rows = "".join(f"{mood} {number},{mood}\n" for number in range(30) for mood in ("glad", "mad"))
    (tmp_path / "moods.csv").write_text("text,label\n" + rows)
    base = models.base("llama")
    changes = {"train.epochs": 4, "train.learning_rate": 0.01, "train.batch_size": 8}
    recipe = Recipe.load("behavior", **changes)
    hub = Hub(f"{bucket}/hub")
    version = hub.publish(train(recipe, tmp_path / "moods.csv", base), "acme/spring/behavior")
    with closing(Registry(f"{bucket}/hub", base)) as registry:
        [found] = registry.analyze("acme/spring/behavior", ["glad 900"])
        assert found.label == "glad"
    weights = blob(version.record.file("adapter_model.safetensors").sha256)
    data = bytearray(hub.storage.read(weights))
    data[-1] ^= 1
    s3.client().pipe_file(f"{bucket}/hub/{weights}", bytes(data))
    with closing(Registry(f"{bucket}/hub", base)) as registry, pytest.raises(Damaged, match="other bytes"):
        registry.analyze("acme/spring/behavior", ["glad 900"])


def test_a_storage_creates_reads_lists_moves_and_removes(bucket: str) -> None:
    it = storage_in(bucket)
    assert it.create({"a/one": b"1", "a/b/two": LARGE}, then={"a/three": b"3"}) == {
        "a/one",
        "a/b/two",
        "a/three",
    }
    assert it.create({"a/one": b"other", "a/b/two": OTHER, "a/four": b"4"}) == {"a/four"}
    assert (it.read("a/one"), it.read("a/b/two")) == (b"1", LARGE)
    assert (it.exists("a/one"), it.exists("a"), it.exists("a/none")) == (True, True, False)
    assert (sorted(it.files("a")), it.folders("a")) == (["four", "one", "three"], ["b"])
    assert (it.files("none"), it.folders("none"), list(it.walk("none"))) == ([], [], [])
    assert (it.files("a/one"), it.folders("a/one")) == ([], [])
    assert sorted(it.walk("a")) == ["a/b/two", "a/four", "a/one", "a/three"]
    assert it.marks("a/b") == {"a/b/two": (len(LARGE), hashlib.md5(LARGE).hexdigest())}
    it.move("a/one", "c/one")
    assert (it.exists("a/one"), it.read("c/one")) == (False, b"1")
    it.replace("c/one", b"mended")
    assert it.read("c/one") == b"mended"
    it.remove("c/one")
    it.remove("c/one")
    with pytest.raises(FileNotFoundError):
        it.read("c/one")


def test_large_files_are_not_sent_where_they_are_already_and_nothing_is_read_back(
    bucket: str, s3: Server
) -> None:
    it = storage_in(bucket)
    it.create({"large": LARGE})
    assert not any(method == "GET" and path.endswith("/large") for method, path in s3.asked), (
        "its MD5 was compared"
    )
    s3.forget()
    assert it.create({"large": LARGE}) == set()
    assert s3.sent == 0


def test_what_a_store_encrypts_is_read_back(bucket: str, s3: Server) -> None:
    """With KMS an ETag looks like an MD5 and is none."""

    def encrypted(environ: dict[str, Any], start_response: Any, app: App) -> Iterable[bytes] | None:
        def start(status: str, headers: list[tuple[str, str]]) -> Any:
            return start_response(
                status, [(k, '"%s"' % ("ab" * 16) if k.lower() == "etag" else v) for k, v in headers]
            )

        return app(environ, start)

    with s3.faulty(encrypted):
        assert storage_in(bucket).create({"large": LARGE}) == {"large"}
    assert s3.answered > len(LARGE)


def test_publishers_at_once_share_the_numbers(bucket: str) -> None:
    Hub(f"{bucket}/hub")

    def publish(worker: int) -> None:
        hub = Hub(f"{bucket}/hub")
        for index in range(2):
            hub.publish(lora(worker), NAME, publish_id=f"{worker}-{index}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(publish, range(4)))
    versions = Hub(f"{bucket}/hub").versions(NAME)
    assert [version.number for version in versions] == list(range(1, 9))
    ids = [version.record.publish_id for version in versions]
    assert sorted(ids) == sorted(f"{worker}-{index}" for worker in range(4) for index in range(2))


def test_of_many_writers_of_one_path_exactly_one_wins(bucket: str) -> None:
    it = storage_in(bucket)
    it.create({"before": b""})
    start = threading.Barrier(6)

    def write(worker: int) -> bool:
        start.wait()
        return it.create({"path": b"by %d" % worker}) == {"path"}

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(write, range(6)))
    assert won.count(True) == 1
    assert it.read("path") == b"by %d" % won.index(True)


# ---- a store that ignores the condition


def test_a_store_that_ignores_the_condition_is_refused_before_anything_is_written(
    bucket: str, s3: Server
) -> None:
    def ignorant(environ: dict[str, Any], start_response: Any, app: App) -> None:
        environ.pop("HTTP_IF_NONE_MATCH", None)

    with s3.faulty(ignorant):
        with pytest.raises(HubError, match="ignores If-None-Match") as caught:
            Hub(f"{bucket}/hub")
        assert not isinstance(caught.value, Unreachable)
        assert list(storage_in(bucket).walk("")) == [".tmp/created-once"]
        with pytest.raises(HubError, match="ignores If-None-Match"):
            storage_in(bucket).create({"a": b"1"})
    assert Hub(f"{bucket}/hub").publish(lora(), NAME).number == 1, "a newer release of the store"


def test_a_store_that_does_not_know_the_condition_says_so(bucket: str, s3: Server) -> None:
    def unknown(environ: dict[str, Any], start_response: Any, app: App) -> Iterable[bytes] | None:
        return told(start_response, "501 Not Implemented", "NotImplemented") if is_put(environ) else None

    with s3.faulty(unknown), pytest.raises(Unreachable, match="NotImplemented"):
        storage_in(bucket).create({"a": b"1"})


def test_reading_needs_no_right_to_write(bucket: str, s3: Server) -> None:
    Hub(f"{bucket}/hub").publish(lora(), NAME)

    def read_only(environ: dict[str, Any], start_response: Any, app: App) -> Iterable[bytes] | None:
        return told(start_response, "403 Forbidden", "AccessDenied") if is_put(environ) else None

    with s3.faulty(read_only):
        hub = Hub(f"{bucket}/hub", create=False)
        assert hub.read(NAME).method == lora().method
        with pytest.raises(Unreachable, match="AccessDenied"):
            hub.publish(lora(), NAME)


# ---- answers that are lost, late, repeated or lies; each met by the writing of one small and one large file


def lost(environ: dict[str, Any], start_response: Any, app: App) -> Iterable[bytes]:
    """Stored, and told as a failure."""
    app(environ, swallow)
    return told(start_response, "500 Internal Server Error", "InternalError")


def broken(environ: dict[str, Any], start_response: Any, app: App) -> Iterable[bytes]:
    """Stored, then the line breaks; the library sends it again and hears that it is there."""
    app(environ, swallow)
    return hang_up(environ, start_response)


def taken(environ: dict[str, Any], start_response: Any, app: App) -> Iterable[bytes]:
    """Stored, and told as if it had been there; by a server that does not say by which condition."""
    app(environ, swallow)
    return told(start_response, "412 Precondition Failed", "PreconditionFailed")


def torn(environ: dict[str, Any], start_response: Any, app: App) -> Iterable[bytes] | None:
    """The first half stored, and told as success; once."""
    if "HTTP_IF_NONE_MATCH" not in environ:
        return None
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    half = body[: len(body) // 2]
    return app(bare(environ, half), start_response)


def empty(environ: dict[str, Any], start_response: Any, app: App) -> Iterable[bytes] | None:
    """Nothing of it stored but the name, and told as success; once."""
    return app(bare(environ, b""), start_response) if "HTTP_IF_NONE_MATCH" in environ else None


def bare(environ: dict[str, Any], body: bytes) -> dict[str, Any]:
    """A request to store this, without the checksums of what was sent."""
    kept = {key: value for key, value in environ.items() if "CHECKSUM" not in key and "SHA256" not in key}
    kept.pop("HTTP_X_AMZ_TRAILER", None)
    kept.pop("HTTP_CONTENT_ENCODING", None)
    return kept | {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("fault", [lost, broken, taken, torn, empty])
def test_a_file_that_is_stored_is_created_whatever_the_answer(
    bucket: str, s3: Server, fault: Fault, data: bytes
) -> None:
    it = storage_in(bucket)
    it.create({"before": b""})
    with s3.faulty(lambda *args: fault(*args) if is_put(args[0], "/path") else None):
        assert it.create({"path": data}) == {"path"}
    assert it.read("path") == data


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("fault", [lost, broken, taken])
def test_a_path_that_another_took_stays_the_other_s(
    bucket: str, s3: Server, fault: Fault, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = storage_in(bucket)
    it.create({"before": b""})
    theirs = b"theirs" * 20_000
    it.create({"path": theirs})
    monkeypatch.setattr(it, "exists", lambda path: False)  # it was not there when we looked
    with s3.faulty(lambda *args: fault(*args) if is_put(args[0], "/path") else None):
        assert it.create({"path": data}) == set()
    assert it.read("path") == theirs


def test_an_answer_that_comes_too_late_is_not_needed(
    bucket: str, s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = s3.client(config_kwargs={"retries": {"max_attempts": 0}})
    it = Remote("s3", client, f"{bucket.removeprefix('s3://')}/hub")
    it.create({"before": b""})
    late = []

    async def send(self: AIOHTTPSession, request: Any, real: Any = AIOHTTPSession.send) -> Any:
        answer = await real(self, request)
        if request.method == "PUT" and request.url.endswith("/path"):
            late.append(answer)
            raise ReadTimeoutError(endpoint_url=request.url)
        return answer

    monkeypatch.setattr(AIOHTTPSession, "send", send)
    assert it.create({"path": b"data"}) == {"path"}
    assert late and it.read("path") == b"data"


def forgotten(environ: dict[str, Any], start_response: Any, app: App) -> Iterable[bytes]:
    """Not stored, and told as success."""
    return told(start_response, "200 OK")


def refused(environ: dict[str, Any], start_response: Any, app: App) -> Iterable[bytes]:
    """Not stored."""
    return told(start_response, "503 Service Unavailable", "ServiceUnavailable")


@pytest.mark.parametrize("fault", [forgotten, refused])
def test_a_file_that_is_not_stored_is_told_and_can_be_written_again(
    bucket: str, s3: Server, fault: Fault
) -> None:
    hub = Hub(f"{bucket}/hub")
    failing = s3.faulty(lambda *args: fault(*args) if is_put(args[0], ".records") else None)
    with failing, pytest.raises(Unreachable, match="do the same again"):
        hub.publish(lora(), NAME, publish_id="job")
    assert hub.names() == ()
    assert hub.publish(lora(), NAME, publish_id="job").number == 1


def test_a_store_that_holds_other_bytes_than_it_was_given_is_told(bucket: str, s3: Server) -> None:
    hub = Hub(f"{bucket}/hub")

    def garble(environ: dict[str, Any], start_response: Any, app: App) -> Iterable[bytes] | None:
        return app(bare(environ, b"\0" * 64), start_response) if is_put(environ, "blobs/") else None

    with s3.faulty(garble), pytest.raises(Damaged, match="do not trust this store"):
        hub.publish(lora(), NAME)
    assert hub.names() == (), "no record before its blobs"
    assert hub.publish(lora(), NAME).number == 1, "the garbage was put right"
    assert hub.read(NAME).method == lora().method


def test_published_through_a_store_that_fails_at_random_nothing_is_lost_or_doubled(
    bucket: str, s3: Server
) -> None:
    hub = Hub(f"{bucket}/hub")
    draw = random.Random(7)
    faults: list[Fault] = [lost, broken, taken, torn, empty, forgotten, refused]
    met: list[Fault] = []

    def at_random(environ: dict[str, Any], start_response: Any, app: App) -> Iterable[bytes] | None:
        if not is_put(environ) or draw.random() > 0.4:
            return None
        met.append(faults[len(met) % len(faults)])
        return met[-1](environ, start_response, app)

    with s3.faulty(at_random):
        for index in range(8):
            for _ in range(50):
                try:
                    hub.publish(lora(index), NAME, publish_id=f"job {index}")
                    break
                except HubError:
                    continue
    assert set(met) == set(faults)
    versions = hub.versions(NAME)
    assert [version.record.publish_id for version in versions] == [f"job {index}" for index in range(8)]
    assert all(hub.read(version).method == lora().method for version in versions)


# ---- reading


def test_a_broken_download_is_fetched_again_or_told(bucket: str, s3: Server) -> None:
    hub = Hub(f"{bucket}/hub")
    hub.publish(lora(), NAME)
    left = [2]

    def breaks(environ: dict[str, Any], start_response: Any, app: App) -> Iterable[bytes] | None:
        if environ["REQUEST_METHOD"] == "GET" and "/blobs/" in environ["PATH_INFO"] and left[0]:
            left[0] -= 1
            return hang_up(environ, start_response)
        return None

    with s3.faulty(breaks):
        assert hub.read(NAME).method == lora().method
        left[0] = 1000
        with pytest.raises(Unreachable):
            hub.read(NAME)


def test_what_does_not_answer_is_told_with_what_to_do(
    bucket: str, s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Unreachable, match=r"bucket does not exist.*AWS_ENDPOINT_URL"):
        Hub("s3://no-such-bucket-anywhere/hub")
    with pytest.raises(NoHub, match="no hub at"):
        Hub(f"{bucket}/hub", create=False)
    closed = s3.faulty(lambda environ, start, app: told(start, "403 Forbidden", "AccessDenied"))
    with closed, pytest.raises(Unreachable, match="AWS_PROFILE"):
        Hub(f"{bucket}/hub")
    monkeypatch.setattr("s3fs.S3FileSystem", S3FileSystem)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(Unreachable, match="credentials"):
        Hub(f"{bucket}/hub")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        Hub(f"{bucket}/hub")


# ---- Google Cloud Storage, of which only a stand-in was to be had


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[gcs.Server]:
    server = gcs.Server()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    monkeypatch.setitem(fsspec_config, "gs", {"token": "anon"})
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.stop()


def test_google_s_store_is_asked_to_create_only_what_is_not_there(google: gcs.Server) -> None:
    hub = Hub("gs://box/hub")
    assert google.conditions == ["0"] * 3, "the probe twice, and hub.json"
    assert [hub.publish(lora(seed), NAME).number for seed in (1, 2)] == [1, 2]
    hub.set_alias(NAME, "production", 1)
    again = Hub("gs://box/hub", create=False)
    assert again.aliases(NAME) == {"production": 1, "latest": 2}
    assert again.read(f"{NAME}@2").method == lora().method
    pins = len(google.conditions) - google.conditions.count("0")
    assert pins == 2, "all but the pin of each publication, whose name nobody else has"


def test_a_storage_at_google_creates_reads_lists_moves_and_removes(google: gcs.Server) -> None:
    it = open_remote("gs://box/hub")
    assert it.create({"a/one": b"1", "a/b/two": LARGE}) == {"a/one", "a/b/two"}
    assert it.create({"a/one": b"other"}) == set()
    assert (it.files("a"), it.folders("a"), it.exists("a"), it.exists("b")) == (["one"], ["b"], True, False)
    assert it.marks("a/b") == {"a/b/two": (len(LARGE), hashlib.md5(LARGE).hexdigest())}
    it.move("a/one", "c/one")
    assert (it.read("c/one"), it.exists("a/one")) == (b"1", False)
    it.remove("c/one")
    it.remove("c/one")
    assert set(it.walk("")) == {".tmp/created-once", "a/b/two"}


def test_a_store_like_google_s_that_ignores_the_condition_is_refused(google: gcs.Server) -> None:
    google.heeds = False
    with pytest.raises(HubError, match="ignores ifGenerationMatch"):
        Hub("gs://box/hub")
