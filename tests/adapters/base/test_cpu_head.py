"""The output head of a base on a CPU: few rows are multiplied with half the bytes, and nothing else changes."""

import copy
from pathlib import Path

import pytest
import torch
from torch.nn.functional import linear

from adapters import load_base
from adapters.base.cpu_head import half_library, quick_head
from adapters.kernels.half_cpu import FEW_ROWS
from tests.adapters import models


@pytest.mark.parametrize("quantization", ["none", "nf4"])
@pytest.mark.parametrize("trained_in", [torch.bfloat16, torch.float32])
def test_logits_are_those_of_the_floats(quantization: str, trained_in: torch.dtype, tmp_path: Path) -> None:
    models.model("llama").to(trained_in).save_pretrained(models.saved("llama", tmp_path))
    base = load_base(str(tmp_path), quantization, device="cpu")  # type: ignore[arg-type]
    head = base.model.get_output_embeddings()
    before = base.memory_footprint()
    for rows in (1, FEW_ROWS, FEW_ROWS + 1):
        x = torch.randn(rows, base.width)
        assert torch.allclose(base.lm_logits(x), linear(x, head.weight), atol=1e-5)
    held = trained_in == torch.bfloat16 and half_library() is not None
    assert base.memory_footprint() - before == (head.weight.nbytes // 2 if held else 0)


def test_gradients_other_weights_and_copies() -> None:
    model = models.model("llama").to(torch.bfloat16).float()
    quick_head(model)
    head = model.get_output_embeddings()
    with pytest.raises(RuntimeError):
        head(torch.randn(1, 2 * head.in_features))
    head.weight.requires_grad_(True)
    head(torch.randn(2, head.in_features)).sum().backward()
    assert head.weight.grad is not None
    head.weight.requires_grad_(False)
    x = torch.randn(2, head.in_features, requires_grad=True)
    head(x).sum().backward()
    assert x.grad is not None and torch.allclose(x.grad[0], head.weight.sum(0), atol=1e-5)
    other = copy.deepcopy(model).get_output_embeddings()
    with torch.no_grad():
        plain = head(x)
        assert torch.allclose(other(x), plain, atol=1e-5)
        other.weight.mul_(2.0)
        head.weight = torch.nn.Parameter(3.0 * head.weight)
        assert torch.allclose(other(x), 2 * plain, atol=1e-5) and torch.allclose(
            head(x), 3 * plain, atol=1e-5
        )
