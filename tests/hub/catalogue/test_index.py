"""Searches show every version and every alias that was acknowledged, whoever wrote it, however the index file fares."""

import logging
import multiprocessing
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.catalogue import tables
from hub.catalogue.records import Record
from hub.errors import Damaged, Unreachable
from hub.hub import Hub
from hub.storage import local
from hub.storage.layout import INDEX, log, numbered
from hub.storage.local import Local
from tests.hub.mortal import Killed, Mortal
from tests.hub.tiny import NAME, lora, prefix

OTHER = "globex/launch/ad-copy"
SAID = "Launch of the quiet kettle"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A hub of three versions under two names."""
    hub = Hub(tmp_path / "hub")
    hub.publish(lora(0), NAME)
    hub.publish(lora(1), NAME, message="second")
    hub.publish(prefix(), OTHER, message=SAID)
    hub.set_alias(NAME, "production", 1)
    return tmp_path / "hub"


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stamps are trusted at once, as they are when the last change is some seconds old."""
    monkeypatch.setattr(local, "_SETTLED", float("-inf"))


@pytest.fixture
def doubting(monkeypatch: pytest.MonkeyPatch) -> None:
    """No stamp is trusted, as if the last change was just now."""
    monkeypatch.setattr(local, "_SETTLED", float("inf"))


def seen(hub: Hub | Path) -> list[tuple[str, tuple[str, ...]]]:
    """Reference and aliases of every version, as a search shows them; a path is opened as a new process would."""
    opened = hub if isinstance(hub, Hub) else Hub(hub, create=False)
    return [(found.reference, found.aliases) for found in opened.search(all_versions=True)]


def there(path: Path) -> list[tuple[str, tuple[str, ...]]]:
    """The same, from the hub's files alone."""
    hub = Hub(path, create=False)
    versions = [version for name in hub.names() for version in hub.versions(name)]
    return [
        (
            version.reference,
            tuple(alias for alias, number in hub.aliases(version.name).items() if number == version.number),
        )
        for version in versions
    ]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is read or listed of a storage on a disk from now on."""
    calls: list[str] = []
    for method in ("read", "files", "folders", "taken"):
        real = getattr(Local, method)

        def spy(self: Local, path: str, *more: Any, real: Any = real) -> Any:
            calls.append(path)
            return real(self, path, *more)

        monkeypatch.setattr(Local, method, spy)
    return calls


def test_a_search_shows_what_the_files_say(path: Path) -> None:
    assert (
        seen(path)
        == there(path)
        == [(f"{NAME}@1", ("production",)), (f"{NAME}@2", ("latest",)), (f"{OTHER}@1", ("latest",))]
    )
    assert sqlite3.connect(path / INDEX).execute("SELECT count(*) FROM version").fetchone() == (3,)


@pytest.mark.usefixtures("trusting")
def test_where_nothing_changed_only_the_index_is_read(path: Path, asked: list[str]) -> None:
    before = seen(path)
    asked.clear()
    assert seen(path) == before
    assert asked == ["hub.json", INDEX]


@pytest.mark.usefixtures("trusting")
def test_only_what_changed_is_read_again(path: Path, asked: list[str]) -> None:
    seen(path)
    Hub(path).publish(lora(2), NAME)
    asked.clear()
    assert [reference for reference, _ in seen(path)] == [f"{NAME}@1", f"{NAME}@2", f"{NAME}@3", f"{OTHER}@1"]
    assert numbered(log(NAME), 3) in asked and numbered(log(NAME), 1) not in asked
    assert not any("globex/" in path for path in asked)


@pytest.mark.usefixtures("trusting")
def test_a_hub_that_stays_open_sees_what_others_do(path: Path) -> None:
    reader, writer = Hub(path), Hub(path)
    for step in (
        lambda: writer.publish(lora(3), NAME),
        lambda: writer.publish(lora(4), "acme/autumn/recommendation"),
        lambda: writer.set_alias(NAME, "production", 3),
        lambda: writer.set_alias(OTHER, "staging", 1),
        lambda: writer.set_alias(OTHER, "staging", 1),
    ):
        before = seen(reader)
        step()
        assert seen(reader) == seen(path) == there(path)
    assert seen(reader) == before, "an event that changes nothing"


@pytest.mark.usefixtures("trusting")
def test_a_removed_version_is_not_found_and_is_no_longer_the_newest(path: Path) -> None:
    reader = Hub(path)
    assert [found.reference for found in reader.list("acme")] == [f"{NAME}@2"]
    Hub(path).remove(f"{NAME}@2", why="clicks of bots")
    assert [found.reference for found in reader.list("acme")] == [f"{NAME}@1"]
    assert [found.reference for found in reader.search(client="acme", all_versions=True)] == [f"{NAME}@1"]
    everything = reader.search(client="acme", all_versions=True, removed=True)
    assert [(found.number, found.removed) for found in everything] == [(1, False), (2, True)]


def age(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let a reader's clock be ahead."""
    monkeypatch.setattr(local.time, "time", lambda real=time.time: real() + seconds)


def test_killed_at_every_call_a_search_shows_what_is_there(tmp_path: Path, path: Path) -> None:
    fields = Hub(path).resolve(NAME).record.model_dump() | {"name": "acme/autumn/behavior", "version": 1}
    record = Record.model_validate(fields).to_bytes()
    outcomes = set()
    for at in range(1, 300):
        copy = tmp_path / "copy"
        shutil.copytree(path, copy)
        with pytest.MonkeyPatch.context() as monkeypatch:
            age(monkeypatch, 60)
            seen(copy)
        with pytest.MonkeyPatch.context() as monkeypatch:
            mortal = Mortal(monkeypatch, at)
            try:
                Hub(copy).store.append(log("acme/autumn/behavior"), lambda number: record)
                Hub(copy).set_alias(NAME, "production", 2)
                died = False
            except Killed:
                died = True
        with pytest.MonkeyPatch.context() as monkeypatch:
            age(monkeypatch, 60)
            assert seen(copy) == there(copy), f"killed at call {at}"
        outcomes.add(tuple(there(copy)))
        shutil.rmtree(copy)
        if not died:
            break
    assert not died and mortal.calls > 20
    assert len(outcomes) == 3, "before, between and after"


@pytest.mark.usefixtures("doubting")
def test_killed_just_after_its_record_beside_a_reader(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(partial: Path, target: Path, real: Callable[..., None] = os.link) -> None:
        if ".records" in str(target):
            seen(path)  # this reader comes when folders were touched, and nothing is there yet
            real(partial, target)
            raise Killed
        real(partial, target)

    with pytest.MonkeyPatch.context() as killing:
        killing.setattr(os, "link", link)
        with pytest.raises(Killed):
            Hub(path).publish(lora(9), NAME)
    monkeypatch.undo()
    age(monkeypatch, 60)
    assert seen(path) == there(path)
    assert seen(path)[2] == (f"{NAME}@3", ("latest",))


@pytest.mark.usefixtures("trusting")
def test_publishing_again_acknowledges_what_a_killed_publisher_left(path: Path) -> None:
    seen(path)
    left = Hub(path).resolve(NAME).record.model_dump() | {"version": 3, "parent": 2, "publish_id": "job"}
    (path / numbered(log(NAME), 3)).write_bytes(Record.model_validate(left).to_bytes())
    assert Hub(path).publish(lora(1), NAME, publish_id="job").number == 3
    assert seen(path)[2] == (f"{NAME}@3", ("latest",))


@pytest.mark.parametrize("ahead", [-86400.0, 0.0, 86400.0])
@pytest.mark.parametrize("tick", [1, 20_000_000])
def test_no_clock_is_needed(path: Path, monkeypatch: pytest.MonkeyPatch, ahead: float, tick: int) -> None:
    """The reader's clock is wrong by a day; the file system's stands still for 20 ms at a time."""

    class Coarse:
        def __init__(self, real: os.stat_result) -> None:
            self.real = real
            self.st_ctime_ns = real.st_ctime_ns // tick * tick

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

    monkeypatch.setattr(os, "stat", lambda *given, real=os.stat, **options: Coarse(real(*given, **options)))
    age(monkeypatch, ahead)
    reader, writer = Hub(path), Hub(path)
    for seed in range(8):
        writer.publish(lora(seed), NAME)
        assert seen(reader)[seed + 2][0] == f"{NAME}@{seed + 3}"
        writer.set_alias(NAME, "production", seed + 3)
        assert seen(reader)[seed + 2] == (f"{NAME}@{seed + 3}", ("production", "latest"))


def broken_files(path: Path) -> Iterator[tuple[str, bytes | None]]:
    sound = (path / INDEX).read_bytes()
    yield "missing", None
    yield "empty", b""
    yield "text", b"not a database" * 100
    for length in (100, 4096, len(sound) // 2, len(sound) - 1):
        yield f"cut to {length}", sound[:length]
    for at in (0, 30, 60, 100, 5000, len(sound) // 2, len(sound) - 1):
        yield f"bit flipped at {at}", sound[:at] + bytes([sound[at] ^ 4]) + sound[at + 1 :]
    yield "longer", sound + b"\0"
    other = Hub(path.parent / "other")
    other.publish(lora(), "other/hub/behavior")
    seen(other)
    yield "of another hub", (path.parent / "other" / INDEX).read_bytes()
    for name, change in (
        ("of another format", "UPDATE about SET format = 99"),
        ("without a table", "DROP TABLE folder"),
        ("without a column", "ALTER TABLE name DROP COLUMN mark"),
    ):
        db = sqlite3.connect(":memory:")
        db.deserialize(sound)
        db.execute(change)
        db.commit()
        yield name, bytes(tables.image_of(db))


@pytest.mark.usefixtures("doubting")
def test_an_index_that_is_broken_is_made_again(path: Path) -> None:
    right = seen(path)
    for broken, data in list(broken_files(path)):
        (path / INDEX).unlink(missing_ok=True)
        if data is not None:
            (path / INDEX).write_bytes(data)
        assert seen(path) == right, broken
        assert Hub(path).index._open() is not None, f"{broken}: not written again"
        assert data is None or (path / INDEX).read_bytes() != data


@pytest.mark.usefixtures("trusting")
def test_an_older_copy_of_the_index_catches_up(path: Path) -> None:
    seen(path)
    older = (path / INDEX).read_bytes()
    Hub(path).publish(lora(5), NAME)
    Hub(path).set_alias(NAME, "production", 3)
    Hub(path).index.rebuild()
    newer = (path / INDEX).read_bytes()
    assert newer != older
    for index in (older, newer):
        (path / INDEX).unlink()
        (path / INDEX).write_bytes(index)
        assert seen(path) == there(path)


@pytest.mark.usefixtures("trusting")
def test_a_hub_that_was_restored_from_before_shows_what_it_holds_now(tmp_path: Path, path: Path) -> None:
    shutil.copytree(path, tmp_path / "backup")
    Hub(path).publish(lora(5), NAME, message="lost")
    Hub(path).index.rebuild()
    index = (path / INDEX).read_bytes()
    shutil.rmtree(path)
    shutil.copytree(tmp_path / "backup", path)
    (path / INDEX).unlink(missing_ok=True)
    (path / INDEX).write_bytes(index)
    Hub(path).publish(lora(6), NAME, message="instead")
    assert [found.message for found in Hub(path).search(name=NAME, all_versions=True)] == [
        "",
        "second",
        "instead",
    ]


@pytest.mark.usefixtures("trusting")
def test_what_was_erased_is_gone_from_the_file_too(path: Path) -> None:
    told = [OTHER.encode(), SAID.encode(), SAID.casefold().encode()]
    seen(path)
    assert all(text in (path / INDEX).read_bytes() for text in told)
    storage = Local(path)
    storage.remove(f"adapters/{OTHER}/.records/000001.json")
    storage.remove(f"adapters/{OTHER}/.records/000002.json")
    assert [reference for reference, _ in seen(path)] == [f"{NAME}@1", f"{NAME}@2"]
    assert not any(text in (path / INDEX).read_bytes() for text in told)


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("call", [lambda hub: hub.search(), lambda hub: hub.index.rebuild()])
def test_a_client_that_is_purged_while_the_index_is_written_is_not_in_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[[Hub], object]
) -> None:
    hub, seldom = Hub(path), iter([True])

    def replace(self: Local, path: str, data: Any, real: Any = Local.replace) -> None:
        if path == INDEX and next(seldom, False):
            Hub(self.root).purge("globex")
        real(self, path, data)

    monkeypatch.setattr(Local, "replace", replace)
    call(hub)
    assert [found.name for found in hub.search()] == [NAME]
    assert OTHER.encode() not in (path / INDEX).read_bytes()


def test_a_hub_that_may_not_be_written_is_searched_in_silence(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: Local, path: str, data: bytes) -> None:
        raise OSError(30, "Read-only file system", path)

    monkeypatch.setattr(Local, "replace", refuse)
    with caplog.at_level(logging.INFO):
        assert seen(path) == there(path)
    assert not (path / INDEX).exists() and not caplog.records
    with pytest.raises(OSError, match="Read-only"):
        Hub(path).index.rebuild()


def test_publishing_neither_reads_nor_writes_the_index(path: Path, asked: list[str]) -> None:
    (path / INDEX).write_bytes(b"broken")
    Hub(path).publish(lora(7), NAME)
    Hub(path).set_alias(NAME, "production", 3)
    assert INDEX not in asked and (path / INDEX).read_bytes() == b"broken"


def test_a_record_that_cannot_be_read_is_left_out_until_it_can(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(monkeypatch, 60)
    file = path / numbered(log(NAME), 2)
    sound = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(sound[:-20])
    for _ in range(2):
        assert [reference for reference, _ in seen(path)] == [f"{NAME}@1", f"{OTHER}@1"]
        assert caplog.messages[-1].startswith(f"{NAME}@2 is left out of searches: the record of {NAME}@2")
    assert [found.reference for found in Hub(path).list("acme")] == [], "an older version is not the newest"
    with pytest.raises(Damaged):
        Hub(path).resolve(NAME)
    file.write_bytes(sound)
    assert seen(path) == there(path)


def test_a_search_makes_nothing_where_there_is_nothing(path: Path, tmp_path: Path) -> None:
    hub = Hub(path)
    shutil.rmtree(path)
    with pytest.raises(Unreachable, match=r"hub\.json"):
        seen(hub)
    assert not path.exists()
    assert seen(Hub(tmp_path / "empty")) == []
    assert not (tmp_path / "empty" / INDEX).exists()


class Far(Local):
    """A storage where every look is a request."""

    is_local = False

    def stamp(self, folder: str) -> str:
        return ""


def test_a_storage_without_stamps_is_listed_once_and_only_what_is_new_is_read(
    path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    monkeypatch.setattr("hub.hub.open_storage", Far)
    right = there(path)
    assert seen(path) == right
    asked.clear()
    assert seen(path) == right
    assert asked == ["hub.json", INDEX]
    Hub(path).publish(lora(3), NAME)
    Hub(path).set_alias(OTHER, "staging", 1)
    asked.clear()
    assert seen(path) == there(path) != right
    assert numbered(log(NAME), 3) in asked[:3]
    shutil.rmtree(path / "adapters" / "acme")
    assert seen(path) == [(f"{OTHER}@1", ("staging", "latest"))]


def test_a_request_that_fails_is_told_and_nothing_is_missed_afterwards(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.hub.open_storage", Far)
    hub = Hub(path)

    def refuse(self: Local, path: str, *more: Any, real: Any = Local.read) -> Any:
        if path.endswith("000002.json"):
            raise TimeoutError("the store does not answer")
        return real(self, path, *more)

    with monkeypatch.context() as failing:
        failing.setattr(Local, "read", refuse)
        with pytest.raises(TimeoutError):
            seen(hub)
    assert seen(hub) == there(path)


def publish_and_tell(path: str, worker: int, told: int) -> None:
    hub = Hub(path)
    for round_ in range(8):
        name = (NAME, OTHER, f"acme/spring/worker-{worker}")[round_ % 3]
        number = hub.publish(lora(worker), name).number
        os.write(told, f"{name}@{number}\n".encode())


@pytest.mark.usefixtures("trusting")
def test_beside_publishers_no_acknowledged_version_is_missed(tmp_path: Path, path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    told = os.open(tmp_path / "acknowledged", os.O_CREAT | os.O_RDWR | os.O_APPEND)
    workers = [fork.Process(target=publish_and_tell, args=(str(path), worker, told)) for worker in range(3)]
    for worker in workers:
        worker.start()
    reader, looks = Hub(path), 0
    while any(worker.is_alive() for worker in workers) or not looks:
        acknowledged = set((tmp_path / "acknowledged").read_text().split())
        assert acknowledged <= {reference for reference, _ in seen(reader)}
        assert acknowledged <= {reference for reference, _ in seen(path)}
        looks += 1
    for worker in workers:
        worker.join()
    os.close(told)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert seen(reader) == seen(path) == there(path)
    assert len(seen(path)) == 3 + 3 * 8


def test_many_readers_make_a_missing_index_at_once(path: Path) -> None:
    right, results = there(path), []
    shared = Hub(path)
    threads = [
        threading.Thread(target=lambda hub=hub: results.append(seen(hub)))
        for hub in (path, path, shared, shared)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [right] * 4
    assert Hub(path).index._open() is not None
