"""Two hubs with one id, since a folder was copied and both go on publishing: nothing takes the place of another version
of the same number, and where the two meet, that is told."""

import shutil
from pathlib import Path

import pytest

from hub.exchange import mirrors
from hub.hub import Hub
from hub.storage.layout import INDEX
from tests.hub.exchange.contents import OTHER, contents
from tests.hub.s3 import Server
from tests.hub.tiny import NAME, lora


@pytest.fixture
def twin(filled: Hub, tmp_path: Path) -> Hub:
    """A copy of `filled` with its id; version 3 of one name was published in both, under one publish id."""
    filled.search()
    shutil.copytree(filled.address, tmp_path / "twin")
    twin = Hub(tmp_path / "twin")
    for number, hub in enumerate((filled, twin)):
        hub.publish(lora(3 + number), NAME, publish_id="next")
        hub.set_alias(NAME, "production", 3)
    twin.publish(lora(6), OTHER, publish_id="alone")
    return twin


def ids_of(hub: Hub) -> list[tuple[str, str]]:
    """What each version that stands was published as, and its content."""
    return [
        (each.reference, each.digest) for name in hub.names() for each in hub.versions(name) if hub.read(each)
    ]


@pytest.mark.parametrize("way", ["push", "pull", "sync", "a mirror"])
def test_a_number_that_both_gave_is_told_and_neither_is_replaced(
    filled: Hub, twin: Hub, tmp_path: Path, way: str
) -> None:
    assert filled.id == twin.id
    before = ids_of(filled), ids_of(twin)
    mirror = tmp_path / "mirror"
    if way == "push":
        moves = [mirrors.push(filled, twin.address)]
    elif way == "pull":
        moves = [mirrors.pull(filled.address, twin.address)]
    elif way == "sync":
        moves = [*mirrors.sync(filled, twin.address)]
    else:
        mirrors.pull(mirror, filled.address)
        moves = [mirrors.pull(mirror, twin.address), mirrors.push(twin, mirror)]
    for move in moves:
        assert [(one.name, one.what) for one in move.conflicts] == [(NAME, "version 3")]
    kept = Hub(mirror) if way == "a mirror" else filled
    alone = f"{OTHER}@2"
    assert [one for one in ids_of(kept) if one[0] != alone] == before[0]
    assert [one for one in ids_of(twin) if one[0] != alone] == [one for one in before[1] if one[0] != alone]
    for hub in (kept, twin):
        assert hub.verify().findings == []
        found = {each.reference for each in hub.search(all_versions=True)}
        assert found == {reference for reference, _ in ids_of(hub)}


def test_what_is_advised_brings_both_into_both(filled: Hub, twin: Hub) -> None:
    for number, hub in enumerate((filled, twin)):
        hub.set_alias(NAME, "production", 2)
        hub.remove(f"{NAME}@3")
        if number == 0:
            hub.publish(lora(3), NAME)
    moves = mirrors.sync(filled, twin.address)
    assert [move.conflicts for move in moves] == [(), ()]
    twin.publish(lora(4), NAME)
    assert mirrors.sync(filled, twin.address)[1].versions == (f"{NAME}@5",)
    assert ids_of(filled) == ids_of(twin)


def test_an_index_that_came_with_a_copy_tells_nothing_of_the_other_hub(filled: Hub, twin: Hub) -> None:
    for hub in (filled, twin):
        hub.index.rebuild()
    shutil.copy(Path(filled.address) / INDEX, Path(twin.address) / INDEX)
    for hub in (Hub(filled.address), Hub(twin.address)):
        found = {one.reference: one.digest for one in hub.search(all_versions=True)}
        assert found == {each.reference: each.digest for name in hub.names() for each in hub.versions(name)}


def test_nor_does_one_in_an_object_store(bucket: str, s3: Server) -> None:
    one, other = Hub(f"{bucket}/one"), f"{bucket}/other"
    one.publish(lora(1), NAME)
    client = s3.client()
    client.copy(f"{bucket}/one", other, recursive=True)
    two = Hub(other)
    assert two.id == one.id
    one.publish(lora(2), NAME)
    two.publish(lora(3), NAME)
    one.index.rebuild()
    client.copy(f"{bucket}/one/{INDEX}", f"{other}/{INDEX}")
    client.invalidate_cache()
    (found,) = Hub(other).search()
    assert found.digest == two.resolve(NAME).digest != one.resolve(NAME).digest


def test_bytes_of_both_in_one_folder_are_those_of_one_of_them(filled: Hub, twin: Hub) -> None:
    """As with a copy by hand of one over the other: its records are taken, its blobs stand beside."""
    for path in sorted(Path(twin.address).rglob("*")):
        target = Path(filled.address) / path.relative_to(twin.address)
        if path.is_file() and "v00" not in str(path):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            shutil.copy2(path, target)
    hub = Hub(filled.address)
    assert ids_of(hub) == ids_of(twin)
    assert {one.kind for one in hub.verify().findings} == {"folder differs", "folder missing"}
    assert not hub.repair().left and hub.verify().findings == []
    assert {one.digest for one in hub.search(name=NAME)} == {twin.resolve(NAME).digest}
    assert hub.publish(lora(4), NAME, publish_id="next").number == 3
    assert contents(hub.storage).keys() >= contents(twin.storage).keys()
