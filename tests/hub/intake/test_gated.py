"""Gates that close: a hub refuses what failed them, and remembers who pushed it through and why."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapters import Adapter
from adapters.format import files
from hub.catalogue import records
from hub.errors import Refused
from hub.hub import Hub
from tests.hub.cli.clicks import REPORT, clicks
from tests.hub.conftest import Run
from tests.hub.tiny import NAME, lora

SENTENCE = "the gain in auc over TF-IDF is +0.010 (95 %: -0.020 to +0.040); wanted +0.000 or more"


def judged(passed: bool) -> Adapter:
    verdict = {"gate": "min_gain", "passed": passed, "wanted": 0.0, "found": 0.01, "sentence": SENTENCE}
    return lora(report=REPORT, gates={"passed": passed, "verdicts": [verdict]})


def test_a_hub_refuses_what_failed_its_gates_with_the_reasons(hub: Hub) -> None:
    with pytest.raises(Refused, match="did not pass its recipe's gates") as caught:
        hub.publish(judged(False), NAME)
    assert f"min_gain: {SENTENCE}" in str(caught.value)
    assert "--force --reason TEXT" in str(caught.value)
    assert hub.names() == ()


def test_what_passed_is_taken_and_a_reason_that_was_not_needed_is_not_kept(hub: Hub) -> None:
    record = hub.publish(judged(True), NAME, force_reason="just in case").record
    assert record.forced is None
    assert record.gates is not None and record.gates["passed"] is True
    assert hub.publish(lora(), NAME).record.gates is None


def test_force_needs_a_reason_and_the_record_keeps_it(hub: Hub) -> None:
    with pytest.raises(Refused, match="say why"):
        hub.publish(judged(False), NAME, force_reason="  ")
    hub.publish(judged(False), NAME, force_reason="the client asked for a pilot")
    record = hub.resolve(NAME).record
    assert record.forced == "the client asked for a pilot"
    assert record.gates is not None and record.gates["verdicts"][0]["sentence"] == SENTENCE


@pytest.mark.parametrize("gates", [{}, {"passed": "yes"}, "passed", {"passed": False, "verdicts": [3]}])
def test_a_mark_that_does_not_say_passed_is_a_failure(hub: Hub, gates: Any) -> None:
    with pytest.raises(Refused, match="gates"):
        hub.publish(lora(gates=gates), NAME)


def test_records_from_before_there_were_gates_are_read(hub: Hub) -> None:
    record = hub.publish(lora(), NAME).record
    old = json.loads(record.to_bytes())
    del old["gates"], old["forced"]
    assert records.from_bytes(json.dumps(old).encode(), NAME, 1) == record


def test_the_command_line_refuses_forces_and_shows(run: Run, tmp_path: Path) -> None:
    folder = files.write(judged(False), tmp_path / "adapter")
    code, _, err = run("publish", folder, NAME)
    assert code == 4 and SENTENCE in err
    for half in (("--force",), ("--reason", "pilot")):
        code, _, err = run("publish", folder, NAME, *half)
        assert code == 2 and "go together" in err
    assert run("publish", folder, NAME, "--force", "--reason", "pilot")[0] == 0
    code, out, _ = run("show", NAME)
    assert code == 0
    assert "pilot (its gates had failed)" in out
    assert f"✗ gate min_gain: {SENTENCE}" in out


def test_train_says_that_publish_will_refuse_and_publish_does(run: Run, tmp_path: Path) -> None:
    words = ("--column", "user=shopper", "--column", "ad=banner", "--column", "clicked=bought")
    labels = ("--label", "1=Yes.", "--label", "0=No.")
    options = ("--set", "train.max_steps=1", "--set", "lora.rank=2", "--set", "gates.min_gain=0.9")
    data = clicks(tmp_path / "clicks.csv")
    code, out, err = run("train", "recommendation", data, "--out", "made", *words, *labels, *options)
    assert code == 0, err
    assert "✗ gate min_gain: the gain in auc over" in out
    assert "publish will refuse it" in out
    assert run("publish", "made", NAME)[0] == 4
