"""Loading, quantizing and refusing bases; on the CPU for real."""

import sys
from pathlib import Path

import bitsandbytes as bnb
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, T5Config
from transformers.utils import logging

from adapters import load_base
from adapters.base import loading
from adapters.base.loading import bytes_needed, check_memory
from adapters.errors import (
    BaseError,
    BaseNotFound,
    NotEnoughMemory,
    UnsupportedArchitecture,
    UnsupportedQuantization,
)
from tests.adapters import models


@pytest.mark.parametrize(("quantization", "cls"), [("nf4", bnb.nn.Linear4bit), ("int8", bnb.nn.Linear8bitLt)])
def test_a_base_is_really_quantized(quantization: str, cls: type, folder: Path) -> None:
    base = load_base(str(folder), quantization, device="cpu")  # type: ignore[arg-type]
    assert {type(linear) for linear in base.linears.values()} == {cls}


def test_a_fingerprint_follows_the_model_and_not_its_folder_or_quantization(
    folder: Path, tmp_path: Path
) -> None:
    first = load_base(str(folder), "none")
    assert len(first.fingerprint) == 64
    assert load_base(str(folder), "nf4", device="cpu").fingerprint == first.fingerprint
    moved = tmp_path / folder.name
    models.saved("llama", moved, **models.ROOMY)
    assert load_base(str(moved), "none").fingerprint == first.fingerprint
    models.model("llama", seed=1, **models.ROOMY).save_pretrained(moved)
    assert load_base(str(moved), "none").fingerprint != first.fingerprint


def test_what_cannot_be_loaded_is_refused_with_what_to_do(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BaseNotFound, match="no base 'nobody/nothing'"):
        load_base("nobody/nothing")
    T5Config().save_pretrained(tmp_path)
    with pytest.raises(UnsupportedArchitecture, match="t5"):
        load_base(str(tmp_path))
    with pytest.raises(UnsupportedQuantization, match="use nf4, int8 or none"):
        load_base(str(folder), "fp3")  # type: ignore[arg-type]
    with pytest.raises(BaseError, match="dtype 'float5' is unknown"):
        load_base(str(folder), dtype="float5")
    monkeypatch.setattr(bnb.nn, "Linear4bit", None)
    with pytest.raises(UnsupportedQuantization, match="load with quantization='none'"):
        load_base(str(folder), "nf4")
    monkeypatch.setattr(loading, "free_memory", lambda device: 1000)
    with pytest.raises(NotEnoughMemory, match=r"needs 0\.0 GiB on cpu"):
        load_base(str(folder), "none")


def test_memory_is_counted_before_anything_is_loaded() -> None:
    """A Llama of 8 billion parameters takes 16.06 GB in bfloat16; only the linear layers of its blocks
    shrink in nf4.
    """
    config = AutoConfig.for_model(
        "llama", vocab_size=128256, hidden_size=4096, num_hidden_layers=32, num_attention_heads=32,
        num_key_value_heads=8, intermediate_size=14336,
    )  # fmt: skip
    whole = bytes_needed(config, AutoModelForCausalLM, "none", torch.bfloat16)
    assert whole == 2 * 8_030_261_248
    blocks = 32 * (4096 * (4096 * 2 + 1024 * 2) + 3 * 4096 * 14336)
    shrunk = bytes_needed(config, AutoModelForCausalLM, "nf4", torch.bfloat16)
    assert shrunk == pytest.approx(whole - blocks * (2 - 4.127 / 8), rel=1e-6)
    with pytest.raises(NotEnoughMemory, match=r"llama-8b needs 16\d\d\.\d GiB on cpu"):
        check_memory(whole * 100, torch.device("cpu"), "llama-8b")


@pytest.mark.parametrize("terminal", [False, True])
def test_bars_of_transformers_only_where_they_can_move(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    before = logging.is_progress_bar_enabled()
    logging.enable_progress_bar()
    try:
        load_base("starter", "none")
        assert logging.is_progress_bar_enabled()
    finally:
        if not before:
            logging.disable_progress_bar()
    assert ("Loading weights" in capsys.readouterr().err) == terminal
