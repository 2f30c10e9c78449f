"""What lies in a log and is no entry of it hides nothing, stops nothing, and is set aside by a repair."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from hub.errors import Damaged
from hub.exchange.mirrors import push
from hub.hub import Hub
from hub.storage.layout import alias_log, log, numbered, tombstones
from hub.storage.local import Local
from tests.hub.keeping.spoiling import HOME, OTHER, flip, found, plant, rewrite, weights, written
from tests.hub.tiny import NAME, lora, prefix

STRAYS = [b"{}", b"", b"\xff\x00", b"[" * 100_000, b"null", b'{"format": "1"}']


@pytest.mark.parametrize("data", STRAYS)
@pytest.mark.parametrize("number", [4, 50, 999_999_999])
def test_a_stray_record_hides_no_publication_and_stops_nothing(
    hub: Hub, root: Path, number: int, data: bytes
) -> None:
    stray = numbered(log(NAME), number)
    (root / stray).write_bytes(data)
    (root / stray).chmod(0o444)
    assert ("stray", stray, "damage") in found(hub)
    assert hub.resolve(NAME).number == 2
    made = hub.publish(lora(3), NAME)
    assert (made.number, hub.resolve(NAME).number) == (3, 3)
    assert hub.publish(lora(4), NAME, publish_id="night").number == hub.resolve(NAME).number
    assert hub.publish(lora(4), NAME, publish_id="night").number == hub.resolve(NAME).number
    assert [one.reference for one in hub.search(name=NAME)] == [hub.resolve(NAME).reference]
    hub.collect()
    hub.history(NAME)
    hub.repair()
    assert {kind for kind, _, level in found(hub) if level != "note"} == set()
    assert Hub(root).resolve(NAME).number == hub.resolve(NAME).number == len(hub.store.numbers(log(NAME)))


@pytest.mark.parametrize("number", [3, 90, 999_999_999])
def test_a_stray_event_leaves_the_alias_as_it_was_set(hub: Hub, root: Path, number: int) -> None:
    stray = numbered(alias_log(NAME, "production"), number)
    written(b"{}")(root / stray)
    assert ("stray", stray, "damage") in found(hub)
    assert hub.aliases(NAME)["production"] == 1
    hub.set_alias(NAME, "production", 2)
    assert hub.aliases(NAME)["production"] == Hub(root).resolve(f"{NAME}@production").number == 2
    assert hub.rollback(NAME).number == 1
    assert [entry.version for entry in hub.history(NAME, "production")][-1] == 1
    hub.repair()
    assert hub.aliases(NAME)["production"] == 1


@pytest.mark.parametrize("number", [3, 999_999_999])
def test_a_stray_tombstone_removes_nothing_that_is_published_later(hub: Hub, root: Path, number: int) -> None:
    stray = numbered(tombstones(NAME), number)
    (root / stray).parent.mkdir()
    written(b"{}")(root / stray)
    assert ("stray", stray, "damage") in found(hub)
    made = hub.publish(lora(3), NAME)
    assert hub.resolve(NAME).reference == made.reference
    hub.collect()


def test_a_tombstone_whose_record_is_lost_keeps_its_number(hub: Hub, root: Path) -> None:
    hub.remove(f"{NAME}@2")
    (root / numbered(log(NAME), 2)).unlink()
    assert hub.publish(lora(3), NAME).number == hub.resolve(NAME).number == 3


def test_a_damaged_last_version_is_told_and_no_stray(hub: Hub, root: Path) -> None:
    rewrite(root / numbered(log(NAME), 2), b"{}")
    with pytest.raises(Damaged):
        hub.resolve(NAME)
    (root / numbered(log(NAME), 1)).unlink()  # and what lies beside it, where a folder speaks of it
    with pytest.raises(Damaged):
        hub.resolve(NAME)
    assert hub.publish(lora(3), NAME).number == 3


def test_lost_records_next_to_each_other_hide_no_later_one(hub: Hub, root: Path) -> None:
    for seed in range(2, 12):
        hub.publish(lora(seed), NAME)
    for lost in (7, 8, 9, 10):
        (root / numbered(log(NAME), lost)).unlink()
    assert Hub(root).resolve(NAME).number == 12
    assert (hub.publish(lora(20), NAME).number, hub.resolve(NAME).number) == (13, 13)


def test_verify_is_linear_in_what_is_there(hub: Hub, root: Path) -> None:
    record = json.loads((root / numbered(log(NAME), 2)).read_bytes())
    far = 999_999_999
    written(json.dumps(record | {"version": far, "parent": far - 1}).encode())(
        root / numbered(log(NAME), far)
    )
    assert ("record missing", numbered(log(NAME), 3), "damage") in found(hub)
    with pytest.raises(Damaged, match="no records 3 to"):
        hub.collect()
    assert hub.resolve(NAME).number == far
    assert [one.reference for one in hub.search(name=NAME)] == [f"{NAME}@{far}"]


def test_what_was_set_aside_is_kept_noted_and_purged_with_its_client(hub: Hub, root: Path) -> None:
    written(b"mine")(root / numbered(log(NAME), 50))
    planned = hub.repair(dry_run=True)
    done = hub.repair()
    assert done.mended == planned.mended and done.left == []
    [aside] = [path for path in (root / ".aside").rglob("*") if path.is_file()]
    assert aside.read_bytes() == b"mine"
    assert {(kind, level) for kind, _, level in found(hub)} == {("set aside", "note")}
    hub.collect(grace=0)
    assert aside.exists()
    hub.purge("acme")
    assert not aside.exists()


def test_a_stray_does_not_go_to_another_hub(hub: Hub, root: Path, tmp_path: Path) -> None:
    written(b"{}")(root / numbered(log(NAME), 50))
    written(b"{}")(root / numbered(alias_log(NAME, "production"), 50))
    assert push(hub, tmp_path / "other").problems == ()
    there = Hub(tmp_path / "other")
    assert (there.resolve(NAME).number, there.aliases(NAME)["production"]) == (2, 1)
    assert there.verify().findings == []


@pytest.mark.parametrize("code", [errno.EMLINK, errno.EPERM, errno.ENOTSUP])
def test_where_links_end_folders_are_copies(
    hub: Hub, root: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def limited(source: Path, target: Path, **options: bool) -> None:
        if "blobs" in Path(source).parts:
            raise OSError(code, os.strerror(code))
        link(source, target, **options)

    monkeypatch.setattr(os, "link", limited)
    made = hub.publish(lora(9), NAME)
    assert made.folder is not None and made.folder.is_dir()
    for version in (1, 2):
        shutil.rmtree(root / HOME / f"v00000{version}")
    assert hub.repair().left == []
    assert found(hub) == set()


def test_what_cannot_be_mended_is_told_and_the_rest_is_mended(
    hub: Hub, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in (1, 2):
        shutil.rmtree(root / HOME / f"v00000{version}")
    project = Local.project

    def full(self: Local, folder: str, files: dict[str, str]) -> None:
        if folder.endswith("v000001"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        project(self, folder, files)

    monkeypatch.setattr(Local, "project", full)
    done = hub.repair()
    assert [(one.kind, one.where) for one in done.left] == [("folder missing", f"{HOME}/v000001")]
    assert "No space left" in done.left[0].what
    assert (root / HOME / "v000002").is_dir()


def test_an_edit_in_place_is_told_by_the_file_that_all_share(hub: Hub, root: Path, tmp_path: Path) -> None:
    push(hub, tmp_path / "other")
    hub.publish(lora(0), OTHER.replace("ad-copy", "recommendation"))
    flip(hub, root)
    told = {one.where: one for one in hub.verify().findings}[weights(hub)]
    assert f"{HOME}/v000001" in told.what and "globex/launch/recommendation/v000001" in told.what
    assert weights(hub) in {one.where for one in hub.repair().left}
    done = hub.repair(other=Hub(tmp_path / "other"))
    assert done.left == [] and done.mended[weights(hub)] == f"brought back from {tmp_path / 'other'}"
    assert found(hub) == set()


def test_any_sound_copy_in_the_hub_heals_a_blob(hub: Hub, root: Path) -> None:
    good = (root / weights(hub)).read_bytes()
    plant("adapters/acme/kept by hand.bin", written(good))(hub, root)
    flip(hub, root)
    hub.repair()
    assert (root / weights(hub)).read_bytes() == good
    assert hub.read(f"{NAME}@1").method == lora().method and prefix() is not None
