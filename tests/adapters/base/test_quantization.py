"""Mixed rows on nf4 and int8 bases stay within what stock PEFT itself varies when only the shape of its batch
changes."""

from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from bitsandbytes.functional import has_avx512bf16
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, DynamicCache

from adapters import load_base
from adapters.serving.generate import Writing, write
from adapters.serving.sampling import Sampling
from adapters.slots.forward_pass import forward, pad
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots
from tests.adapters import models

MIX: dict[str, tuple[str, dict[str, Any]]] = {
    "lora": ("lora", {"r": 4}),
    "prefix": ("prefix", {"num_virtual_tokens": 3}),
    "rslora": ("lora", {"r": 8, "use_rslora": True, "target_modules": ["q_proj", "down_proj"]}),
    "alpha": ("lora", {"r": 2, "lora_alpha": 20}),
}


PROMPTS = [(5, 9, 20, 33, 7), (8, 6), (40, 41, 42, 43, 44, 45, 46), (3, 4, 5)]
# What one product is rounded to: bitsandbytes' fused CPU kernel gives bfloat16, its int8 activations have 8 bits.


# What one product is rounded to: bitsandbytes' fused CPU kernel gives bfloat16, its int8 activations have 8 bits.
UNIT = {"nf4": 2**-8 if has_avx512bf16() else 2**-16, "int8": 2**-7}


def stock(folder: Path, quantization: str) -> Any:
    """The base as a user of transformers and PEFT loads it."""
    options = (
        BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32,
        )
        if quantization == "nf4"
        else BitsAndBytesConfig(load_in_8bit=True)
    )
    return AutoModelForCausalLM.from_pretrained(
        folder, quantization_config=options, dtype=torch.float32, device_map={"": "cpu"}
    ).eval()


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def shapes_of(model: Any, ids: tuple[int, ...]) -> list[torch.Tensor]:
    """PEFT's logits of one LoRA row in other batches: three rows at once, padded on the left, a token at a time."""
    row = torch.tensor([ids])
    three = row.repeat(3, 1)
    found = [model(input_ids=three, attention_mask=torch.ones_like(three)).logits[0]]
    padded = torch.cat([torch.zeros(1, 5, dtype=torch.long), row], 1)
    mask = (torch.arange(padded.shape[1]) >= 5).long()[None]
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    found.append(model(input_ids=padded, attention_mask=mask, position_ids=positions).logits[0][5:])
    cache = DynamicCache()
    steps = [
        model(input_ids=row[:, place : place + 1], past_key_values=cache, use_cache=True).logits[0]
        for place in range(len(ids))
    ]
    return [*found, torch.cat(steps)]


def mixed_by_peft(folder: Path, quantization: str, adapters: Path, names: list[str]) -> list[torch.Tensor]:
    """PEFT's own mixed batch of LoRA adapters, row by row, padded on the left and then on the right. int8 takes a
    column of activations out of the quantization when any row of the batch has an outlier in it, so that a row's
    neighbours show in it."""
    model = peft.PeftModel.from_pretrained(stock(folder, quantization), adapters / names[0], names[0])
    for name in names[1:]:
        model.load_adapter(adapters / name, name)
    rows = [PROMPTS[list(MIX).index(name)] for name in names]
    width = max(map(len, PROMPTS))
    found = []
    for left in (True, False):
        gaps = [[0] * (width - len(row)) for row in rows]
        ids = torch.tensor(
            [[*gap, *row] if left else [*row, *gap] for row, gap in zip(rows, gaps, strict=True)]
        )
        mask = (ids != 0).long()
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        given = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
        logits = model.eval()(**given, adapter_names=names).logits
        found += [logits[row][mask[row].bool()] for row in range(len(rows))]
    return found


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_rows_on_a_quantized_base(quantization: Any, folder: Path, tmp_path: Path) -> None:
    """Alone, a row equals PEFT to the last digits of float32; in a mixed batch, within what PEFT itself varies."""
    base = load_base(str(folder), quantization, device="cpu")
    slots = Slots(base, len(MIX))
    lone: list[torch.Tensor] = []
    largest = UNIT[quantization]
    with torch.inference_mode():
        for slot, (name, (method, options)) in enumerate(MIX.items()):
            made = models.peft_adapter(
                models.model("llama", **models.ROOMY), tmp_path / name, method, **options
            )
            slots.load(slot, made)
            with torch.inference_mode(False):
                model = peft.PeftModel.from_pretrained(stock(folder, quantization), tmp_path / name).eval()
            row = torch.tensor([PROMPTS[slot]])
            lone.append(model(input_ids=row, attention_mask=torch.ones_like(row)).logits[0])
            alone = forward(base, slots, pad(base, [PROMPTS[slot]]), RowSlots((slot,)))
            assert relative(base.lm_logits(alone.states[0]), lone[slot]) <= 1e-5
            for shape in shapes_of(model, PROMPTS[slot]) if method == "lora" else ():
                largest = max(largest, relative(shape, lone[slot]))
        names = [name for name, (method, _) in MIX.items() if method == "lora"]
        with torch.inference_mode(False):
            beside = mixed_by_peft(folder, quantization, tmp_path, names)
        for name, found in zip(names * 2, beside, strict=True):
            largest = max(largest, relative(found, lone[list(MIX).index(name)]))
        for left in (True, False):
            hidden = forward(base, slots, pad(base, [*PROMPTS, (1, 2)], left), RowSlots((0, 1, 2, 3, None)))
            for row_, expected in enumerate(lone):
                found = base.lm_logits(hidden.states[row_][hidden.mask[row_].bool()])
                assert relative(found, expected) <= largest + 1e-5
        texts = [Writing(prompt, slot, Sampling(6)) for slot, prompt in enumerate(PROMPTS)]
        write(base, slots, texts)
    assert all(len(text.written) == 6 for text in texts)


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_dora_on_a_quantized_base(quantization: Any, folder: Path, tmp_path: Path) -> None:
    """Compared without bitsandbytes' fused CPU kernel and on PEFT's first forward: PEFT takes the norm of the repacked
    4-bit weight as if it were not, and its int8 scales get lost in the first forward."""
    base = load_base(str(folder), quantization, device="cpu")
    slots = Slots(base, 2)
    slots.load(
        1, models.peft_adapter(models.model("llama", **models.ROOMY), tmp_path, "lora", r=2, use_dora=True)
    )
    plain = stock(folder, quantization)
    for module in plain.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    with torch.no_grad():
        expected = peft.PeftModel.from_pretrained(plain, tmp_path).eval()(input_ids=torch.tensor(PROMPTS[:1]))
    hidden = forward(
        base, slots, pad(base, PROMPTS[:2]), RowSlots((1, None))
    )  # with gradients on: exact products
    found = base.lm_logits(hidden.states[0][hidden.mask[0].bool()])
    off = float((found - expected.logits[0]).abs().max() / expected.logits.abs().max())
    assert off <= (1e-4 if quantization == "nf4" else UNIT["int8"])
