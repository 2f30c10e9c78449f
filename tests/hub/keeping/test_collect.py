"""Collecting, removing, purging and mending: stopped at any call, or beside any other, nothing that is needed goes."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import time
from typing import Any

import pytest

from adapters.errors import RepertoireError
from hub.errors import NotInHub
from hub.hub import Hub
from hub.keeping import collect
from hub.storage import local, store
from tests.hub import faults
from tests.hub.mortal import CALLS, Killed, Mortal
from tests.hub.tiny import NAME, lora, prefix

CHANGES = ("link", "unlink", "rename", "replace", "mkdir", "rmdir", "chmod")
OTHER = "globex/launch/recommendation"


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut here, so that nothing waits for the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def at_every_call(tmp_path: Path, before: Path, work: Callable[[Path], object]) -> Iterator[Path]:
    """A copy of the hub in which `work` was killed, for each call that changes something; the last was not killed."""
    for at in range(1, 1000):
        path = tmp_path / f"hub-{at}"
        shutil.copytree(before, path, symlinks=True)
        relink(path)
        with pytest.MonkeyPatch.context() as monkeypatch:
            Mortal(monkeypatch, at, CHANGES)
            try:
                work(path)
                died = False
            except Killed:
                died = True
        yield path
        shutil.rmtree(path)
        if not died:
            assert at > 2
            return
    raise AssertionError("the work never came to its end")


def relink(path: Path) -> None:
    """Version folders are hard links again, which a copy has broken."""
    for file in [*path.glob("adapters/*/*/*/v*/*")]:
        for blob in path.glob("blobs/sha256/*/*"):
            if blob.read_bytes() == file.read_bytes():
                file.unlink()
                os.link(blob, file)
                break


def damage(path: Path) -> set[tuple[str, str]]:
    return {(one.kind, one.where) for one in Hub(path).verify().findings if one.level == "damage"}


def names_of(path: Path) -> set[str]:
    """What is in a hub, but for the times and random parts in the trash, and for what nobody reads."""
    files = (file for file in Hub(path).storage.walk("") if not file.startswith(".tmp/"))
    return {f".trash/{file.rsplit('-', 1)[-1]}" if file.startswith(".trash/") else file for file in files}


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """Versions that stand, one that was removed, blobs in the trash, what others share, what nobody needs."""
    path = tmp_path / "before"
    hub = Hub(path)
    for seed in range(4):
        hub.publish(lora(seed), NAME)
    hub.publish(lora(0), OTHER)
    hub.publish(lora(3), OTHER)
    hub.set_alias(NAME, "production", 1)
    hub.remove(f"{NAME}@2")
    hub.collect(3600)
    hub.remove(f"{NAME}@4")
    hub.store.keep({"ab" * 32: b"nobody's"})
    (path / ".tmp" / "half").write_bytes(b"half")
    return path


WORKS: dict[str, Callable[[Path], object]] = {
    "rm": lambda path: Hub(path).remove(f"{NAME}@3", why="bad"),
    "gc": lambda path: Hub(path).collect(0),
    "gc with a grace": lambda path: Hub(path).collect(3600),
    "purge": lambda path: Hub(path).purge("acme"),
}


@pytest.mark.parametrize("work", WORKS)
def test_killed_at_every_call_it_leaves_a_sound_hub_and_can_be_finished(
    tmp_path: Path, before: Path, work: str
) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(before, whole)
    relink(whole)
    WORKS[work](whole)
    expected = names_of(whole)
    for path in at_every_call(tmp_path, before, WORKS[work]):
        assert damage(path) == set()
        hub = Hub(path)
        standing = {version.reference for name in hub.names() for version in hub.versions(name)}
        for reference in standing:
            hub.read(reference)
        acme = {f"{NAME}@1", f"{NAME}@3"}
        gone = {*acme} if work == "purge" else {f"{NAME}@3"} if work == "rm" else set()
        assert acme | {f"{OTHER}@1", f"{OTHER}@2"} >= standing >= (acme | {f"{OTHER}@1", f"{OTHER}@2"}) - gone
        WORKS[work](path)
        assert names_of(path) == expected


def test_a_repair_that_is_killed_at_every_call_makes_nothing_worse_and_can_be_finished(
    tmp_path: Path,
) -> None:
    before = tmp_path / "before"
    hub = Hub(before)
    hub.publish(lora(0), NAME)
    hub.publish(prefix(), "globex/launch/ad-copy")
    folder = before / f"adapters/{NAME}/v000001"
    for file in folder.iterdir():  # sound copies of their own
        data = file.read_bytes()
        file.unlink()
        file.write_bytes(data)
        file.chmod(0o444)
    blob = max(
        before.glob("blobs/sha256/*/*"),
        key=lambda path: path.read_bytes() == (folder / "README.md").read_bytes(),
    )
    blob.chmod(0o644)
    blob.write_bytes(b"damaged")
    (folder / "adapter_model.bin").write_bytes(b"pickle")
    other = before / "adapters/globex/launch/ad-copy/v000001"
    (other / "README.md").unlink()
    (other / "README.md").symlink_to("/etc/hostname")
    known = damage(before)
    assert len(known) == 3
    for at in range(1, 1000):
        path = tmp_path / "hub"
        shutil.copytree(before, path, symlinks=True)
        with pytest.MonkeyPatch.context() as monkeypatch:
            Mortal(monkeypatch, at, CHANGES)
            try:
                Hub(path).repair()
                died = False
            except Killed:
                died = True
        assert {where for _, where in damage(path)} <= {where for _, where in known}
        assert Hub(path).repair().left == []
        assert damage(path) == set()
        for name in Hub(path).names():
            Hub(path).read(name)
        shutil.rmtree(path)
        if not died:
            assert at > 10
            return


class Interrupted:
    """At the n-th call that reads or changes the hub, something else happens first, from its beginning to its end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, other: Callable[[], object]) -> None:
        self.calls, self.at, self.other = 0, at, other
        for name in (*CHANGES, "scandir"):
            monkeypatch.setattr(os, name, self._wrap(getattr(os, name)))
        monkeypatch.setattr(local, "read", self._wrap(local.read))

    def _wrap(self, real: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls == self.at:
                self.other()
            return real(*args, **options)

        return call


class DiesAfterItsRecord:
    """The process is gone as soon as a record is there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dead = False
        for name in CALLS:
            monkeypatch.setattr(os, name, self._wrap(getattr(os, name)))

    def _wrap(self, real: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            if self.dead:
                raise Killed
            result = real(*args, **options)
            self.dead = real.__name__ == "link" and ".records" in str(args[1])
            return result

        return call


def unneeded(path: Path) -> Hub:
    """A hub that holds the blobs of `lora(0)`, which nothing needs any more."""
    hub = Hub(path)
    hub.publish(lora(0), OTHER)
    hub.remove(f"{OTHER}@1")
    return hub


def collections(path: Path, count: int = 1) -> None:
    for _ in range(count):
        Hub(path).collect(0)


def published_while(tmp_path: Path, meanwhile: Callable[[Path], object], dies: bool) -> list[str]:
    """Publish what lies there unneeded, with something else at each of its calls, and look whether it can be read."""
    lost, before = [], unneeded(tmp_path / "unneeded")
    for at in range(1, 1000):
        path = tmp_path / f"hub-{at}"
        shutil.copytree(before.address, path)
        with pytest.MonkeyPatch.context() as monkeypatch:
            if dies:
                DiesAfterItsRecord(monkeypatch)
            with pytest.MonkeyPatch.context() as inner:
                interrupted = Interrupted(inner, at, lambda path=path: meanwhile(path))  # type: ignore[misc]
                with suppress(Killed):
                    Hub(path).publish(lora(0), NAME)
        meanwhile(path)
        try:
            Hub(path).read(NAME)
        except NotInHub:
            assert dies
        except RepertoireError as error:
            lost.append(f"{at}: {error}")
        shutil.rmtree(path)
        if interrupted.calls < at:
            assert at > 10
            shutil.rmtree(before.address)
            return lost
    raise AssertionError("publishing never came to its end")


@pytest.mark.parametrize("dies", [False, True], ids=["alive", "killed right after its record"])
@pytest.mark.parametrize("meanwhile", ["gc", "purge"])
def test_blobs_that_a_publisher_found_stay_though_they_are_collected_at_any_of_its_calls(
    tmp_path: Path, meanwhile: str, dies: bool
) -> None:
    work = collections if meanwhile == "gc" else lambda path: Hub(path).purge("globex")
    assert published_while(tmp_path, work, dies) == []


def test_so_they_do_though_the_collectors_clock_jumps_beyond_the_life_of_a_pin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ahead(path: Path) -> None:
        with pytest.MonkeyPatch.context() as inner:
            for module in ("hub.keeping.collect", "hub.keeping.needs", "hub.storage.pins"):
                inner.setattr(f"{module}.time", lambda: time() + 400 * 86_400)
            collections(path)

    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    assert published_while(tmp_path, ahead, dies=False) == []


@pytest.mark.parametrize("without", ["pins", "a second look"])
def test_a_hub_that_did_less_would_be_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: str
) -> None:
    if without == "pins":
        monkeypatch.setattr(store, "pin", lambda storage, log, digests: ".pins/none")
    else:
        monkeypatch.setattr(store.Store, "keep", lambda self, contents: None)
        monkeypatch.setattr(store, "pin", lambda storage, log, digests: ".pins/none")
    assert published_while(tmp_path, collections, dies=without == "pins")


def test_a_publication_a_reader_or_another_collector_at_any_call_of_a_collection(tmp_path: Path) -> None:
    def publish(path: Path) -> None:
        Hub(path).publish(lora(0), NAME)

    def collect_and_publish(path: Path) -> None:
        Hub(path).collect(0)
        Hub(path).publish(lora(0), NAME)
        Hub(path).collect(0)

    before = unneeded(tmp_path / "before")
    for meanwhile in (publish, collect_and_publish):
        for at in range(1, 1000):
            path = tmp_path / "hub"
            shutil.copytree(before.address, path)
            with pytest.MonkeyPatch.context() as monkeypatch:
                interrupted = Interrupted(monkeypatch, at, lambda path=path, work=meanwhile: work(path))  # type: ignore[misc]
                Hub(path).collect(0)
            happened = interrupted.calls >= at
            if happened:
                Hub(path).read(NAME)
                Hub(path).collect(0)
                Hub(path).read(NAME)
                assert damage(path) == set()
            shutil.rmtree(path)
            if not happened:
                assert at > 10
                break


def test_a_reader_reads_at_any_call_of_a_collection_with_a_grace(tmp_path: Path) -> None:
    before = Hub(tmp_path / "before")
    version = before.publish(lora(0), NAME)
    before.publish(lora(1), NAME)
    before.remove(f"{NAME}@1")
    for at in range(1, 1000):
        path = tmp_path / "hub"
        shutil.copytree(before.address, path)
        hub = Hub(path)
        with pytest.MonkeyPatch.context() as monkeypatch:
            interrupted = Interrupted(monkeypatch, at, lambda hub=hub: hub.read(version))  # type: ignore[misc]
            Hub(path).collect(3600)
        assert hub.read(version).method == lora().method
        shutil.rmtree(path)
        if interrupted.calls < at:
            assert at > 10
            return


def test_a_look_at_any_moment_takes_no_work_under_way_for_damage(tmp_path: Path, before: Path) -> None:
    def others(path: Path) -> None:
        hub = Hub(path)
        hub.set_alias(NAME, "production", 3)
        hub.remove(f"{NAME}@1")
        hub.remove(f"{OTHER}@1")
        hub.collect(0)
        hub.publish(lora(9), NAME)
        hub.set_alias(NAME, "production", 5)

    for meanwhile in (others, WORKS["purge"]):
        for at in range(1, 1000, 3):
            path = tmp_path / "hub"
            shutil.copytree(before, path)
            relink(path)
            with pytest.MonkeyPatch.context() as monkeypatch:
                interrupted = Interrupted(monkeypatch, at, lambda path=path, work=meanwhile: work(path))  # type: ignore[misc]
                assert damage(path) == set(), at
            shutil.rmtree(path)
            if interrupted.calls < at:
                assert at > 10
                break


def test_a_stale_look_deletes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that was held up between its two looks finds what was published meanwhile, and puts it back."""
    hub = unneeded(tmp_path / "hub")
    real = collect.needs
    looks = []

    def slow(*args: Any, **options: Any) -> Any:
        found = real(*args, **options)
        looks.append(found)
        if len(looks) == 1:
            Hub(hub.address).publish(lora(0), NAME)
        return found

    monkeypatch.setattr(collect, "needs", slow)
    done = hub.collect(0)
    assert len(looks) == 2 and done.moved == len(done.restored) == 3 and done.deleted == []
    assert hub.read(NAME).method == lora().method


def test_collectors_and_a_purge_beside_publishers_all_killed_again_and_again(tmp_path: Path) -> None:
    counts = faults.killed_collectors(tmp_path, publishers=3, versions=15, seed=1, calls=300)
    assert counts.cases > 3 and not any(counts.faults().values()), counts
