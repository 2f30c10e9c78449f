"""Publish, resolve, list, read: what goes in under a name comes out under it."""

import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from adapters import Adapter
from adapters.format import files
from hub.errors import Damaged, HubError, NotInHub, Refused
from hub.hub import Hub
from hub.storage.local import Local
from tests.hub.tiny import NAME, lora, prefix


def tensors(adapter: Adapter) -> dict[str, list[float]]:
    return {name: tensor.tolist() for name, tensor in adapter.tensors.items()}


def test_what_was_published_is_read_back_bit_for_bit(hub: Hub) -> None:
    adapter = lora(
        recipe={"task": "recommendation"},
        report={"before": {"auc": 0.5}, "after": {"auc": 0.75, "x": float("nan")}},
    )
    version = hub.publish(adapter, NAME, tags=["spring"], message="first")
    back = hub.read(NAME)
    assert {name: t.tolist() for name, t in back.tensors.items()} == {
        n: t.tolist() for n, t in adapter.tensors.items()
    }
    assert (back.method, back.head, back.base, back.task) == (
        adapter.method,
        adapter.head,
        adapter.base,
        adapter.task,
    )
    record = version.record
    assert (record.version, record.parent, record.tags, record.message) == (1, None, ("spring",), "first")
    assert (record.base.fingerprint, record.method, record.rank, record.labels) == (
        "ab" * 32,
        "lora",
        2,
        ("0", "1"),
    )
    assert record.metrics == {"before": {"auc": 0.5}, "after": {"auc": 0.75, "x": None}}, (
        "an undefined metric is null"
    )


def test_versions_count_up_and_never_change(hub: Hub) -> None:
    for seed in range(3):
        hub.publish(lora(seed), NAME)
    assert [v.reference for v in hub.versions(NAME)] == [f"{NAME}@1", f"{NAME}@2", f"{NAME}@3"]
    assert [v.record.parent for v in hub.versions(NAME)] == [None, 1, 2]
    assert hub.resolve(NAME).number == 3
    assert tensors(hub.read(f"{NAME}@2")) == tensors(lora(1)) != tensors(lora(2))


def test_aliases_follow_their_log(hub: Hub) -> None:
    for seed in range(2):
        hub.publish(lora(seed), NAME)
    hub.set_alias(NAME, "production", 2, why="better")
    hub.set_alias(NAME, "production", 1, why="not in the field")
    assert hub.resolve(f"{NAME}@production").number == 1
    assert hub.aliases(NAME) == {"production": 1, "latest": 2}
    with pytest.raises(NotInHub, match="no version 3; it has 1 to 2"):
        hub.set_alias(NAME, "production", 3)
    with pytest.raises(NotInHub, match="no alias 'staging'; it has production, latest and versions 1 to 2"):
        hub.resolve(f"{NAME}@staging")


def test_a_name_that_is_not_there_brings_near_names(hub: Hub) -> None:
    with pytest.raises(NotInHub, match="the hub is empty"):
        hub.resolve(NAME)
    hub.publish(lora(), NAME)
    hub.publish(lora(), "globex/launch/ad-copy")
    with pytest.raises(NotInHub, match=r"did you mean acme/spring/recommendation\?$"):
        hub.resolve("acme/sprint/recomendation")
    with pytest.raises(NotInHub, match="`repertoire ls`"):
        hub.versions("x/y/z")


def test_list_gives_the_newest_version_of_each_name_that_fits(hub: Hub) -> None:
    hub.publish(lora(0), NAME)
    hub.publish(lora(1), NAME, tags=["hot"])
    hub.publish(prefix(), "globex/launch/ad-copy")
    assert hub.names() == (NAME, "globex/launch/ad-copy")

    def found(**wanted: str) -> list[str]:
        return [version.reference for version in hub.list(**wanted)]

    assert found() == [f"{NAME}@2", "globex/launch/ad-copy@1"]
    assert (
        found(client="globex")
        == found(method="prefix")
        == found(task="ad-copy")
        == ["globex/launch/ad-copy@1"]
    )
    assert found(campaign="spring") == found(tag="hot") == [f"{NAME}@2"]
    assert found(base="starter", client="nobody") == []


def test_publishing_again_with_the_same_id_gives_the_same_version(hub: Hub) -> None:
    first = hub.publish(lora(0), NAME, publish_id="job-7")
    hub.publish(lora(1), NAME, publish_id="job-8")
    assert hub.publish(lora(0), NAME, publish_id="job-7") == first
    assert len(hub.versions(NAME)) == 2
    with pytest.raises(Refused, match=f"already stands for {NAME}@1, which has other weights"):
        hub.publish(lora(2), NAME, publish_id="job-7")


def test_a_publisher_that_was_not_the_first_reads_only_what_is_new_and_finds_its_id_there(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.publish(lora(0), NAME)
    faster = Hub(hub.address)
    reads: list[int] = []
    real_create, real_read = Local.create, Local.read

    def read(self: Local, path: str, *most: int | None) -> bytearray:
        if self is hub.storage and "/.records/" in path:
            reads.append(int(Path(path).stem))
        return real_read(self, path, *most)

    def create(self: Local, given: Any, then: Any = None) -> set[str]:
        there = len(faster.versions(NAME))
        if self is hub.storage and then and there < 4:
            faster.publish(lora(3), NAME, publish_id="job" if there == 3 else f"other-{there}")
        return real_create(self, given, then)

    monkeypatch.setattr(Local, "read", read)
    monkeypatch.setattr(Local, "create", create)
    assert hub.publish(lora(3), NAME, publish_id="job").number == 4
    assert len(faster.versions(NAME)) == 4
    assert reads[:4] == [1, 2, 3, 4], "each once, until the id was found"


def test_a_version_folder_is_a_plain_peft_directory_of_read_only_links(hub: Hub) -> None:
    version = hub.publish(lora(), NAME)
    assert sorted(os.listdir(version.folder)) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert files.read(version.folder).method == lora().method
    assert stat.S_IMODE((version.folder / files.WEIGHTS).stat().st_mode) & 0o222 == 0
    for file in version.record.files:
        assert (version.folder / file.name).stat().st_size == file.size
    shutil.rmtree(version.folder)
    assert hub.project(version) == version.folder
    assert files.read(version.folder).method == lora().method


def test_equal_content_is_stored_once_and_has_one_digest(hub: Hub) -> None:
    first, second = hub.publish(lora(), NAME), hub.publish(lora(), "globex/launch/recommendation")
    assert first.digest == second.digest != hub.publish(lora(5), NAME).digest
    blobs = [path for path in (Path(hub.address) / "blobs").rglob("*") if path.is_file()]
    assert len(blobs) == 3 + 1, "config and card are shared by all three, weights by two"


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def test_a_flipped_bit_is_found_before_anything_is_parsed(hub: Hub) -> None:
    version = hub.publish(lora(), NAME)
    weights = version.record.file(files.WEIGHTS).sha256
    blob = Path(hub.address) / "blobs" / "sha256" / weights[:2] / weights
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    rewrite(blob, bytes(data))
    with pytest.raises(Damaged, match=f"blob {weights} holds other bytes"):
        hub.read(NAME)
    hub.publish(lora(), NAME)
    assert hub.read(f"{NAME}@1").method == lora().method, "publishing the same content again mends the blob"


def test_a_link_in_the_place_of_a_blob_is_not_followed(hub: Hub, tmp_path: Path) -> None:
    version = hub.publish(lora(), NAME)
    digest = version.record.file(files.WEIGHTS).sha256
    blob = Path(hub.address) / "blobs" / "sha256" / digest[:2] / digest
    shutil.copy(blob, tmp_path / "elsewhere")
    blob.unlink()
    blob.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Damaged, match="cannot be read"):
        hub.read(version)


def test_records_that_lie_are_found(hub: Hub) -> None:
    hub.publish(lora(0), NAME)
    hub.publish(lora(1), NAME)
    folder = Path(hub.address) / "adapters" / NAME / ".records"
    rewrite(folder / "000001.json", (folder / "000002.json").read_bytes())
    with pytest.raises(Damaged, match=f"says that it is {NAME}@2"):
        hub.resolve(f"{NAME}@1")
    rewrite(folder / "000001.json", b'{"format": 1')
    with pytest.raises(Damaged, match="cannot be read"):
        hub.resolve(f"{NAME}@1")
    rewrite(folder / "000001.json", b'{"format": 99}')
    with pytest.raises(Damaged, match="newer Repertoire; upgrade"):
        hub.resolve(f"{NAME}@1")


def test_a_hub_is_made_only_where_there_is_room(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="no hub at"):
        Hub(tmp_path / "new", create=False)
    assert Hub(tmp_path / "new").id == Hub(tmp_path / "new", create=False).id
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(HubError, match="holds other files"):
        Hub(tmp_path / "full")
    (tmp_path / "new" / "hub.json").chmod(0o644)
    (tmp_path / "new" / "hub.json").write_text('{"format": 2, "id": "x"}')
    with pytest.raises(HubError, match="hub format 2, this Repertoire reads 1"):
        Hub(tmp_path / "new")


def test_strangers_in_the_hub_are_not_names(hub: Hub) -> None:
    hub.publish(lora(), NAME)
    (Path(hub.address) / "adapters" / ".DS_Store").write_text("")
    (Path(hub.address) / "adapters" / "acme" / "notes.txt").write_text("")
    (Path(hub.address) / "adapters" / "acme" / "Spring" / "x").mkdir(parents=True)
    (Path(hub.address) / "adapters" / "link").symlink_to(Path(hub.address) / "adapters" / "acme")
    assert hub.names() == (NAME,)
