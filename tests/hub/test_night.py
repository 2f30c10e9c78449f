"""`repertoire train jobs.yaml`: many clients in one night."""

import json
from pathlib import Path
from typing import Any

import pytest

from hub.hub import Hub
from recipes import resume
from tests.adapters import models
from tests.hub.conftest import Run
from tests.recipes.test_train import moods

JOBS = """
defaults:
  train: {epochs: 2, batch_size: 8}
  data: {max_tokens: 64}
jobs:
  - {name: acme/spring/behavior, recipe: behavior, data: moods0.csv}
  - {name: globex/launch/behavior, recipe: behavior-prefix, data: moods1.csv, set: {gates: {min_gain: 0.9}}}
  - {name: initech/sale/behavior, recipe: behavior, data: absent.csv}
"""
NIGHT = (
    "train", "jobs.yaml", "--out", "night", "--base", "base", "--quantization", "none", "--publish", "hub"
)  # fmt: skip


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """A file of jobs, and a base in a folder."""
    moods(tmp_path, 60)
    moods(tmp_path, 60, seed=1)
    (tmp_path / "jobs.yaml").write_text(JOBS)
    made = models.base("llama", tie_word_embeddings=False)
    made.model.save_pretrained(tmp_path / "base")
    made.tokenizer.save_pretrained(tmp_path / "base")
    return tmp_path


def test_a_night_trains_publishes_what_passed_and_says_why_the_others_did_not(run: Run, night: Path) -> None:
    code, out, _ = run(*NIGHT, "--json")
    passed, closed, failed = json.loads(out)
    assert code == 4, "one job has failed"
    assert passed["published"] == "acme/spring/behavior@1" and passed["error"] is None
    assert closed["gates"]["passed"] is False and closed["published"].startswith("refused")
    assert "absent.csv" in failed["error"]
    assert Hub(night / "hub").names() == ("acme/spring/behavior",)
    for name in ("acme/spring/behavior", "globex/launch/behavior"):
        assert (night / "night" / name / "adapter_model.safetensors").is_file()
        assert (night / "night" / f"{name}-report" / "report.html").is_file()
    assert not (night / "night.state").exists()


def test_a_night_that_was_stopped_goes_on_only_when_asked(
    run: Run, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*NIGHT, "--snapshot", 0]
    code, _, err = run(*command, "--resume")
    assert code == 2 and "nothing was stopped" in err
    saved, turns = resume.save, 0

    def stop(*arguments: Any) -> None:
        nonlocal turns
        saved(*arguments)
        turns += 1
        if turns == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(resume, "save", stop)
    assert run(*command)[0] == 130 and (night / "night.state").is_dir()
    code, _, err = run(*command)
    assert code == 2 and "go on with --resume" in err
    code, out, _ = run(*command, "--resume", "--json")
    assert code == 4 and json.loads(out)[0]["published"] == "acme/spring/behavior@1"
    assert not (night / "night.state").exists()
    assert turns > 8


def test_what_a_file_of_jobs_cannot_have_is_refused(run: Run, night: Path) -> None:
    code, _, err = run(*NIGHT, "--set", "train.epochs=3")
    assert code == 2 and "its data and settings stand in it" in err
    code, _, err = run("train", "behavior", "--out", "one")
    assert code == 2 and "give the client's data" in err
    code, _, err = run("train", "behavior", "moods0.csv", "--out", "one", "--publish", "hub")
    assert code == 2 and "files of jobs" in err
