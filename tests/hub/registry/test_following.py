"""A running registry follows names and aliases: the new version answers soon, the old one until then, never a mix."""

import gc
import json
import logging
import math
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from adapters import Base, Limits, WrongBase
from hub import Hub, Registry
from hub.catalogue.version import Version
from hub.errors import NotInHub
from hub.registry.following import Followed
from hub.storage.layout import log, numbered
from tests.adapters import models
from tests.clock import LIMIT, until
from tests.hub.voices import NAME, says, voice

PRODUCTION = f"{NAME}@production"


@pytest.fixture
def hub(tmp_path: Path, base: Base) -> Hub:
    """Versions 1 and 2, production on 1."""
    hub = Hub(tmp_path / "hub")
    for seed in (1, 2):
        hub.publish(voice(base, seed), NAME)
    hub.set_alias(NAME, "production", 1)
    return hub


def followed(registry: Registry, reference: str = PRODUCTION) -> Followed:
    return next(each for each in registry.following() if each.reference == reference)


def looks(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows with every look that the watch takes from now on."""
    following, taken = registry._following, list[None]()
    assert following is not None
    real = following._look
    monkeypatch.setattr(following, "_look", lambda *args: (real(*args), taken.append(None)))
    return taken


def damage(hub: Hub, version: Version) -> bytes:
    """Change the last bytes of its weights. Returns what was there."""
    weights = version.record.file("adapter_model.safetensors").sha256
    blob = Path(hub.address) / "blobs" / "sha256" / weights[:2] / weights
    before = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(before[:-4] + b"\0\0\0\1")
    return before


def test_a_moved_alias_answers_soon_and_nobody_waits(
    hub: Hub, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = says(registry, f"{NAME}@1"), says(registry, f"{NAME}@2")
    registry.unload(f"{NAME}@2")
    registry._voice.cache_clear()
    assert says(registry, PRODUCTION) == old != new
    fetch, loading, go = hub.fetch, threading.Event(), threading.Event()

    def slow(version: Version) -> Any:
        if version.number == 2:
            loading.set()
            assert go.wait(LIMIT)
        return fetch(version)

    monkeypatch.setattr(hub, "fetch", slow)
    hub.set_alias(NAME, "production", 2)
    assert loading.wait(LIMIT), "without anybody asking"
    assert says(registry, PRODUCTION) == old, "while the new version is on its way the old one answers"
    assert followed(registry) == Followed(PRODUCTION, f"{NAME}@1", None, 0)
    go.set()
    until(lambda: followed(registry).moves == 1)
    fetched = registry.state()["fetched"]
    assert says(registry, PRODUCTION) == new
    assert registry.state()["fetched"] == fetched, "it was in memory before anybody asked"


def test_a_name_follows_what_is_published_elsewhere(hub: Hub, registry: Registry, base: Base) -> None:
    assert says(registry, NAME) == says(registry, f"{NAME}@2")
    hub.publish(voice(base, 3), NAME)
    until(lambda: followed(registry, NAME).version == f"{NAME}@3")
    assert says(registry, NAME) == says(registry, f"{NAME}@3") != says(registry, f"{NAME}@2")


def test_a_version_above_a_tombstone_whose_record_is_lost_is_seen_by_the_watch(
    hub: Hub, registry: Registry, base: Base
) -> None:
    hub.publish(voice(base, 3), NAME)
    hub.remove(f"{NAME}@3")
    (Path(hub.address) / numbered(log(NAME), 3)).unlink()
    says(registry, NAME)
    assert registry._following is not None
    (entry,) = registry._following._entries.values()
    entry.in_full = math.inf
    assert hub.publish(voice(base, 4), NAME).number == 4
    until(lambda: followed(registry, NAME).version == f"{NAME}@4")


def test_what_the_registry_publishes_answers_the_next_request(registry: Registry, base: Base) -> None:
    before = says(registry, NAME)
    registry.publish(voice(base, 3), NAME)
    assert says(registry, NAME) == says(registry, f"{NAME}@3") != before


def test_a_followed_reference_does_not_ask_the_hub(
    hub: Hub, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = says(registry, PRODUCTION), says(registry, NAME)
    watch = threading.current_thread()

    def refuse(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            assert threading.current_thread() is not watch, "this request touches the disk"
            return method(*args)

        return call

    for method in ("read", "files", "taken", "exists", "folders"):
        monkeypatch.setattr(hub.storage, method, refuse(getattr(hub.storage, method)))
    assert (says(registry, PRODUCTION), says(registry, NAME)) == expected
    with pytest.raises(AssertionError, match="touches the disk"):
        says(registry, f"{NAME}@1")


def test_a_version_that_cannot_be_had_leaves_the_old_one_and_says_so_once(
    hub: Hub,
    registry: Registry,
    base: Base,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hub.registry.following._RETRIES", (0.01, 0.01))
    good = says(registry, PRODUCTION)
    damage(hub, hub.resolve(f"{NAME}@2"))
    tried = registry.state()["fetched"]
    hub.set_alias(NAME, "production", 2)
    until(lambda: followed(registry).behind is not None)
    taken = looks(registry, monkeypatch)
    until(lambda: len(taken) == 3)
    found = followed(registry)
    assert found.version == f"{NAME}@1" and found.moves == 0
    assert (found.behind or "").startswith(f"{NAME}@2: blob ") and "holds other bytes" in (found.behind or "")
    assert registry.state()["following"]["behind"] == {PRODUCTION: found.behind}
    assert says(registry, PRODUCTION) == good
    warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warnings) == 1 and f"{PRODUCTION} goes on with {NAME}@1" in warnings[0].getMessage()
    hub.publish(voice(base, 3), NAME)
    hub.set_alias(NAME, "production", 3)
    until(lambda: followed(registry) == Followed(PRODUCTION, f"{NAME}@3", None, 1))
    assert says(registry, PRODUCTION) == says(registry, f"{NAME}@3") != good
    assert registry.state()["following"]["behind"] == {}
    assert registry.state()["fetched"] == tried + 1, "a damaged one was never taken"


def test_it_is_tried_again(hub: Hub, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.registry.following._RETRIES", (0.01, 0.01))
    says(registry, PRODUCTION)
    second = hub.resolve(f"{NAME}@2")
    whole = damage(hub, second)
    hub.set_alias(NAME, "production", 2)
    until(lambda: followed(registry).behind is not None)
    weights = second.record.file("adapter_model.safetensors").sha256
    (Path(hub.address) / "blobs" / "sha256" / weights[:2] / weights).write_bytes(whole)
    until(lambda: followed(registry) == Followed(PRODUCTION, f"{NAME}@2", None, 1))


def test_a_rollback_while_the_new_one_fails_is_no_move(hub: Hub, registry: Registry) -> None:
    says(registry, PRODUCTION)
    damage(hub, hub.resolve(f"{NAME}@2"))
    hub.set_alias(NAME, "production", 2)
    until(lambda: followed(registry).behind is not None)
    hub.rollback(NAME)
    until(lambda: followed(registry) == Followed(PRODUCTION, f"{NAME}@1", None, 0))


def test_a_version_for_another_base_never_answers(hub: Hub, registry: Registry) -> None:
    good = says(registry, NAME)
    hub.publish(voice(models.base("qwen2"), 3), NAME)
    until(lambda: "it was made for tiny/qwen2" in (followed(registry, NAME).behind or ""))
    assert says(registry, NAME) == good
    with pytest.raises(WrongBase):
        says(registry, f"{NAME}@3")


def test_a_disk_that_does_not_answer_changes_nothing(
    hub: Hub, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.registry.following._RETRIES", (0.01, 0.01))
    good = says(registry, PRODUCTION)

    def broken(path: str) -> bool:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as gone:
        gone.setattr(hub.storage, "exists", broken)
        until(lambda: followed(registry).behind == f"{PRODUCTION}: [Errno 5] Input/output error")
        assert says(registry, PRODUCTION) == good
    until(lambda: followed(registry) == Followed(PRODUCTION, f"{NAME}@1", None, 0))


def test_a_removed_alias_answers_nothing_until_it_is_set_again(hub: Hub, registry: Registry) -> None:
    registry.pin(PRODUCTION)
    says(registry, PRODUCTION)
    hub.remove_alias(NAME, "production")
    until(lambda: followed(registry).version is None)
    with pytest.raises(NotInHub, match="no alias 'production'"):
        says(registry, PRODUCTION)
    until(lambda: not any(each.pinned for each in registry.residency()))
    hub.set_alias(NAME, "production", 2)
    assert says(registry, PRODUCTION) == says(registry, f"{NAME}@2"), "at once"
    until(lambda: [each.adapter for each in registry.residency() if each.pinned] == [f"{NAME}@2"])


def test_pins_move_along(hub: Hub, base: Base) -> None:
    registry = Registry(hub, base, limits=Limits(slots=1))
    try:
        registry.pin(PRODUCTION)
        registry.pin(f"{NAME}@1")
        hub.set_alias(NAME, "production", 2)
        until(lambda: followed(registry).moves == 1)
        assert pinned(registry) == [f"{NAME}@1"], "another reference holds it"
        hub.rollback(NAME)
        until(lambda: followed(registry).moves == 2)
        registry.unpin(f"{NAME}@1")
        until(lambda: pinned(registry) == [])
        registry.pin(PRODUCTION)
        hub.set_alias(NAME, "production", 2)
        until(lambda: pinned(registry) == [f"{NAME}@2"])
        in_slots = [each.adapter for each in registry.residency() if each.tier == "slot"]
        assert in_slots == [f"{NAME}@2"], "the only slot"
    finally:
        registry.close()


def pinned(registry: Registry) -> list[str]:
    return [each.adapter for each in registry.residency() if each.pinned]


def test_threads_that_ask_while_an_alias_flips_get_one_version_or_the_other(
    hub: Hub, registry: Registry
) -> None:
    texts = ["glad 500", "mad 501", "glad mad glad"]
    alone = [
        tuple(each.probabilities["glad"] for each in registry.analyze(f"{NAME}@{number}", texts))
        for number in (1, 2)
    ]
    done, seen = threading.Event(), list[int]()

    def ask() -> None:
        while not done.is_set():
            answer = [each.probabilities["glad"] for each in registry.analyze(PRODUCTION, texts)]
            fits = [which for which in (0, 1) if answer == pytest.approx(alone[which], abs=1e-6)]
            assert len(fits) == 1, "of one version, whole"
            seen.append(fits[0])

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            for turn in range(4):
                hub.set_alias(NAME, "production", 2 - turn % 2)
                new, before = 1 - turn % 2, len(seen)
                until(lambda new=new, before=before: new in seen[before:] or any(e.done() for e in asking))  # type: ignore[misc]
        finally:
            done.set()
        for each in asking:
            each.result(LIMIT)
    until(lambda: followed(registry).moves == 4)


def test_an_ensemble_resolves_each_member_once(
    hub: Hub, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["glad 500", "mad 501"]
    both = registry.analyze([f"{NAME}@1", f"{NAME}@2"], texts)
    resolved, key = [], registry._key
    monkeypatch.setattr(registry, "_key", lambda reference: (resolved.append(reference), key(reference))[1])
    found = registry.analyze([PRODUCTION, NAME], texts)
    assert resolved == [PRODUCTION, NAME]
    for mine, theirs in zip(found, both, strict=True):
        assert mine.probabilities == pytest.approx(theirs.probabilities, abs=1e-6)


def watches(before: set[threading.Thread]) -> list[threading.Thread]:
    """The watching threads that began since; other tests' registries may still have theirs."""
    return [each for each in set(threading.enumerate()) - before if each.name == "repertoire-follow"]


def test_without_following_no_thread_runs_and_the_hub_is_asked_each_time(hub: Hub, base: Base) -> None:
    before = set(threading.enumerate())
    registry = Registry(hub, base, follow=False)
    first = says(registry, PRODUCTION)
    assert not watches(before)
    hub.set_alias(NAME, "production", 2)
    assert says(registry, PRODUCTION) != first
    assert registry.following() == [] and registry.state()["following"]["references"] == 0
    registry.close()
    assert not [each for each in set(threading.enumerate()) - before if each.name.startswith("repertoire")]


def test_the_watch_ends_with_its_registry(hub: Hub, base: Base) -> None:
    before = set(threading.enumerate())
    registry = Registry(hub, base)
    says(registry, PRODUCTION)
    (thread,) = watches(before)
    assert thread.daemon
    registry.close()
    thread.join(LIMIT)
    assert not thread.is_alive()

    before = set(threading.enumerate())
    forgotten = Registry(hub, base)
    says(forgotten, PRODUCTION)
    (thread,) = watches(before)
    gone = weakref.ref(forgotten)
    forgotten._runtime.close()
    del forgotten

    def forgets() -> bool:
        gc.collect()  # the watch may have held it a moment ago
        return gone() is None

    until(forgets)
    thread.join(LIMIT)
    assert not thread.is_alive()


def test_a_fork_asks_the_hub_again(hub: Hub, registry: Registry) -> None:
    """The watch does not live on in a child process: what it knew may be out of date there."""
    says(registry, PRODUCTION)
    assert registry._following is not None
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            hub.set_alias(NAME, "production", 2)
            os.write(writing, str(registry._following.version(PRODUCTION).number).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 10) == b"2"


def test_references_that_nobody_uses_are_not_looked_at(
    hub: Hub, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(registry, PRODUCTION)
    registry.pin(NAME)
    monkeypatch.setattr("hub.registry.following._UNUSED", 0.0)
    until(lambda: [each.reference for each in registry.following()] == [NAME])


def test_a_remote_hub_is_looked_at_less_often_while_nothing_moves(
    hub: Hub, base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub.storage, "is_local", False)
    monkeypatch.setattr("hub.registry.following._REMOTE_PAUSES", (0.02, 0.08))
    registry = Registry(hub, base)
    try:
        says(registry, PRODUCTION)
        assert registry._following is not None
        (entry,) = registry._following._entries.values()
        until(lambda: entry.pause == 0.08)
        hub.set_alias(NAME, "production", 2)
        until(lambda: followed(registry).moves == 1)
        pauses = [0.02 * 1.25**n for n in range(8)]
        assert entry.pause in (*pauses, 0.08)
    finally:
        registry.close()


def test_a_removed_version_goes_on_until_its_alias_moves(
    hub: Hub, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an operator still points at does not fall silent by its removal."""
    good = says(registry, PRODUCTION)
    assert registry._following is not None
    looked: list[object] = []
    meant = registry._following._meant
    monkeypatch.setattr(registry._following, "_meant", lambda *args: (looked.append(args), meant(*args))[1])
    tombstone = {"version": 1, "who": "ann", "when": "2026-01-01T00:00:00.000+00:00", "why": "wrong client"}
    hub.storage.create({numbered(f"adapters/{NAME}/.tombstones", 1): json.dumps(tombstone).encode()})
    until(lambda: len(looked) == 1)
    taken = looks(registry, monkeypatch)
    until(lambda: len(taken) == 3)
    assert len(looked) == 1, "seen once, not at every look"
    assert says(registry, PRODUCTION) == good
    hub.set_alias(NAME, "production", 2)
    until(lambda: followed(registry) == Followed(PRODUCTION, f"{NAME}@2", None, 1))
