"""Rows of one user and many ads are answered as each would be alone."""

import numpy as np
import pytest
import torch

from adapters.slots import RowSlots, Slots, forward, pad
from recipes.learn import predict
from recipes.learn.encode import EncodedRow
from tests.adapters import models

USERS = [tuple(range(3 + 10 * user, 63 + 10 * user)) for user in range(3)]
ROWS = [EncodedRow((*user, 200 + ad, *range(ad)), (5 + ad, 6, 1)) for ad in range(12) for user in USERS]
ROWS += [EncodedRow((7, 8, 9), (1,)), EncodedRow(tuple(range(150, 230)), (9, 1))]


@pytest.fixture
def slots() -> Slots:
    slots = Slots(models.base("llama"), 2)
    slots.load(0, models.made_here("llama", "lora", labels=2))
    slots.load(1, models.made_here("llama", "prefix", labels=3, pooling="mean"))
    return slots


@pytest.mark.parametrize("slot", [0, 1])
def test_logits_equal_those_of_each_row_alone(slots: Slots, slot: int) -> None:
    found = predict.logits(slots.base, slots, slot, ROWS)
    with torch.inference_mode():
        for row, logits in zip(ROWS, found, strict=True):
            plan = RowSlots((slot,))
            hidden = forward(slots.base, slots, pad(slots.base, [row.ids]), plan)
            alone = slots.head(slot)(hidden.states, hidden.mask, None)[0].double()
            assert torch.allclose(logits, alone, rtol=1e-4, atol=1e-5)


def test_losses_of_copy_equal_those_of_each_row_alone(slots: Slots) -> None:
    found = predict.copy_losses(slots.base, slots, 0, ROWS)
    alone = [predict.copy_losses(slots.base, slots, 0, [row])[0] for row in ROWS]
    assert [tokens for _, tokens in found] == [len(row.target) for row in ROWS]
    assert np.allclose([nats for nats, _ in found], [nats for nats, _ in alone], rtol=1e-4)


def test_a_user_is_read_once_for_all_ads(slots: Slots, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens that the base runs, padding included, beside those of the rows."""
    ran = []
    linear = slots.base.linears["model.layers.0.self_attn.q_proj"]
    handle = linear.register_forward_hook(lambda _, inputs, __: ran.append(inputs[0].shape[:2].numel()))
    try:
        predict.logits(slots.base, slots, 0, ROWS)
    finally:
        handle.remove()
    assert sum(ran) < sum(len(row.ids) for row in ROWS) / 2


@pytest.mark.parametrize("most", [64, 200, 1024])
def test_batches_hold_every_row_once_and_no_more_than_fits(
    slots: Slots, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setitem(predict.BATCH_TOKENS, "cpu", most)
    sequences = [row.ids for row in ROWS]
    batches = list(predict._batches(slots.base, sequences))
    assert sorted(row for batch in batches for row in batch) == list(range(len(ROWS)))
    for batch in batches:
        read_once = {sequences[row][:60] if len(sequences[row]) > 60 else sequences[row] for row in batch}
        tokens = sum(map(len, read_once)) + sum(max(0, len(sequences[row]) - 60) for row in batch)
        assert len(batch) == 1 or tokens <= most
