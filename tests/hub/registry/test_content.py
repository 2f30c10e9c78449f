"""A key of content brings its version along, and what nobody holds is gone."""

import gc
import weakref
from functools import lru_cache
from pathlib import Path

import pytest

from adapters import Limits
from hub import Hub, Registry
from hub.catalogue.version import Version
from hub.registry import registry as module
from hub.registry.content import Content, content
from tests.adapters import models
from tests.hub.tiny import lora
from tests.hub.voices import NAME, voice


def test_equal_content_is_one_key_whatever_its_name(hub: Hub) -> None:
    one, other = hub.publish(lora(0), NAME), hub.publish(lora(0), "globex/launch/behavior")
    assert content(one) == content(other) == one.digest and hash(content(one)) == hash(one.digest)
    assert {content(one): 1}[content(other)] == 1
    assert (content(one).version, content(other).version) == (one, other)


def test_nothing_stays_of_versions_that_a_registry_has_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, hub = models.base("llama"), Hub(tmp_path / "hub")
    for seed in range(12):
        hub.publish(voice(base, seed), NAME)
    asked: list[weakref.ref[Version]] = []

    def watched(version: Version) -> Content:
        asked.append(weakref.ref(version))
        return content(version)

    monkeypatch.setattr(module, "content", watched)
    registry = Registry(hub, base, limits=Limits(slots=2), follow=False)
    monkeypatch.setattr(registry, "_voice", lru_cache(maxsize=2)(registry._read_voice))
    try:
        for number in range(1, 13):
            registry.analyze(f"{NAME}@{number}", ["glad 500"])
            registry.unload(f"{NAME}@{number}")
        gc.collect()
        alive = {found.number for ref in asked if (found := ref()) is not None}
        assert len(asked) == 24 and len(alive) <= 4, "those of the voices, and of the last turn"
        registry.analyze(f"{NAME}@1", ["glad 500"])
        assert [found.adapter for found in registry.residency()] == [f"{NAME}@1"]
    finally:
        registry.close()
