"""Two kinds of 4-bit product on a CPU: the fused kernel answers, exact products train."""

from pathlib import Path

import pytest
import torch
from bitsandbytes.functional import has_avx512bf16
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from adapters import load_base
from adapters.slots.forward_pass import forward, pad
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots
from adapters.slots.trained import Trained
from tests.adapters import models

SEQUENCES = [[5, 9, 20, 33, 7], [8, 6], [40, 41, 42, 43]]


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_gradients_flow_through_a_quantized_base_after_it_has_answered(
    quantization: str, folder: Path, tmp_path: Path
) -> None:
    """Inference first must not cost the gradient: compared with the same base that has never run."""
    adapter = models.peft_adapter(models.model("llama", **models.ROOMY), tmp_path, "lora", r=2)
    gradients = []
    for answers_first in (False, True):
        base = load_base(str(folder), quantization, device="cpu")  # type: ignore[arg-type]
        slots, rows = Slots(base, 1, trains=True), RowSlots((0, 0, 0))
        slots.load(0, adapter)
        trained = Trained(slots, 0)
        if answers_first:
            with torch.inference_mode():
                forward(base, slots, pad(base, SEQUENCES), rows)
        forward(base, slots, pad(base, SEQUENCES), rows).states[:, -1].square().sum().backward()
        trained.take_gradients()
        gradients.append({name: parameter.grad for name, parameter in trained.parameters.items()})
    for name, fresh in gradients[0].items():
        after = gradients[1][name]
        assert fresh is not None and after is not None and fresh.abs().max() > 0
        assert torch.allclose(fresh, after, rtol=1e-5, atol=1e-7)


@pytest.mark.skipif(not has_avx512bf16(), reason="bitsandbytes has its fused kernel for AVX512-BF16 only")
def test_answers_on_a_cpu_come_from_bitsandbytes_own_fused_kernel(folder: Path, tmp_path: Path) -> None:
    """To the last bit, and beside weights that stay as they were; also where a layer is of a shape that it cannot
    take."""
    options = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )  # fmt: skip
    stock = AutoModelForCausalLM.from_pretrained(
        folder, quantization_config=options, dtype=torch.float32, device_map={"": "cpu"}
    ).eval()
    base = load_base(str(folder), "nf4", device="cpu")
    ids = torch.tensor(SEQUENCES[:1])
    exact = base.model(input_ids=ids).logits
    with torch.no_grad():
        assert torch.equal(base.model(input_ids=ids).logits, stock(input_ids=ids).logits)
    assert torch.equal(base.model(input_ids=ids).logits, exact)
    assert not torch.equal(exact, stock(input_ids=ids).logits)
    odd_shape = models.saved("llama", tmp_path, hidden_size=64, intermediate_size=136)
    odd = load_base(str(odd_shape), "nf4", device="cpu")
    with torch.no_grad():
        assert torch.isfinite(odd.model(input_ids=ids).logits).all()
