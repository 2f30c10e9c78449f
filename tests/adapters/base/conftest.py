"""A base on disk that the quantized layers of bitsandbytes take."""

from pathlib import Path

import pytest

from tests.adapters import models


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A client's own checkpoint; not to be changed."""
    return models.saved("llama", tmp_path_factory.mktemp("models") / "tiny-llama", **models.ROOMY)
