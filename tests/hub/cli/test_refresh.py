"""repertoire refresh as it is typed."""

import json
from pathlib import Path

import pytest

from hub.hub import Hub
from tests.adapters import models
from tests.hub.conftest import Run
from tests.hub.tiny import NAME, lora


def test_campaigns_that_have_nothing_to_learn_wait_and_say_why(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REPERTOIRE_FEEDBACK", raising=False)
    monkeypatch.setattr("adapters.load_base", lambda *_: models.base("llama"))
    hub = Hub("campaigns")
    hub.publish(lora(), NAME)
    Path("campaigns.yaml").write_text(f"campaigns:\n  - name: {NAME}\n")
    code, out, _ = run("refresh", "campaigns.yaml")
    assert code == 4 and "no production" in out
    hub.set_alias(NAME, "production", 1)
    code, out, _ = run("refresh", "campaigns.yaml", "--json")
    (found,) = json.loads(out)
    assert (code, found["happened"]) == (0, "waits") and "from 500 on" in found["why"]
    assert NAME in Path("refresh/refresh.md").read_text()


def test_what_cannot_be_read_is_told_before_a_base_loads(run: Run) -> None:
    Hub("campaigns")
    Path("campaigns.yaml").write_text("campaigns: []\n")
    assert run("refresh", "campaigns.yaml")[0] == 2
    assert run("refresh", "absent.yaml")[0] == 2
    Path("campaigns.yaml").write_text(f"campaigns:\n  - name: {NAME}\n")
    code, _, error = run("refresh", "campaigns.yaml", "--every", "1w")
    assert code == 2 and "write 1d" in error
