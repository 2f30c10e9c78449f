"""What lies in slots shows in the rows that use them, and nowhere else."""

import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from adapters import Adapter, AdapterError, Lora
from adapters.slots.forward_pass import forward, pad
from adapters.slots.packed import pack
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots
from tests.adapters import models

IDS = (5, 9, 20, 33, 7)


@pytest.mark.parametrize(("method", "options"), [("lora", {"r": 2}), ("prefix", {"num_virtual_tokens": 3})])
def test_a_base_without_adapters_is_the_same_to_the_last_bit(
    method: str, options: dict[str, int], tmp_path: Path
) -> None:
    base, ids = models.base("llama"), torch.tensor([IDS])
    expected = models.model("llama")(input_ids=ids).logits
    slots = Slots(base, 1)
    slots.load(0, models.peft_adapter(models.model("llama"), tmp_path, method, **options))
    with torch.no_grad():
        changed = base.lm_logits(forward(base, slots, pad(base, [IDS]), RowSlots((0,))).states)
        assert float((changed - expected).abs().max() / expected.abs().max()) > 0.01
        assert torch.equal(base.model(input_ids=ids).logits, expected)
        slots.close()
        assert torch.equal(base.model(input_ids=ids).logits, expected)
    assert not any(module._forward_hooks for module in base.model.modules())


def test_rows_of_an_empty_slot_are_refused() -> None:
    base = models.base("llama")
    slots = Slots(base, 2)
    with pytest.raises(AdapterError, match="no adapter is loaded in slot 1"):
        forward(base, slots, pad(base, [[1, 2]]), RowSlots((1,)))


def of_one_layer(adapter: Adapter) -> Adapter:
    """Its terms of the queries alone."""
    tensors = {name: tensor for name, tensor in adapter.tensors.items() if "q_proj" in name}
    return replace(adapter, method=Lora(3, 6.0, ("q_proj",)), tensors=tensors)


def test_what_takes_a_slot_leaves_nothing_of_what_was_there() -> None:
    """A LoRA over a LoRA of other layers, a prefix or one with memory of its own over a LoRA."""
    base = models.base("llama")
    whole, prefix = models.made_here("llama", "lora"), models.made_here("llama", "prefix")
    part = of_one_layer(whole)
    for given in itertools.permutations((whole, part, prefix)):
        slots = Slots(base, 1)
        slots.reserve(whole)
        for adapter in given:
            slots.put(0, pack(adapter, base, base.dtype))
        alone = Slots(base, 1)
        alone.reserve(whole)
        alone.load(0, given[-1])
        assert torch.equal(slots.memory, alone.memory)
        own = Slots(base, 1, shared_rank=2)
        for adapter in (given[-1], whole):
            own.put(0, pack(adapter, base, base.dtype))
        assert not own.memory.any()
        slots.clear(0)
        assert not slots.memory.any()


def test_what_failed_on_its_way_into_a_slot_leaves_nothing_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = models.base("llama")
    whole, prefix = models.made_here("llama", "lora"), models.made_here("llama", "prefix")
    part = of_one_layer(whole)
    for failing in (whole, prefix):
        slots, alone = (Slots(base, 1, shared_rank=2) for _ in range(2))
        packed = pack(failing, base, base.dtype)
        broken: Any = SimpleNamespace(to=lambda *_: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError):
            slots.put(0, replace(packed, head=broken))
        slots.clear(0)
        for each in (slots, alone):
            each.load(0, part)
        batch, rows = pad(base, [[1, 2, 3]]), RowSlots((0,))
        assert torch.equal(*(forward(base, each, batch, rows).states for each in (slots, alone)))
