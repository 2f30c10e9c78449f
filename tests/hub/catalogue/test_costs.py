"""What a call reads does not grow with the history of a name: counted in files, never in seconds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hub.catalogue import aliases
from hub.errors import Damaged
from hub.hub import Hub
from hub.storage.layout import alias_log, ids, log, numbered
from tests.hub.counting import Counted
from tests.hub.tiny import NAME, lora


def grow(hub: Hub, versions: int) -> None:
    """More versions of the same content, written as files."""
    record = hub.resolve(NAME).record
    for number in range(record.version + 1, versions + 1):
        told = record.model_copy(
            update={"version": number, "parent": number - 1, "publish_id": f"id {number}"}
        )
        (Path(hub.address) / numbered(log(NAME), number)).write_bytes(told.to_bytes())


def cost(call: Callable[[], object]) -> tuple[int, int]:
    """How many files of the hub a call reads, and how many folders it lists."""
    with Counted() as counted:
        call()
    return len(counted.read), len(counted.listed)


def test_a_publication_looks_at_as_much_of_a_long_history_as_of_a_short_one(hub: Hub) -> None:
    hub.publish(lora(2), NAME)
    found = {}
    for versions in (100, 600):
        grow(hub, versions)
        hub.publish(lora(1), NAME, publish_id=f"first beyond {versions}")
        found[versions] = (
            cost(lambda: hub.publish(lora(2), NAME)),
            cost(lambda at=versions: hub.publish(lora(2), NAME, publish_id=f"after {at}")),
        )
    (reads, lists), (with_id, lists_with_id) = found[600]
    assert found[600][0] == found[100][0] and lists == lists_with_id == 5
    assert with_id <= 2 * found[100][1][0] and reads < with_id < 40


def test_an_id_means_its_version_with_the_list_without_it_and_with_one_of_other_records(hub: Hub) -> None:
    hub.publish(lora(0), NAME, publish_id="a")
    grow(hub, 99)
    assert hub.publish(lora(1), NAME, publish_id="b").number == 100
    path = Path(hub.address) / ids(NAME)
    told = path.read_bytes()
    lines = told.partition(b"\n")[2]
    assert lines.count(b"\n") == 99
    for data in (
        None,
        b"",
        b"\xff",
        b"x\nnone\n",
        told[:-1],
        told[:-30],
        b"0" * 64 + b"\n" + lines,
        told.replace(b"\n1 ", b"\n1 0"),
        told.replace(b"\n1 ", b"\n7 "),
    ):
        path.unlink(missing_ok=True)
        if data is not None:
            path.write_bytes(data)
        assert hub.publish(lora(0), NAME, publish_id="a").number == 1
        assert hub.publish(lora(1), NAME, publish_id="b").number == 100
    assert len(hub.versions(NAME)) == 100


def test_what_a_damaged_record_may_say_is_not_listed_as_its_id(hub: Hub) -> None:
    hub.publish(lora(0), NAME, tags=["b"])
    grow(hub, 99)
    damaged = Path(hub.address) / numbered(log(NAME), 50)
    told = damaged.read_bytes()
    damaged.write_bytes(told.strip()[:-1])
    with pytest.raises(Damaged):
        hub.publish(lora(1), NAME, publish_id="b")
    assert b"\n50 ?\n" in (Path(hub.address) / ids(NAME)).read_bytes()
    damaged.write_bytes(told)
    assert hub.publish(lora(0), NAME, publish_id="id 50").number == 50


def test_pages_read_what_they_show(hub: Hub) -> None:
    hub.publish(lora(0), NAME)
    grow(hub, 300)
    assert cost(lambda: hub.versions(NAME, limit=10)) == (10, 2)
    reads, lists = cost(lambda: hub.history(NAME, limit=10))
    assert reads == 10 and lists <= 4
    assert [one.number for one in hub.versions(NAME, 3)] == [298, 299, 300]
    assert [one.number for one in hub.versions(NAME, 3, before=298)] == [295, 296, 297]
    assert hub.history(NAME, limit=7) == hub.history(NAME)[-7:]
    assert hub.versions(NAME, 0) == () == hub.history(NAME, limit=0)


def test_a_rollback_reads_the_events_that_it_passes(hub: Hub) -> None:
    hub.publish(lora(0), NAME)
    grow(hub, 3)
    folder = Path(hub.address) / alias_log(NAME, "production")
    folder.mkdir(parents=True)
    for number in range(1, 1001):
        event = aliases.event("production", number % 3 + 1, "ann", "")
        (folder / f"{number:06d}.json").write_bytes(event.to_bytes())
    reads, lists = cost(lambda: hub.rollback(NAME))
    assert reads < 12 and lists == 2
    assert hub.aliases(NAME)["production"] == 999 % 3 + 1


def test_a_publication_and_a_list_cost_no_more_in_a_hub_of_many_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    for names in (4, 200):
        root = tmp_path / str(names)
        told = Hub(root).publish(lora(0), "client-0/season/recommendation").record
        for number in range(1, names):
            own = told.model_copy(update={"name": f"client-{number}/season/recommendation"})
            path = root / numbered(log(own.name), 1)
            path.parent.mkdir(parents=True)
            path.write_bytes(own.to_bytes())
        # A folder that has just changed is looked at again; here all have been there for long.
        monkeypatch.setattr("hub.storage.local._SETTLED", -1e9)
        Hub(root).index.rebuild()
        found[names] = (
            cost(lambda root=root: Hub(root).publish(lora(1), "client-0/season/recommendation")),
            cost(lambda root=root: Hub(root).list(client="client-0")),
            cost(lambda root=root: Hub(root).resolve("client-1/season/recommendation")),
            cost(lambda root=root: Hub(root).publish(lora(2), "client-new/season/recommendation")),
        )
        assert len(Hub(root).list()) == names + 1
    assert found[4] == found[200]
    assert max(max(each) for each in found[200]) < 12
