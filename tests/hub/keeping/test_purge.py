"""Removed versions, garbage collection, purges: what goes, what stays, and for how long."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.format import files
from hub.errors import BadName, Damaged, NotInHub, Refused
from hub.hub import Hub
from hub.keeping.collect import GRACE
from hub.storage import trash
from hub.storage.layout import TRASH, blob
from tests.hub.tiny import NAME, lora, prefix

OTHER = "globex/launch/recommendation"
HOUR = 3600.0


def weights(hub: Hub, reference: str) -> str:
    return hub.resolve(reference).record.file(files.WEIGHTS).sha256


def paths(hub: Hub, *below: str) -> set[str]:
    """All files of the hub, or of some of its folders."""
    return {path for folder in below or ("",) for path in hub.storage.walk(folder)}


def blobs(hub: Hub) -> set[str]:
    return {path.rsplit("/", 1)[1] for path in paths(hub, "blobs")}


def thrown(hub: Hub) -> list[str]:
    return sorted(entry.what for entry in trash.entries(hub.storage))


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the clock of the collector, on or back."""
    now = [time.time()]

    def move(seconds: float) -> None:
        now[0] += seconds

    for module in ("hub.keeping.collect", "hub.keeping.needs", "hub.storage.pins"):
        monkeypatch.setattr(f"{module}.time", lambda: now[0])
    return move


def test_a_removed_version_means_nothing_any_more_and_says_why(hub: Hub) -> None:
    for seed in range(3):
        hub.publish(lora(seed), NAME)
    stone = hub.remove(f"{NAME}@3", why="wrong export", who="ada")
    assert hub.resolve(NAME).number == hub.aliases(NAME)["latest"] == 2
    assert [version.number for version in hub.versions(NAME)] == [1, 2]
    assert [version.reference for version in hub.list()] == [f"{NAME}@2"]
    said = rf"{NAME}@3 was removed by ada on {stone.when[:10]}.*\(wrong export\); there is {NAME}@1, {NAME}@2"
    with pytest.raises(NotInHub, match=said):
        hub.resolve(f"{NAME}@3")
    with pytest.raises(NotInHub, match="was removed by ada"):
        hub.set_alias(NAME, "production", 3)
    assert not (Path(hub.address) / f"adapters/{NAME}/v000003").exists()
    assert hub.publish(lora(9), NAME).number == 4, "a number is not used again"
    assert hub.verify().findings == []


def test_with_all_versions_removed_a_name_is_not_listed(hub: Hub) -> None:
    hub.publish(lora(), NAME)
    hub.remove(f"{NAME}@1")
    assert hub.names() == () and hub.list() == ()
    for ask in (hub.resolve, hub.versions, hub.aliases):
        with pytest.raises(NotInHub, match=f"all versions of {NAME} were removed; publish a new one"):
            ask(NAME)
    assert hub.publish(lora(), NAME).number == 2


def test_what_an_alias_means_is_not_removed(hub: Hub) -> None:
    hub.publish(lora(0), NAME)
    hub.publish(lora(1), NAME)
    hub.set_alias(NAME, "production", 1)
    with pytest.raises(Refused, match=f"{NAME}@1 is what {NAME}@production means; point that at another"):
        hub.remove(f"{NAME}@1")
    hub.set_alias(NAME, "production", 2)
    hub.remove(f"{NAME}@1")


def test_only_a_number_can_be_removed(hub: Hub) -> None:
    hub.publish(lora(), NAME)
    for reference in (NAME, f"{NAME}@latest"):
        with pytest.raises(BadName, match=f"say which one: {NAME}@3"):
            hub.remove(reference)
    with pytest.raises(NotInHub, match=f"no version {NAME}@2; {NAME} has 1 to 1"):
        hub.remove(f"{NAME}@2")
    with pytest.raises(NotInHub, match=f"there is no {OTHER}"):
        hub.remove(f"{OTHER}@1")


def test_removing_again_keeps_the_first_tombstone(hub: Hub) -> None:
    hub.publish(lora(), NAME)
    first = hub.remove(f"{NAME}@1", why="first", who="ada")
    assert hub.remove(f"{NAME}@1", why="second", who="bob") == first


def test_a_version_whose_record_is_damaged_can_be_removed(hub: Hub) -> None:
    hub.publish(lora(0), NAME)
    hub.publish(lora(1), NAME)
    (Path(hub.address) / f"adapters/{NAME}/.records/000001.json").unlink()
    with pytest.raises(Damaged, match=f"the record of {NAME}@1 cannot be read(.|\n)*give the versions up"):
        hub.collect(0)
    hub.remove(f"{NAME}@1")
    assert len(hub.collect(0).deleted) == 1
    assert hub.verify().sound


def test_a_version_behind_two_lost_records_keeps_its_blobs(hub: Hub) -> None:
    for seed in range(4):
        hub.publish(lora(seed), NAME)
    for lost in (2, 3):
        (Path(hub.address) / f"adapters/{NAME}/.records/00000{lost}.json").unlink()
    with pytest.raises(Damaged, match=f"(?s){NAME}@2 cannot be read.*{NAME}@3 cannot be read"):
        hub.collect(0)
    assert hub.read(f"{NAME}@1").method == lora().method
    for lost in (2, 3):
        hub.remove(f"{NAME}@{lost}")
    assert len(hub.collect(0).deleted) == 2
    assert hub.verify().sound


def test_the_publish_id_of_a_removed_version_brings_nothing_back(hub: Hub) -> None:
    hub.publish(lora(), NAME, publish_id="job")
    hub.remove(f"{NAME}@1", who="ada", why="bad")
    with pytest.raises(Refused, match=rf"'job' stands for {NAME}@1, which was removed by ada.*use a new id"):
        hub.publish(lora(), NAME, publish_id="job")
    assert hub.publish(lora(), NAME, publish_id="job-2").number == 2


def test_blobs_wait_in_the_trash_until_the_grace_since_the_removal_is_over(
    hub: Hub, later: Callable[[float], None]
) -> None:
    hub.publish(lora(0), NAME)
    gone = weights(hub, f"{NAME}@1")
    hub.publish(lora(1), NAME)
    hub.remove(f"{NAME}@1")
    removed = time.time()
    planned = hub.collect(dry_run=True)
    assert (planned.moved, planned.deleted, [one.what for one in planned.waiting]) == (1, [], [gone])
    assert gone in blobs(hub)
    later(HOUR)
    done = hub.collect()
    assert (done.moved, done.deleted, done.freed) == (1, [], 0)
    [waiting] = done.waiting
    assert (waiting.what, waiting.size) == (gone, planned.waiting[0].size)
    assert abs(waiting.until - removed - GRACE) < 5, "counted from the removal, not from the move"
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


def test_blobs_that_a_standing_version_or_an_alias_needs_stay(hub: Hub) -> None:
    hub.publish(lora(0), NAME)
    hub.publish(lora(0), OTHER)
    hub.publish(lora(1), NAME)
    hub.remove(f"{NAME}@1")
    assert hub.collect(0).deleted == [], "shared with another name"
    hub.set_alias(NAME, "production", 2)
    stone = {"version": 2, "who": "a", "when": "2020-01-01T00:00:00+00:00", "why": ""}
    hub.storage.create({f"adapters/{NAME}/.tombstones/000002.json": json.dumps(stone).encode()})
    assert hub.collect(0).deleted == [], "an alias was set while the version was being removed"
    assert ("alias dangling", "damage") in {(one.kind, one.level) for one in hub.verify().findings}


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


def test_pins_keep_blobs_of_a_publication_under_way_for_a_day(
    hub: Hub, later: Callable[[float], None]
) -> None:
    hub.publish(lora(), NAME)
    hub.store.keep({"ab" * 32: b"x"})
    from hub.storage.pins import pin

    pin(hub.storage, "adapters/acme/spring/recommendation/.records", ["ab" * 32])
    assert hub.collect(0).deleted == []
    later(25 * HOUR)
    assert hub.collect(0).deleted == ["ab" * 32]
    assert paths(hub, ".pins") == set()


def test_a_purge_leaves_nothing_of_the_client_and_all_of_others(hub: Hub) -> None:
    hub.publish(lora(0), NAME)
    hub.publish(lora(1), NAME)
    hub.publish(prefix(), "acme/launch/ad-copy")
    hub.set_alias(NAME, "production", 1)
    hub.remove(f"{NAME}@2")
    hub.collect(HOUR)
    hub.publish(lora(0), OTHER)
    hub.publish(lora(5), OTHER)
    hub.publish(lora(6), OTHER)
    hub.remove(f"{OTHER}@2")
    hub.collect(HOUR)
    hub.store.keep({"ab" * 32: b"of a publisher of acme that was killed"})
    (Path(hub.address) / ".tmp" / "half").write_bytes(b"acme")
    (Path(hub.address) / "index.sqlite").write_bytes(b"acme")
    own = {weights(hub, "acme/launch/ad-copy@1")}
    removed_of_others = json.loads(hub.storage.read(f"adapters/{OTHER}/.records/000002.json"))
    before = {path for path in paths(hub) if path.startswith("adapters/globex/")}
    planned = hub.purge("acme", dry_run=True)
    assert weights(hub, f"{NAME}@1")  # still there
    done = hub.purge("acme")
    assert (done.names, done.versions) == (["acme/launch/ad-copy", NAME], 3)
    assert done.erased == planned.erased and own | {"ab" * 32} <= set(done.erased)
    assert (done.freed, done.shared) == (planned.freed, planned.shared)
    assert set(done.shared) == {file.sha256 for file in hub.resolve(f"{OTHER}@1").record.files}
    left = paths(hub)
    assert not [path for path in left if "acme" in path or "index.sqlite" in path or path.startswith(".tmp")]
    assert not [path for path in left for digest in done.erased if digest in path]
    assert not [path for path in left if b"acme" in bytes(hub.storage.read(path))]
    assert not (Path(hub.address) / "adapters" / "acme").exists()
    assert {path for path in left if path.startswith("adapters/")} == before
    assert thrown(hub) == [f["sha256"] for f in removed_of_others["files"] if f["name"] == files.WEIGHTS], (
        "what others removed keeps its grace"
    )
    assert hub.verify().findings == []
    assert hub.publish(lora(0), NAME).number == 1, "the client can publish again"
    assert hub.purge("nobody").erased == []


def test_what_others_say_about_a_purged_client_is_told(hub: Hub) -> None:
    hub.publish(lora(0), NAME)
    hub.publish(lora(1), OTHER, message=f"trained on from {NAME}@1")
    hub.publish(lora(2), OTHER, message="no more macme/x than acme")
    assert hub.purge("acme").mentions == [f"adapters/{OTHER}/.records/000001.json"]


def test_a_purge_is_refused_while_it_is_not_known_what_others_need(hub: Hub) -> None:
    hub.publish(lora(0), NAME)
    hub.publish(lora(0), OTHER)
    path = Path(hub.address) / f"adapters/{OTHER}/.records/000001.json"
    path.chmod(0o644)
    path.write_bytes(b"")
    before = paths(hub)
    with pytest.raises(Damaged, match=f"the record of {OTHER}@1 cannot be read"):
        hub.purge("acme")
    assert paths(hub) == before
    with pytest.raises(BadName, match=r"'\.\./acme' is no client's name"):
        hub.purge("../acme")


def test_a_link_in_the_place_of_a_client_is_purged_and_not_followed(hub: Hub, tmp_path: Path) -> None:
    hub.publish(lora(0), OTHER)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("kept")
    os.symlink(outside, Path(hub.address) / "adapters" / "acme")
    hub.purge("acme")
    assert not os.path.lexists(Path(hub.address) / "adapters" / "acme")
    assert (outside / "file").read_text() == "kept"


def test_no_folder_that_is_a_link_is_read_or_written_through(hub: Hub, tmp_path: Path) -> None:
    hub.publish(lora(0), NAME)
    os.rename(Path(hub.address) / "adapters" / "acme", tmp_path / "acme")
    os.symlink(tmp_path / "acme", Path(hub.address) / "adapters" / "acme")
    with pytest.raises(Damaged, match="a folder on the way is a link"):
        hub.resolve(f"{NAME}@1")
    with pytest.raises(OSError, match="a folder on the way is a link"):
        hub.publish(lora(1), NAME)
    assert not (tmp_path / f"{NAME}/.records/000002.json").exists()


def test_a_remote_hub_is_verified_collected_purged_and_mended(bucket: str) -> None:
    hub = Hub(f"{bucket}/hub")
    for seed in range(2):
        hub.publish(lora(seed), NAME)
    hub.publish(lora(1), OTHER)
    hub.storage.create({"notes.txt": b""})
    assert [(one.kind, one.where) for one in hub.verify().findings] == [("stranger", "notes.txt")]
    hub.storage.remove("notes.txt")
    gone = weights(hub, f"{NAME}@1")
    hub.remove(f"{NAME}@1")
    assert hub.collect(HOUR).moved == 1 and thrown(hub) == [gone]
    assert hub.collect(0).deleted == [gone]
    assert hub.verify().findings == []
    lost = blob(weights(hub, OTHER))
    hub.storage.move(lost, f"{TRASH}/1700000000.00-0badcafe-{lost.rsplit('/', 1)[1]}")
    assert [one.kind for one in hub.verify().findings] == ["blob in the trash"]
    assert hub.repair().left == [] and hub.verify().findings == []
    done = hub.purge("acme")
    assert done.versions == 2 and len(done.shared) == 3
    assert not [path for path in paths(hub) if "acme" in path]
    assert hub.read(OTHER).method == lora().method
