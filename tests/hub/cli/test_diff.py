"""repertoire diff: what differs between two versions, and what they answer."""

import json
from pathlib import Path

import pytest

from adapters import Base
from hub.hub import Hub
from tests.adapters import models
from tests.hub import voices
from tests.hub.conftest import Run
from tests.hub.tiny import NAME


def test_diff_draws_what_differs(run: Run, campaigns: Hub) -> None:
    code, out, _ = run("diff", f"{NAME}@1", NAME)
    assert code == 0
    assert "message" in out and "seed 0" in out and "seed 2" in out
    assert "model.layers.0.self_attn.q_proj" in out and "cosine" in out and "head" in out
    assert "recipe" not in out and "answers" not in out
    assert "hold the same files" in run("diff", NAME, f"{NAME}@3")[1]
    told = json.loads(run("diff", f"{NAME}@1", NAME, "--json")[1])
    assert (told["a"], told["b"], told["answers"]) == (f"{NAME}@1", f"{NAME}@3", None)
    assert told["weights"]["total"]["difference"] > 0


def test_a_version_that_is_not_there_is_told(run: Run, campaigns: Hub) -> None:
    code, _, err = run("diff", NAME, "acme/spring/nothing")
    assert code == 3 and f"did you mean {NAME}" in err


def test_diff_shows_answers_side_by_side(run: Run, campaigns: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    base: Base = models.base("llama")
    for seed in (1, 2):
        campaigns.publish(voices.voice(base, seed), voices.NAME)
    monkeypatch.setattr("adapters.load_base", lambda *_: base)
    Path("prompts.txt").write_text("glad 500\nmad 501\n")
    pair = (f"{voices.NAME}@1", f"{voices.NAME}@2")
    code, out, err = run("diff", *pair, "--prompts", "prompts.txt")
    assert code == 0, err
    assert "answers" in out and "glad 500" in out and "glad 0." in out
    told = json.loads(run("diff", *pair, "--base", "tiny/llama", "--json")[1])["answers"]
    assert len(told) == 3 and sum(told[0]["a"].values()) == pytest.approx(1)
    assert run("diff", *pair, "--prompts", "nothing.txt")[0] == 5
