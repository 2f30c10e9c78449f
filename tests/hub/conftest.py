"""A fresh hub for a test."""

from pathlib import Path

import pytest

from hub.hub import Hub


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path / "hub")
