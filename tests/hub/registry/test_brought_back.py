"""A registry that saw a hub before another copy took its place: it answers by what the hub holds now, and says so."""

import logging
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from adapters import Base
from hub import Hub, Registry
from tests.hub.voices import NAME, says, voice

PRODUCTION = f"{NAME}@production"


@pytest.fixture
def hub(tmp_path: Path, base: Base) -> Hub:
    hub = Hub(tmp_path / "hub")
    hub.publish(voice(base, 1), NAME)
    hub.set_alias(NAME, "production", 1)
    return hub


def looks(registry: Registry) -> None:
    assert registry._following is not None
    registry._following.look(NAME)


@pytest.fixture
def replace(hub: Hub, tmp_path: Path) -> Callable[[Path], None]:
    """Put another folder into the place of the hub."""

    def do(other: Path) -> None:
        os.rename(hub.address, tmp_path / "away")
        os.rename(other, hub.address)

    return do


def test_another_version_of_the_same_number_answers_and_is_told(
    hub: Hub,
    base: Base,
    registry: Registry,
    tmp_path: Path,
    replace: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    shutil.copytree(hub.address, tmp_path / "twin")
    twin = Hub(tmp_path / "twin")
    for seed, own in ((2, hub), (3, twin)):
        own.publish(voice(base, seed), NAME)
        own.set_alias(NAME, "production", 2)
    before = says(registry, NAME), says(registry, PRODUCTION), says(registry, f"{NAME}@2")
    assert len(set(before)) == 1
    replace(tmp_path / "twin")
    looks(registry)
    after = says(registry, NAME), says(registry, PRODUCTION), says(registry, f"{NAME}@2")
    assert len(set(after)) == 1 and after != before
    with closing(Registry(Hub(hub.address), base)) as fresh:
        assert says(fresh, NAME) == after[0]
    told = [each.getMessage() for each in caplog.records if each.name == "hub.registry.following"]
    assert sum("another version now" in each and each.startswith(f"{NAME}@2 ") for each in told) == 2, told


def test_logs_that_are_shorter_than_before_are_told_and_followed(
    hub: Hub,
    base: Base,
    registry: Registry,
    tmp_path: Path,
    replace: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = says(registry, NAME)
    shutil.copytree(hub.address, tmp_path / "older")
    hub.publish(voice(base, 2), NAME)
    hub.set_alias(NAME, "production", 2)
    looks(registry)
    assert says(registry, NAME) == says(registry, PRODUCTION) != first
    replace(tmp_path / "older")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            looks(registry)
    assert says(registry, NAME) == says(registry, PRODUCTION) == first
    assert sum("ends at 1 and not at 2" in each.getMessage() for each in caplog.records) == 2, "each log once"
    # What is published then is the second version again, and another one.
    Hub(hub.address).publish(voice(base, 3), NAME)
    looks(registry)
    assert says(registry, NAME) == says(registry, f"{NAME}@2") != first
