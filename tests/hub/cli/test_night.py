"""`repertoire train jobs.yaml`: many clients in one night."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from hub.hub import Hub
from recipes.runs import snapshots as resume
from tests.adapters import models
from tests.hub.conftest import Run
from tests.recipes.runs.test_training import moods

JOBS = """
defaults:
  train: {epochs: 2, batch_size: 8}
  data: {max_tokens: 64}
jobs:
  - {name: acme/spring/behavior, recipe: behavior, data: moods0.csv, set: {gates: {min_gain: {over: before}}}}
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
    assert (passed["state"], closed["state"], failed["state"]) == ("passed", "closed", "failed")
    assert closed["published"] is None and "gates" in closed["refused"]
    assert "absent.csv" in failed["error"]
    assert Hub(night / "hub").names() == ("acme/spring/behavior",)
    for name in ("acme/spring/behavior", "globex/launch/behavior"):
        assert (night / "night" / name / "adapter_model.safetensors").is_file()
        assert (night / "night" / f"{name}-report" / "report.html").is_file()
    assert not (night / "night.state").exists()
    page = night / "night-report" / "report.html"
    links = re.findall('href="([^"]+)"', page.read_text(encoding="utf-8"))
    done = ("acme/spring/behavior", "globex/launch/behavior")
    assert links == [f"../night/{name}-report/report.html" for name in done]
    assert all((page.parent / link).is_file() for link in links)


def test_a_person_sees_what_passed_and_why_the_others_did_not(run: Run, night: Path) -> None:
    code, out, _ = run(*NIGHT)
    assert code == 4
    assert "3 jobs: 1 passed, 1 not passed, 1 failed." in out
    assert "globex/launch/behavior: min_gain: the gain in accuracy over" in out
    assert "initech/sale/behavior failed: " in out and "absent.csv" in out
    assert "night-report/report.html leads to the report of each" in out


def test_an_adapter_that_passed_and_could_not_be_published_is_told(
    run: Run, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = JOBS.partition("  - {name: globex")[0]
    (night / "jobs.yaml").write_text(first)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Hub, "publish", full)
    code, out, _ = run(*NIGHT)
    assert code == 4
    assert "1 job: 1 passed." in out
    assert "acme/spring/behavior was not published: [Errno 28] No space left on device" in out


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


def test_a_night_that_is_killed_after_a_publication_publishes_nothing_twice(
    run: Run, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = Hub.publish

    def killed(*arguments: Any, **options: Any) -> None:
        publish(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr(Hub, "publish", killed)
        assert run(*NIGHT)[0] == 130
    assert Hub(night / "hub").names() == ("acme/spring/behavior",)
    code, out, _ = run(*NIGHT, "--resume", "--json")
    assert code == 4 and json.loads(out)[0]["published"] == "acme/spring/behavior@1"
    assert len(Hub(night / "hub").versions("acme/spring/behavior")) == 1


def test_what_a_file_of_jobs_cannot_have_is_refused(run: Run, night: Path) -> None:
    code, _, err = run(*NIGHT, "--set", "train.epochs=3")
    assert code == 2 and "its data and settings stand in it" in err
    code, _, err = run("train", "behavior", "--out", "one")
    assert code == 2 and "give the client's data" in err
    code, _, err = run("train", "behavior", "moods0.csv", "--out", "one", "--publish", "hub")
    assert code == 2 and "files of jobs" in err
