"""A build that is stopped goes on, at the rate of its schedule."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from adapters.starter.build.training import FLOOR, PEAK, WARMUP, rate, train


def test_rate_warms_up_peaks_and_ends_at_its_floor() -> None:
    assert rate(0.0) == 0.0
    assert rate(WARMUP) == pytest.approx(PEAK)
    assert rate(1.0) == pytest.approx(PEAK * FLOOR)


def test_a_stopped_build_goes_on_and_leaves_a_folder_that_transformers_loads(tmp_path: Path) -> None:
    out, state = tmp_path / "weights", tmp_path / "state.pt"
    out.mkdir()
    before = train(out, state, minutes=0, seed=0, samples=200, steps=2)
    after = train(out, state, minutes=0, seed=0, samples=200, steps=4)
    assert (before["steps"], after["steps"]) == (2, 4) and after["resumed"] == 1
    assert after["tokens"] == 2 * before["tokens"] and after["seconds"] > before["seconds"] > 0
    model, tokenizer = AutoModelForCausalLM.from_pretrained(out), AutoTokenizer.from_pretrained(out)
    assert model.dtype == torch.bfloat16 and model.lm_head.weight is model.model.embed_tokens.weight
    assert tokenizer.eos_token_id == model.config.eos_token_id == 1
    assert not [file for file in tmp_path.iterdir() if file not in (out, state)]
