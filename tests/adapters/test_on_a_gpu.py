"""A mixed batch on a GPU, in bf16 and on nf4, beside stock PEFT on the same device; the CPU's case shows that the test
itself is true."""

from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM

from adapters import Base, load_base
from adapters.base.quantization import bitsandbytes_config
from adapters.slots.cache import KeyValueCache
from adapters.slots.fixed_steps import FixedSteps, cuda_graphs
from adapters.slots.forward_pass import extend, forward, pad
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots
from tests.adapters import models

MIX: dict[str, tuple[str, dict[str, Any]]] = {
    "lora": ("lora", {"r": 4}),
    "prefix": ("prefix", {"num_virtual_tokens": 3}),
    "dora": ("lora", {"r": 3, "use_dora": True, "lora_alpha": 6}),
    "rank 20": ("lora", {"r": 20, "use_rslora": True, "target_modules": ["q_proj", "down_proj"]}),
}
PROMPTS = [(5, 9, 20, 33, 7), (8, 6), (40, 41, 42, 43, 44, 45, 46), (3, 4, 5)]
MARKS = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
# Of the largest logit: two layers of some products each, of which each is rounded to 2**-8 in bf16.
WAYS = [
    pytest.param("cpu", "none", "float32", 1e-4, id="cpu"),
    pytest.param("cuda", "none", "bfloat16", 0.03, marks=MARKS, id="bf16"),
    pytest.param("cuda", "nf4", "bfloat16", 0.03, marks=MARKS, id="nf4"),
]


def stock(folder: Path, base: Base, adapter: Path | None) -> Any:
    """The base as a user of transformers and PEFT loads it, with an adapter or alone."""
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=base.dtype,
        device_map={"": base.device},
        quantization_config=None
        if base.quantization == "none"
        else bitsandbytes_config(base.quantization, base.dtype, AutoModelForCausalLM),
    ).eval()
    return peft.PeftModel.from_pretrained(model, adapter).eval() if adapter else model


@pytest.mark.parametrize(("device", "quantization", "dtype", "near"), WAYS)
def test_rows_of_a_mixed_batch_are_what_peft_gives_each_alone(
    device: str, quantization: Any, dtype: str, near: float, tmp_path: Path
) -> None:
    folder = models.saved("llama", tmp_path / "base", **models.ROOMY)
    base = load_base(str(folder), quantization, device=device, dtype=dtype)
    slots = Slots(base, len(MIX))
    asked: list[tuple[int | None, tuple[int, ...]]] = [(None, ids) for ids in PROMPTS]
    for slot, (name, (method, options)) in enumerate(MIX.items()):
        own = models.model("llama", **models.ROOMY)
        slots.load(slot, models.peft_adapter(own, tmp_path / name, method, seed=slot, **options))
        asked += [(slot, ids) for ids in PROMPTS]
    expected = []
    for adapter in (None, *(tmp_path / name for name in MIX)):
        model = stock(folder, base, adapter)
        for ids in PROMPTS:
            row = torch.tensor([ids], device=device)
            with torch.no_grad():
                found = model(input_ids=row, attention_mask=torch.ones_like(row)).logits
            expected.append(found[0].float())
    rows = RowSlots(tuple(slot for slot, _ in asked))
    with torch.inference_mode():
        states = forward(base, slots, pad(base, [ids for _, ids in asked], left=False), rows).states
        whole = base.lm_logits(states).float()
        steps = token_by_token(base, slots, asked, rows, None)
        capture = cuda_graphs(base.device) if device == "cuda" else lambda run: run
        fixed = FixedSteps(base, slots, capture)
        replays = token_by_token(base, slots, asked, rows, fixed)
    assert fixed.captured
    for row, (slot, ids) in enumerate(asked):
        for found in (whole[row, : len(ids)], steps[row, : len(ids)], replays[row, : len(ids)]):
            assert (found - expected[row]).abs().max() <= near * expected[row].abs().max(), (slot, ids)
    alone = [expected[at][-1] for at in range(0, len(asked), len(PROMPTS))]
    for other in alone[1:]:
        assert (other - alone[0]).abs().max() > 3 * near * alone[0].abs().max(), "the adapters matter here"


def token_by_token(
    base: Base,
    slots: Slots,
    asked: list[tuple[int | None, tuple[int, ...]]],
    rows: RowSlots,
    fixed: FixedSteps | None,
) -> torch.Tensor:
    """Logits, `[rows, tokens, vocabulary]`, of one step a token, each row behind its prefix."""
    cache = KeyValueCache(base.attention, base.device, base.dtype)
    cache.resize(len(asked) + 2, 32, 0)
    starts = []
    for row, (slot, _) in enumerate(asked):
        front = slots.prefix(slot)
        starts.append(slots.prefix_length(slot))
        if front is not None:
            cache.seed(row, front)
    ids, found = pad(base, [ids for _, ids in asked], left=False).ids, []
    for at in range(ids.shape[1]):
        filled, tokens = [start + at for start in starts], ids[:, at : at + 1]
        if fixed is None:
            states = extend(base, slots, cache, 0, filled, tokens, rows)
            found.append(base.lm_logits(states[:, -1]).float())
        else:
            logits = fixed.logits(cache, tokens[:, 0].tolist(), filled, rows)
            assert logits is not None
            found.append(logits.clone())
    return torch.stack(found, dim=1)
