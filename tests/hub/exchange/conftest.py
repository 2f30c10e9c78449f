"""Two hubs: one that is filled, and a copy of it."""

from pathlib import Path

import pytest

from hub.exchange import mirrors
from hub.hub import Hub
from tests.hub.exchange.contents import OTHER
from tests.hub.tiny import NAME, lora


@pytest.fixture
def filled(hub: Hub) -> Hub:
    """Two names, three versions, two with the same bytes, an alias that moved, a tombstone and a signature."""
    hub.publish(lora(1), NAME, publish_id="one")
    hub.publish(lora(2), NAME, publish_id="two")
    hub.publish(lora(1), OTHER, publish_id="three")
    hub.set_alias(NAME, "production", 1, why="first")
    hub.set_alias(NAME, "production", 2, why="better")
    hub.storage.create(
        {
            f"adapters/{NAME}/.signatures/000002/ab12.json": b'{"signature": "..."}',
            f"adapters/{OTHER}/.signatures/000001/ab12.json": b'{"signature": "..."}',
        }
    )
    return hub


@pytest.fixture
def parted(filled: Hub, tmp_path: Path) -> Hub:
    """A copy of `filled`, in which somebody published a version 3 too, of other bytes."""
    mirrors.push(filled, tmp_path / "copy")
    copy = Hub(tmp_path / "copy")
    filled.publish(lora(3), NAME, publish_id="ours")
    copy.publish(lora(4), NAME, publish_id="theirs")
    return copy


@pytest.fixture
def copy(filled: Hub, tmp_path: Path) -> Hub:
    """Another hub that holds what `filled` holds, and in both of them a version 3."""
    filled.publish(lora(3), NAME)
    mirrors.push(filled, tmp_path / "copy")
    return Hub(tmp_path / "copy")
