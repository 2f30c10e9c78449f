"""An adapter in a folder, ready to be published, and a hub with three versions."""

from pathlib import Path

import pytest

from adapters.format import files
from hub.hub import Hub
from tests.hub.cli.clicks import REPORT
from tests.hub.conftest import Run
from tests.hub.tiny import NAME, lora


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A LoRA with its report and the digest of its data."""
    return files.write(lora(report=REPORT, data={"digest": "cd" * 32}), tmp_path / "adapter")


@pytest.fixture
def campaigns(run: Run) -> Hub:
    """Three versions in ./campaigns."""
    hub = Hub("campaigns")
    for seed in range(3):
        hub.publish(lora(seed), NAME, message=f"seed {seed}")
    return hub


@pytest.fixture
def live(campaigns: Hub) -> Hub:
    """The same, and the first of them is in production."""
    campaigns.set_alias(NAME, "production", 1)
    return campaigns
