"""Where two hubs contradict each other: what is told, and what moves all the same."""

from pathlib import Path
from typing import Any

import pytest

from hub.errors import NotInHub
from hub.exchange import mirrors
from hub.hub import Hub
from hub.storage.layout import blob, projection
from hub.storage.local import Local
from tests.hub.exchange.contents import OTHER, TOMBSTONE, contents
from tests.hub.tiny import NAME, lora, prefix


def test_versions_that_differ_are_told_and_left_and_the_rest_moves(filled: Hub, parted: Hub) -> None:
    filled.publish(prefix(), OTHER)
    filled.set_alias(NAME, "production", 3)
    before = contents(parted.storage)
    moved = mirrors.push(filled, parted.address)
    [conflict] = moved.conflicts
    assert (conflict.name, conflict.what) == (NAME, "version 3")
    assert (conflict.source, conflict.target) == ("publish id ours", "publish id theirs")
    assert f"repertoire rm {NAME}@3" in str(conflict)
    assert moved.versions == (f"{OTHER}@2",)
    after = contents(parted.storage)
    assert {path: after[path] for path in before} == before
    assert not any(NAME in path for path in after.keys() - before.keys())


def test_a_version_that_is_removed_in_both_hubs_is_no_conflict_any_more(filled: Hub, parted: Hub) -> None:
    assert filled.publish(lora(3), NAME).number == 4
    for hub in (filled, parted):
        hub.storage.create({f"adapters/{NAME}/.tombstones/000003.json": b'{"version": 3}'})
    moved = mirrors.push(filled, parted.address)
    assert (moved.conflicts, moved.versions) == ((), (f"{NAME}@4",))


def test_an_alias_that_parted_is_told_until_it_means_the_same(filled: Hub, tmp_path: Path) -> None:
    mirrors.push(filled, tmp_path / "copy")
    copy = Hub(tmp_path / "copy")
    filled.set_alias(NAME, "production", 1, why="ours")
    copy.set_alias(NAME, "production", 2, why="theirs")
    filled.publish(lora(5), NAME)
    moved = mirrors.push(filled, copy.address)
    [conflict] = moved.conflicts
    assert (conflict.what, conflict.source, conflict.target) == ("alias production", "version 1", "version 2")
    assert moved.versions == (f"{NAME}@3",), "versions move all the same"
    assert copy.aliases(NAME)["production"] == 2
    copy.set_alias(NAME, "production", 1, why="agreed")
    assert mirrors.push(filled, copy.address).conflicts == ()


def test_a_version_that_the_other_hub_s_alias_means_is_not_removed_there(filled: Hub, copy: Hub) -> None:
    filled.remove(f"{NAME}@3", why="wrong client")
    copy.set_alias(NAME, "production", 3)
    copy.set_alias(NAME, "canary", 3)
    filled.publish(lora(4), OTHER)
    before = contents(copy.storage)
    for dry_run in (True, False, False):
        moved = mirrors.push(filled, copy.address, dry_run=dry_run)
        [conflict] = moved.conflicts
        assert (conflict.name, conflict.what) == (NAME, "version 3")
        assert (conflict.source, conflict.target) == ("removed", "what canary and production mean")
        assert f"repertoire alias set {NAME} ALIAS VERSION" in conflict.advice
        assert not any(NAME in path for path in moved.files) and moved.problems == ()
    after = contents(copy.storage)
    assert {path: after[path] for path in after if NAME in path} == {
        path: before[path] for path in before if NAME in path
    }
    assert copy.resolve(f"{NAME}@production").number == 3 and copy.resolve(OTHER).number == 2
    for alias in ("production", "canary"):
        copy.set_alias(NAME, alias, 2, why="3 is removed")
    moved = mirrors.push(filled, copy.address)
    assert (moved.conflicts, moved.files) == ((), (f"adapters/{NAME}/.tombstones/000003.json",))
    with pytest.raises(NotInHub, match=r"removed by .*wrong client"):
        copy.resolve(f"{NAME}@3")


def test_an_alias_of_a_version_that_the_other_hub_removed_does_not_move(filled: Hub, copy: Hub) -> None:
    copy.remove(f"{NAME}@3")
    filled.set_alias(NAME, "production", 3)
    filled.set_alias(NAME, "canary", 3)
    filled.set_alias(NAME, "fallback", 1)
    for _ in range(2):
        moved = mirrors.push(filled, copy.address)
        [conflict] = moved.conflicts
        assert (conflict.name, conflict.what) == (NAME, "version 3")
        assert (conflict.source, conflict.target) == ("what canary and production mean", "removed")
        assert moved.problems == ()
    assert copy.aliases(NAME) == {"production": 2, "fallback": 1, "latest": 2}
    filled.set_alias(NAME, "production", 1)
    filled.set_alias(NAME, "canary", 2)
    assert mirrors.push(filled, copy.address).conflicts == ()
    assert copy.aliases(NAME) == {"production": 1, "canary": 2, "fallback": 1, "latest": 2}
    assert copy.verify().findings == []


def test_sync_tells_a_removal_against_an_alias_once_and_from_either_side(filled: Hub, copy: Hub) -> None:
    filled.remove(f"{NAME}@3")
    copy.set_alias(NAME, "production", 3)
    before = contents(filled.storage), contents(copy.storage)
    for one, other in ((filled, copy), (copy, filled)):
        there, back = mirrors.sync(one, other.address)
        assert [(conflict.name, conflict.what) for conflict in there.conflicts + back.conflicts] == [
            (NAME, "version 3")
        ] * 2
        assert (there.files, back.files) == ((), ())
    assert (contents(filled.storage), contents(copy.storage)) == before
    copy.set_alias(NAME, "production", 2)
    there, back = mirrors.sync(filled, copy.address)
    assert there.conflicts == back.conflicts == ()
    assert contents(filled.storage) == contents(copy.storage)
    assert filled.verify().sound and copy.verify().sound


@pytest.mark.parametrize("command", ["push", "pull", "sync"])
def test_a_version_that_its_alias_left_before_it_was_removed_is_removed_everywhere(
    filled: Hub, copy: Hub, command: str
) -> None:
    """The other hub's alias means it until the same run moves it away."""
    filled.set_alias(NAME, "production", 3)
    mirrors.push(filled, copy.address)
    filled.set_alias(NAME, "production", 1)
    filled.remove(f"{NAME}@3")
    if command == "push":
        done = (mirrors.push(filled, copy.address),)
    elif command == "pull":
        done = (mirrors.pull(copy.address, filled.address),)
    else:
        done = mirrors.sync(copy, filled.address)
    assert [each.conflicts for each in done] == [()] * len(done)
    assert contents(copy.storage) == contents(filled.storage)
    assert copy.verify().findings == []
    assert not copy.storage.exists(projection(NAME, 3)), "its folder goes at once, as with `rm`"


def test_no_alias_of_the_other_hub_means_a_removed_version_at_any_moment(
    filled: Hub, copy: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.set_alias(NAME, "production", 3)
    mirrors.push(filled, copy.address)
    filled.set_alias(NAME, "production", 1)
    filled.remove(f"{NAME}@3")
    real, meant = Local.create, []

    def watched(self: Local, files: Any, then: Any = None) -> set[str]:
        created = real(self, files, then)
        meant.append(copy.resolve(f"{NAME}@production").number)
        return created

    monkeypatch.setattr(Local, "create", watched)
    mirrors.push(filled, copy.address)
    assert set(meant) == {3, 1}


def test_an_alias_that_moves_to_a_removed_version_meanwhile_keeps_it(
    filled: Hub, copy: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.remove(f"{NAME}@3")
    filled.set_alias(NAME, "canary", 1)
    real, done = Local.create, []

    def slow(self: Local, files: Any, then: Any = None) -> set[str]:
        if not done and any("/.events/canary/" in path for path in files):
            done.append(1)
            copy.set_alias(NAME, "production", 3)
        return real(self, files, then)

    monkeypatch.setattr(Local, "create", slow)
    moved = mirrors.push(filled, copy.address)
    assert [conflict.target for conflict in moved.conflicts] == ["what production means"]
    assert moved.files == (f"adapters/{NAME}/.events/canary/000001.json",)
    assert copy.resolve(f"{NAME}@production").number == 3


def test_where_the_next_version_stays_behind_the_last_one_is_not_removed(filled: Hub, copy: Hub) -> None:
    filled.set_alias(NAME, "production", 3)
    mirrors.push(filled, copy.address)
    filled.set_alias(NAME, "production", filled.publish(lora(4), NAME).number)
    filled.remove(f"{NAME}@3")
    weights = filled.resolve(f"{NAME}@4").record.file("adapter_model.safetensors").sha256
    filled.storage.replace(blob(weights), b"damaged")
    moved = mirrors.push(filled, copy.address)
    assert [problem.split(":")[0] for problem in moved.problems] == [f"{NAME}@4 stays behind"]
    assert [(conflict.what, conflict.target) for conflict in moved.conflicts] == [
        ("version 3", "what production means")
    ]
    assert copy.resolve(f"{NAME}@production").number == 3


def test_an_alias_that_its_own_hub_lets_mean_a_removed_version_stays_behind(filled: Hub, copy: Hub) -> None:
    filled.set_alias(NAME, "production", 3)
    filled.storage.create({f"adapters/{NAME}/.tombstones/000003.json": TOMBSTONE.replace(b"1", b"3", 1)})
    moved = mirrors.push(filled, copy.address)
    assert moved.problems == (
        f"alias production of {NAME} stays behind: it means version 3, which was removed",
    )
    assert (moved.conflicts, moved.files) == ((), (f"adapters/{NAME}/.tombstones/000003.json",))
    assert copy.aliases(NAME) == {"production": 2, "latest": 2}


def test_a_mirror_of_a_part_keeps_what_its_alias_means(filled: Hub, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirrors.pull(mirror, filled.address, only=[f"{NAME}@production"])
    filled.publish(lora(3), NAME)
    filled.set_alias(NAME, "production", 3)
    filled.remove(f"{NAME}@2")
    part = Hub(mirror)
    part.set_alias(NAME, "pinned", 2)
    moved = mirrors.pull(mirror, filled.address)
    [conflict] = moved.conflicts
    assert (conflict.what, conflict.source, conflict.target) == ("version 2", "removed", "what pinned means")
    assert part.aliases(NAME) == {"production": 3, "pinned": 2, "latest": 3}
    part.set_alias(NAME, "pinned", 3)
    assert mirrors.pull(mirror, filled.address).conflicts == ()
    assert mirrors.push(part, filled.address).conflicts == ()
    assert contents(part.storage).keys() == {
        path for path in contents(filled.storage) if not path.startswith("blobs/")
    } | {path for path in contents(part.storage) if path.startswith("blobs/")}
