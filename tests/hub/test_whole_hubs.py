"""Hubs that hypothesis draws and damages: see `whole_hubs.py` for what must hold."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.hub.whole_hubs import Plan, examine, plans


@pytest.fixture(autouse=True, scope="module")
def _hurry() -> None:
    """No power is cut here, so that nothing waits for the disk."""
    patch = pytest.MonkeyPatch()
    patch.setattr(os, "fsync", lambda descriptor: None)
    yield
    patch.undo()


@settings(max_examples=15, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(plans())
def test_whatever_lies_in_a_hub(plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        examine(Path(folder, "hub"), plan)
