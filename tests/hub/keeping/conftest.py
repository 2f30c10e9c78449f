"""A hub to be spoiled."""

from pathlib import Path

import pytest

from hub.hub import Hub
from tests.hub.keeping.spoiling import OTHER
from tests.hub.tiny import NAME, lora, prefix


@pytest.fixture
def root(hub: Hub) -> Path:
    """A hub with two versions, an alias, and another client."""
    hub.publish(lora(0), NAME)
    hub.publish(lora(1), NAME)
    hub.publish(prefix(), OTHER)
    hub.set_alias(NAME, "production", 1)
    return Path(hub.address)
