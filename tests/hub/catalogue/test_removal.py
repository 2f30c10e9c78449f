"""Removed versions: what they mean, who may remove them, and what stays."""

from pathlib import Path

import pytest

from hub.errors import BadName, Damaged, NotInHub, Refused
from hub.hub import Hub
from tests.hub.tiny import NAME, lora

OTHER = "globex/launch/recommendation"


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


def test_the_publish_id_of_a_removed_version_brings_nothing_back(hub: Hub) -> None:
    hub.publish(lora(), NAME, publish_id="job")
    hub.remove(f"{NAME}@1", who="ada", why="bad")
    with pytest.raises(Refused, match=rf"'job' stands for {NAME}@1, which was removed by ada.*use a new id"):
        hub.publish(lora(), NAME, publish_id="job")
    assert hub.publish(lora(), NAME, publish_id="job-2").number == 2
