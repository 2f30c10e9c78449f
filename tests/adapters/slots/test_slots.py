"""What lies in slots shows in the rows that use them, and nowhere else."""

from pathlib import Path

import pytest
import torch

from adapters import AdapterError
from adapters.slots.forward_pass import forward, pad
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
