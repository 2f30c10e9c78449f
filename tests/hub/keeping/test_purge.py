"""Purges: nothing of the client stays, and everything of others does."""

import json
import os
from pathlib import Path

import pytest

from adapters.format import files
from hub.errors import BadName, Damaged
from hub.hub import Hub
from hub.storage.layout import TRASH, blob
from tests.hub.looking import paths, thrown, weights
from tests.hub.tiny import NAME, lora, prefix

OTHER = "globex/launch/recommendation"
HOUR = 3600.0


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
    with pytest.raises(Damaged, match="a folder on the way is a link"):
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
