"""The trash: what nothing needs waits there for its grace, and whoever needs it finds it there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hub.hub import Hub
from hub.keeping.collect import GRACE
from hub.storage.layout import blob
from tests.hub.looking import blobs, paths, thrown, weights
from tests.hub.tiny import NAME, lora

OTHER = "globex/launch/recommendation"

HOUR = 3600.0


def test_blobs_wait_in_the_trash_until_the_grace_since_the_removal_is_over(
    hub: Hub, later: Callable[[float], None]
) -> None:
    hub.publish(lora(0), NAME)
    gone = weights(hub, f"{NAME}@1")
    hub.publish(lora(1), NAME)
    stone = hub.remove(f"{NAME}@1")
    planned = hub.collect(dry_run=True)
    assert (planned.moved, planned.deleted, [one.what for one in planned.waiting]) == (1, [], [gone])
    assert gone in blobs(hub)
    later(HOUR)
    done = hub.collect()
    assert (done.moved, done.deleted, done.freed) == (1, [], 0)
    [waiting] = done.waiting
    assert (waiting.what, waiting.size) == (gone, planned.waiting[0].size)
    assert waiting.until == pytest.approx(stone.moment + GRACE, abs=0.01), (
        "from the removal, not from the move"
    )
    assert thrown(hub) == [gone] and gone not in blobs(hub)
    later(GRACE - 2 * HOUR)
    assert hub.collect().deleted == []
    later(2 * HOUR)
    last = hub.collect()
    assert (last.deleted, last.freed, last.waiting) == ([gone], waiting.size, [])
    assert gone not in {path.rsplit("-", 1)[-1] for path in paths(hub)}
    assert hub.read(NAME).method == lora().method


def test_a_first_collection_after_the_grace_deletes_at_once(hub: Hub, later: Callable[[float], None]) -> None:
    hub.publish(lora(0), NAME)
    hub.publish(lora(1), NAME)
    hub.remove(f"{NAME}@1")
    later(GRACE + HOUR)
    assert len(hub.collect(dry_run=True).deleted) == len(hub.collect().deleted) == 1


def test_what_no_record_names_has_its_grace_from_the_move_on(
    hub: Hub, later: Callable[[float], None]
) -> None:
    hub.publish(lora(), NAME)
    hub.store.keep({digest: b"orphan" for digest in ["ab" * 32]})
    assert [one.what for one in hub.collect(HOUR).waiting] == ["ab" * 32]
    later(HOUR - 60)
    assert hub.collect(HOUR).deleted == []
    later(120)
    assert hub.collect(HOUR).deleted == ["ab" * 32]


def test_with_the_clock_moved_back_nothing_goes_too_early(hub: Hub, later: Callable[[float], None]) -> None:
    hub.publish(lora(0), NAME)
    hub.publish(lora(1), NAME)
    hub.remove(f"{NAME}@1")
    hub.collect(HOUR)
    later(-GRACE)
    done = hub.collect(HOUR)
    assert done.deleted == [] and len(done.waiting) == 1
    hub.publish(lora(2), NAME)
    assert [version.number for version in hub.versions(NAME)] == [2, 3]
    later(GRACE + 2 * HOUR)
    assert len(hub.collect(HOUR).deleted) == 1
    assert [hub.read(version).method for version in hub.versions(NAME)] == [lora().method] * 2


def test_readers_find_in_the_trash_what_they_need_and_bring_it_back(hub: Hub) -> None:
    version = hub.publish(lora(0), NAME)
    hub.publish(lora(1), NAME)
    digest = weights(hub, f"{NAME}@1")
    hub.remove(f"{NAME}@1")
    hub.collect(HOUR)
    assert thrown(hub) == [digest]
    assert hub.read(version).method == lora().method
    assert thrown(hub) == [] and digest in blobs(hub)


def test_publishing_what_is_in_the_trash_needs_nothing_from_there(hub: Hub) -> None:
    hub.publish(lora(0), NAME)
    hub.publish(lora(1), NAME)
    hub.remove(f"{NAME}@1")
    hub.collect(HOUR)
    hub.publish(lora(0), OTHER)
    done = hub.collect(0)
    assert (done.deleted, done.restored, thrown(hub)) == ([], [], [])
    assert hub.verify().findings == []


def test_a_sound_copy_in_the_trash_takes_the_place_of_a_damaged_blob(hub: Hub) -> None:
    hub.publish(lora(0), NAME)
    hub.publish(lora(1), NAME)
    digest = weights(hub, f"{NAME}@1")
    hub.remove(f"{NAME}@1")
    hub.collect(HOUR)
    hub.publish(lora(0), OTHER)
    path = Path(hub.address) / blob(digest)
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert hub.collect(0).restored == [digest]
    assert hub.read(OTHER).method == lora().method


def test_what_killed_writers_left_goes_after_the_grace(hub: Hub, later: Callable[[float], None]) -> None:
    hub.publish(lora(), NAME)
    scratch = Path(hub.address) / ".tmp"
    (scratch / "half").write_bytes(b"x" * 1000)
    (scratch / "folder").mkdir()
    (scratch / "folder" / "file").write_bytes(b"x" * 10)
    assert hub.collect(HOUR).leftovers == 0
    later(2 * HOUR)
    assert hub.collect(HOUR).leftovers == 1010
    assert list(scratch.iterdir()) == []
