"""Killed by the kernel, without power, on a full disk, with a wrong clock: what was acknowledged is whole, and once."""

import errno
import os
import random
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.catalogue import provenance
from hub.hub import Hub
from hub.storage import local
from tests.hub import faults
from tests.hub.tiny import NAME, lora
from tests.killed import killed_at


@pytest.fixture
def tracing() -> None:
    try:
        killed_at(1, lambda: None)
    except OSError as error:
        pytest.skip(f"processes cannot be traced here: {error}")


@pytest.mark.usefixtures("tracing")
def test_a_record_that_came_before_its_blobs_would_be_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = local.Local._create
    monkeypatch.setattr(
        local.Local, "_create", lambda self, files, then, created: create(self, then, files, created)
    )
    counts = faults.killed_publications(tmp_path, [*range(100, 900, 40), 10**9])
    assert counts.torn > 0


@pytest.mark.usefixtures("tracing")
def test_killed_at_any_system_call_nothing_is_lost_torn_or_doubled(tmp_path: Path) -> None:
    stops = [*sorted(random.Random(0).sample(range(1, 1000), 40)), 10**9]
    counts = faults.killed_publications(tmp_path, stops)
    assert counts.cases > 30 and len(set(counts.faults().values())) == 1 and not any(counts.faults().values())
    assert counts.cases < counts.survived < 2 * counts.cases, "killed before and after its commit point"


def test_without_power_what_was_acknowledged_is_on_disk(tmp_path: Path) -> None:
    counts = faults.power_cuts(tmp_path, seeds=range(2), every=3)
    assert counts.cases > 60 and not any(counts.faults().values()), counts


@pytest.mark.parametrize("skipped", ["folders", "files"])
def test_a_hub_that_synced_less_would_be_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skipped: str
) -> None:
    if skipped == "folders":
        monkeypatch.setattr(local, "_sync", lambda folder: None)
    else:
        monkeypatch.setattr(local, "_write", lambda path, data: path.write_bytes(data))
    counts = faults.power_cuts(tmp_path, seeds=range(3), every=3)
    assert counts.lost + counts.torn > 0


def test_publishers_killed_again_and_again_lose_nothing(tmp_path: Path) -> None:
    counts = faults.killed_publishers(tmp_path, publishers=3, versions=12, seed=1, calls=150)
    assert counts.cases > 3 and counts.survived == 36 and not any(counts.faults().values()), counts


def test_a_disk_that_is_full_at_any_write_costs_the_publication_alone(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "hub")
    hub.publish(lora(0), NAME, publish_id="first")
    writes = 0
    while True:
        left = iter(range(writes))

        def write(path: Path, data: bytes, left: Any = left) -> None:
            path.write_bytes(data[: len(data) // 2])
            if next(left, None) is None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            path.write_bytes(data)

        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(local, "_write", write)
            try:
                hub.publish(lora(7), NAME, publish_id="second")
                break
            except OSError as error:
                assert error.errno == errno.ENOSPC
        assert [version.record.publish_id for version in hub.versions(NAME)] == ["first"]
        assert os.listdir(Path(hub.address) / ".tmp") == [], "and what was half written takes no room"
        writes += 1
    assert writes >= 2
    counts = faults.Counts()
    counts.take(tmp_path / "hub", ["first", "second"])
    assert not any(counts.faults().values())


_ON_A_SMALL_DISK = """
import errno, shutil, sys
from pathlib import Path
from hub.hub import Hub
from tests.hub.tiny import NAME, lora
hub, index = Hub("/mnt/hub"), 0
try:
    while True:
        hub.publish(lora(index), NAME, publish_id=str(index))
        index += 1
except OSError as error:
    assert error.errno == errno.ENOSPC, error
there = [version.record.publish_id for version in hub.versions(NAME)]
assert there == [str(number) for number in range(index)] and index > 5, (there, index)
for version in hub.versions(NAME):
    hub.read(version)
Path("/mnt/ballast").unlink()
shutil.rmtree("/mnt/files", ignore_errors=True)
assert hub.publish(lora(index), NAME, publish_id=str(index)).number == index + 1
"""


@pytest.mark.parametrize(
    "mount",
    [
        "mount -t tmpfs -o size=300k none /mnt && head -c 50000 /dev/zero > /mnt/ballast",
        "mount -t tmpfs -o size=20m,nr_inodes=230 none /mnt && mkdir /mnt/files && cd /mnt/files && "
        "for i in $(seq 40); do : > $i; done && cd / && ln -s /mnt/files /mnt/ballast",
    ],
    ids=["bytes", "inodes"],
)
def test_on_a_disk_that_is_really_full_all_before_is_whole(tmp_path: Path, mount: str) -> None:
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*inside, mount], capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here (unshare, mount)")
    done = subprocess.run(
        [*inside, f'{mount} && exec "$0" -c "$1"', sys.executable, _ON_A_SMALL_DISK],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_a_clock_that_goes_back_changes_no_order(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.publish(lora(0), NAME)
    hub.set_alias(NAME, "production", 1)

    class Earlier(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(1999, 12, 31, tzinfo=UTC)

    monkeypatch.setattr(provenance, "datetime", Earlier)
    second = hub.publish(lora(1), NAME)
    hub.set_alias(NAME, "production", 2)
    assert second.record.created.startswith("1999")
    assert hub.resolve(NAME).number == hub.resolve(f"{NAME}@production").number == 2
