"""Every row of a mixed batch equals the same adapter alone in stock PEFT on the same base."""

from pathlib import Path

import peft
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import Adapter, Base
from adapters.errors import AdapterError
from adapters.forward import forward, pad
from adapters.rows import Rows
from adapters.slots import Slots
from tests.adapters import models

SEQUENCES = [[5, 9, 20, 33, 7], [8, 6], [40, 41, 42, 43, 44, 45, 46], [3, 4, 5], [9, 9, 9]]
METHODS = [
    ("lora", {"r": 2}),
    ("prefix", {"num_virtual_tokens": 3}),
    ("lora", {"r": 6, "use_rslora": True, "lora_alpha": 3, "target_modules": ["down_proj", "o_proj", "fc2"]}),
    ("prefix", {"num_virtual_tokens": 6}),
]


def peft_logits(family: str, folder: Path, ids: list[int], head: int | None = None) -> torch.Tensor:
    """The answer of stock PEFT, one row alone without padding."""
    model = peft.PeftModel.from_pretrained(models.model(family, head=head), folder).eval()
    row = torch.tensor([ids])
    with torch.no_grad():
        return model(input_ids=row, attention_mask=torch.ones_like(row)).logits[0]


def off(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference, relative to the largest expected value."""
    return float((found - expected).abs().max() / expected.abs().max())


def own(hidden: torch.Tensor, mask: torch.Tensor, row: int) -> torch.Tensor:
    return hidden[row][mask[row].bool()]


@pytest.mark.parametrize("family", models.DECODERS)
def test_mixed_rows_of_a_decoder_equal_peft(family: str, tmp_path: Path) -> None:
    base = models.base(family)
    slots = Slots(base, 4)
    for slot, (method, options) in enumerate(METHODS):
        folder = tmp_path / str(slot)
        slots.load(slot, models.peft_adapter(models.model(family), folder, method, seed=slot, **options))
    rows = Rows((0, 1, 2, 3, None))
    tokens = pad(base, SEQUENCES)
    with torch.no_grad():
        inside = forward(base, slots, tokens, rows)
        for row, ids in enumerate(SEQUENCES):
            if row < 4:
                expected = peft_logits(family, tmp_path / str(row), ids)
            else:
                expected = models.model(family)(input_ids=torch.tensor([ids])).logits[0]
            assert off(base.lm_logits(own(inside.states, inside.mask, row)), expected) <= 1e-4


@pytest.mark.parametrize(("family", "labels"), [("llama", 3), ("qwen2", 2), ("bert", 3)])
@pytest.mark.parametrize("method", ["lora", "prefix"])
def test_a_head_made_by_peft_answers_as_in_peft(
    family: str, labels: int, method: str, tmp_path: Path
) -> None:
    base = models.base(family)
    slots = Slots(base, 2)
    slots.load(1, models.peft_adapter(models.model(family, head=labels), tmp_path, method))
    rows = Rows((1,) * len(SEQUENCES))
    with torch.no_grad():
        hidden = forward(base, slots, pad(base, SEQUENCES), rows)
        found = slots.head(1)(hidden.states, hidden.mask, hidden.pooler)
    assert found.shape == (len(SEQUENCES), labels)
    for row, ids in enumerate(SEQUENCES):
        assert off(found[row], peft_logits(family, tmp_path, ids, head=labels)) <= 1e-4


def test_electra_and_roberta_rows_are_unmoved_by_padding_and_neighbours() -> None:
    for family in ("electra", "roberta"):
        base = models.base(family)
        slots = Slots(base, 1)
        rows = Rows((None, None))
        with torch.no_grad():
            both = forward(base, slots, pad(base, SEQUENCES[:2]), rows)
            alone = models.model(family)(input_ids=torch.tensor([SEQUENCES[1]])).last_hidden_state[0]
        assert off(own(both.states, both.mask, 1), alone) <= 1e-5


def test_a_base_without_adapters_is_the_same_to_the_last_bit(tmp_path: Path) -> None:
    ids = torch.tensor([SEQUENCES[0]])
    with torch.no_grad():
        expected = models.model("llama")(input_ids=ids).logits
        base = models.base("llama")
        slots = Slots(base, 2)
        for slot, (method, options) in enumerate(METHODS[:2]):
            folder = tmp_path / str(slot)
            slots.load(slot, models.peft_adapter(models.model("llama"), folder, method, **options))
        rows = Rows((0,))
        changed = base.lm_logits(forward(base, slots, pad(base, SEQUENCES[:1]), rows).states)
        assert off(changed, expected) > 0.01
        assert torch.equal(base.model(input_ids=ids).logits, expected)
        slots.close()
        assert torch.equal(base.model(input_ids=ids).logits, expected)
    assert not any(module._forward_hooks for module in base.model.modules())


def test_rows_of_an_empty_slot_are_refused() -> None:
    base = models.base("llama")
    slots = Slots(base, 2)
    rows = Rows((1,))
    with pytest.raises(AdapterError, match="no adapter is loaded in slot 1"):
        forward(base, slots, pad(base, [[1, 2]]), rows)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Base, list[Adapter]]:
    """One base and six adapters of different ranks, targets and lengths."""
    folder = tmp_path_factory.mktemp("crowd")
    options = [
        ("lora", {"r": 1, "target_modules": ["q_proj"]}),
        ("lora", {"r": 5}),
        ("lora", {"r": 3, "target_modules": ["down_proj", "o_proj"], "rank_pattern": {"o_proj": 7}}),
        ("prefix", {"num_virtual_tokens": 1}),
        ("prefix", {"num_virtual_tokens": 9}),
        ("lora", {"r": 2, "alpha_pattern": {"layers.1.mlp.up_proj": 31}}),
    ]
    made = [
        models.peft_adapter(models.model("llama"), folder / str(index), method, seed=index, **chosen)
        for index, (method, chosen) in enumerate(options)
    ]
    return models.base("llama"), made


ROW = st.tuples(st.none() | st.integers(0, 5), st.lists(st.integers(2, 250), min_size=1, max_size=9))


@settings(max_examples=40, deadline=None)
@given(batch=st.lists(ROW, min_size=1, max_size=7), swap=st.integers(0, 5))
def test_no_row_depends_on_its_neighbours(
    crowd: tuple[Base, list[Adapter]], batch: list[tuple[int | None, list[int]]], swap: int
) -> None:
    """Any mix, in any order, before and after a slot was cleared and loaded again: each row as if it were alone."""
    base, adapters = crowd
    slots = Slots(base, len(adapters))
    try:
        for slot, adapter in enumerate(adapters):
            slots.load(slot, adapter)
        slots.load(swap, adapters[(swap + 1) % len(adapters)])
        slots.load(swap, adapters[swap])
        rows = Rows(tuple(slot for slot, _ in batch))
        with torch.no_grad():
            together = forward(base, slots, pad(base, [ids for _, ids in batch]), rows)
            for place, (slot, ids) in enumerate(batch):
                lone = Slots(base, 1)
                if slot is not None:
                    lone.load(0, adapters[slot])
                row = Rows((None if slot is None else 0,))
                alone = forward(base, lone, pad(base, [ids]), row)
                lone.close()
                assert off(own(together.states, together.mask, place), alone.states[0]) <= 1e-5
    finally:
        slots.close()


def test_rank_pattern_and_alpha_pattern_are_those_of_peft(tmp_path: Path) -> None:
    base = models.base("llama")
    slots = Slots(base, 1)
    options = {"r": 3, "rank_pattern": {"o_proj": 7}, "alpha_pattern": {"layers.1.mlp.up_proj": 31}}
    slots.load(0, models.peft_adapter(models.model("llama"), tmp_path, "lora", **options))
    rows = Rows((0,))
    with torch.no_grad():
        hidden = forward(base, slots, pad(base, SEQUENCES[:1]), rows)
        assert off(base.lm_logits(hidden.states[0]), peft_logits("llama", tmp_path, SEQUENCES[0])) <= 1e-4
