"""A backup that was brought back in part, or over a newer hub: nothing that is still there is lost, no number of a
version is given a second time, and what is missing is told."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.format import WEIGHTS
from hub.errors import Damaged, HubError, NoHub, NotInHub, Refused
from hub.hub import Hub
from hub.storage.layout import BLOBS, alias_logs, home, ids, log, projection
from tests.hub.keeping.spoiling import found
from tests.hub.tiny import NAME, lora

PRODUCTION = f"{NAME}@production"


@dataclass
class Backed:
    """A hub of versions 1 to 4, production on 3, and a copy of it from when there were 1 and 2, production on 1."""

    root: Path
    older: Path

    @property
    def hub(self) -> Hub:
        return Hub(self.root, create=False)

    def bring_back(self, *parts: str) -> Hub:
        """Put parts of the copy into the place of those of the hub."""
        for part in parts:
            shutil.rmtree(self.root / part)
            shutil.copytree(self.older / part, self.root / part)
        return self.hub

    def lose(self, *parts: str) -> Hub:
        for part in parts:
            shutil.rmtree(self.root / part)
        return self.hub

    def had(self, numbers: Iterable[int]) -> bool:
        """Whether these versions hold what was published as them."""
        return all(
            self.hub.read(f"{NAME}@{number}").tensors["base_model.model.score.weight"].tolist()
            == lora(number).tensors["base_model.model.score.weight"].tolist()
            for number in numbers
        )


@pytest.fixture
def backed(hub: Hub, tmp_path: Path) -> Backed:
    root, older = Path(hub.address), tmp_path / "older"
    for number in (1, 2):
        hub.publish(lora(number), NAME, publish_id=f"id {number}")
    hub.set_alias(NAME, "production", 1)
    hub.search()
    shutil.copytree(root, older)
    for number in (3, 4):
        hub.publish(lora(number), NAME, publish_id=f"id {number}")
    hub.set_alias(NAME, "production", 4)
    hub.set_alias(NAME, "production", 3)
    return Backed(root, older)


@pytest.mark.parametrize("folders", ["with their folders", "without"])
def test_older_records_give_no_number_a_second_time(backed: Backed, folders: str) -> None:
    hub = backed.bring_back(log(NAME))
    if folders == "without":
        backed.lose(projection(NAME, 3), projection(NAME, 4))
    with pytest.raises(
        NotInHub, match=r"production means version 3, which has no record .* restored in part"
    ):
        hub.resolve(PRODUCTION)
    assert hub.publish(lora(9), NAME).number == 5
    with pytest.raises(NotInHub, match="@3 has no record"):
        hub.resolve(PRODUCTION)
    assert {"alias dangling", "record missing"} <= {kind for kind, *_ in found(hub)}
    with pytest.raises(Damaged, match=rf"(?s){NAME}@3 .*{NAME}@4"):
        hub.collect(0)
    hub.repair()
    assert backed.had([1, 2])
    records = backed.root / log(NAME)
    assert sorted(path.name for path in records.iterdir()) == ["000001.json", "000002.json", "000005.json"]


def test_what_was_not_lost_is_there_when_its_records_come_back(backed: Backed) -> None:
    newest = backed.root.parent / "newest"
    shutil.copytree(backed.root, newest)
    hub = backed.bring_back(log(NAME))
    with pytest.raises(Damaged, match="production means version 3, whose record is lost"):
        hub.collect(0)
    hub.publish(lora(9), NAME)
    hub.repair()
    for number in (3, 4):
        shutil.copy(newest / log(NAME) / f"{number:06d}.json", backed.root / log(NAME))
    assert backed.had([1, 2, 3, 4]) and found(backed.hub) == set()
    assert backed.hub.resolve(PRODUCTION).number == 3


def test_versions_whose_records_are_lost_can_be_given_up(backed: Backed) -> None:
    hub = backed.bring_back(log(NAME))
    with pytest.raises(Refused, match="alias set"):
        hub.remove(f"{NAME}@3")
    hub.set_alias(NAME, "production", 2)
    hub.publish(lora(9), NAME)
    for number in (3, 4):
        hub.remove(f"{NAME}@{number}")
    assert hub.collect(0).deleted and found(hub) == set() and backed.had([1, 2])


def test_records_of_which_none_is_left_give_no_number_a_second_time(backed: Backed) -> None:
    hub = backed.lose(log(NAME))
    assert hub.publish(lora(9), NAME).number == 5
    assert {kind for kind, *_ in found(hub)} == {"record missing", "alias dangling", "folder of no version"}
    with pytest.raises(NotInHub, match="@1 has no record"):
        hub.resolve(f"{NAME}@1")


def test_blobs_that_are_older_come_back_from_folders_or_are_told(backed: Backed) -> None:
    hub = backed.bring_back(BLOBS)
    assert {kind for kind, *_ in found(hub)} == {"blob missing"}
    hub.collect(0)
    assert not hub.repair().left and found(hub) == set() and backed.had([1, 2, 3, 4])
    backed.lose(BLOBS, projection(NAME, 3), projection(NAME, 4))
    left = {one.kind for one in hub.repair().left}
    assert left == {"blob missing"} and backed.had([1, 2])
    with pytest.raises(Damaged, match="publish the adapter again"):
        hub.read(f"{NAME}@3")
    hub.publish(lora(3), "acme/autumn/recommendation")
    assert backed.had([1, 2, 3])


def test_an_older_alias_log_means_what_it_says_and_goes_on(backed: Backed) -> None:
    hub = backed.bring_back(alias_logs(NAME))
    assert hub.resolve(PRODUCTION).number == 1 and found(hub) == set() and backed.had([1, 2, 3, 4])
    hub.set_alias(NAME, "production", 4)
    assert hub.rollback(NAME).number == 1


def test_an_older_copy_over_a_newer_hub_takes_nothing_away(backed: Backed) -> None:
    for path in sorted(backed.older.rglob("*")):
        target = backed.root / path.relative_to(backed.older)
        if path.is_file():
            target.unlink(missing_ok=True)
            shutil.copy2(path, target)
    hub = backed.hub
    assert found(hub) == set() and backed.had([1, 2, 3, 4]) and hub.resolve(PRODUCTION).number == 3
    assert len(hub.search(all_versions=True)) == 4
    assert hub.publish(lora(4), NAME, publish_id="id 4").number == 4
    assert hub.publish(lora(9), NAME).number == 5


@pytest.mark.parametrize("lost", ["index.sqlite", ids(NAME)])
def test_a_list_that_can_be_made_again_may_be_lost_or_older(backed: Backed, lost: str) -> None:
    hub = backed.hub
    for number in range(5, 70):
        hub.publish(lora(1), NAME, publish_id=f"id {number}")
    hub.search()
    for data in (None, (backed.older / lost).read_bytes() if (backed.older / lost).exists() else b""):
        (backed.root / lost).unlink(missing_ok=True)
        if data is not None:
            (backed.root / lost).write_bytes(data)
        hub = backed.hub
        assert len(hub.search(all_versions=True)) == 69
        assert hub.publish(lora(3), NAME, publish_id="id 3").number == 3
        assert hub.publish(lora(1), NAME, publish_id="id 69").number == 69


def test_a_hub_that_lost_its_marker_is_told_as_one(backed: Backed) -> None:
    (backed.root / "hub.json").unlink()
    for create in (True, False):
        with pytest.raises(NoHub, match=r"lost its hub\.json"):
            Hub(backed.root, create)
    shutil.copy(backed.older / "hub.json", backed.root)
    assert found(backed.hub) == set()


def test_an_alias_that_counts_beyond_all_numbers_stops_publishing_in_words(backed: Backed) -> None:
    event = backed.root / alias_logs(NAME) / "production" / "000003.json"
    event.chmod(0o644)
    told = event.read_text()
    event.write_text(told.replace('"version": 3', f'"version": {2**60}'))
    assert backed.hub.publish(lora(9), NAME).number == 5
    event.write_text(told.replace('"version": 3', '"version": 999999999'))
    with pytest.raises(HubError, match="set the alias again"):
        backed.hub.publish(lora(8), NAME)
    backed.hub.set_alias(NAME, "production", 2)
    assert backed.hub.publish(lora(8), NAME).number == 6


def test_a_client_that_is_lost_whole_leaves_its_blobs_for_the_grace(backed: Backed) -> None:
    hub = backed.lose(home("acme"))
    hub.collect()
    shutil.copytree(backed.older / home("acme"), backed.root / home("acme"))
    assert backed.had([1, 2]) and WEIGHTS in {file.name for file in hub.resolve(NAME).record.files}
