"""What a hub needs: the blobs of versions that stand, of aliases, and of versions whose records are lost."""

import json
from pathlib import Path

import pytest

from hub.errors import Damaged
from hub.hub import Hub
from tests.hub.tiny import NAME, lora

OTHER = "globex/launch/recommendation"


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
