"""A hub of somebody else: what may be read is served, what may not is told, and nothing is left half written.

Root may read and write everything, so that where the tests run as root a child gives its rights away first.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub import Hub
from hub.errors import HubError
from hub.storage.layout import blob
from tests.hub.tiny import NAME, lora


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder that others may enter; pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder / "hub"
    for path, folders, _ in os.walk(folder):
        for name in folders:
            Path(path, name).chmod(0o755)
    shutil.rmtree(folder)


def as_a_stranger(call: Callable[[], object]) -> str:
    """What a user without any rights of ours gets: the answer, or the error and what it says."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            told = str(call())
        except (HubError, OSError) as error:
            told = f"{type(error).__name__}: {error}"
        except BaseException as error:
            told = f"not an error for people: {error!r}"
        os.write(writing, told.encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told


def files(root: Path) -> dict[str, int]:
    return {
        str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()
    }


def only_read(root: Path) -> None:
    for path, _, names in os.walk(root):
        Path(path).chmod(0o555)
        for name in names:
            Path(path, name).chmod(0o444)


def test_a_hub_that_one_may_only_read_is_served_and_takes_nothing(root: Path) -> None:
    hub = Hub(root)
    for seed in (1, 2):
        hub.publish(lora(seed), NAME)
    hub.set_alias(NAME, "production", 1)
    hub.search()
    only_read(root)
    before = files(root)
    assert as_a_stranger(lambda: Hub(root).read(f"{NAME}@production").task) == "recommendation"
    assert as_a_stranger(lambda: [found.reference for found in Hub(root).search()]) == f"['{NAME}@2']"
    assert as_a_stranger(lambda: Hub(root).verify().findings) == "[]"
    for call in (
        lambda: Hub(root).publish(lora(3), NAME),
        lambda: Hub(root).set_alias(NAME, "production", 2),
        lambda: Hub(root).remove(f"{NAME}@2", why="wrong"),
    ):
        assert "Permission denied" in as_a_stranger(call)
    assert files(root) == before


def test_what_one_may_not_read_is_told_and_the_rest_is_served(root: Path) -> None:
    hub = Hub(root)
    first, second = hub.publish(lora(1), NAME), hub.publish(lora(2), NAME)
    closed = root / blob(second.record.file("adapter_model.safetensors").sha256)
    closed.chmod(0o000)
    told = as_a_stranger(lambda: Hub(root).read(second.reference))
    assert told.startswith("Damaged: blob") and "Permission denied" in told
    assert as_a_stranger(lambda: Hub(root).read(first.reference).task) == "recommendation"
    found = as_a_stranger(lambda: Hub(root).verify().findings)
    assert closed.name in found and "Permission denied" in found
    (root / "adapters" / NAME / ".records" / "000001.json").chmod(0o000)
    told = as_a_stranger(lambda: Hub(root).resolve(first.reference))
    assert told.startswith("PermissionError") and "000001.json" in told
