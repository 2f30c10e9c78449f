"""Rows that share first tokens, read as a tree: what comes out is what the plain forward gives."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.slots.forward_pass import Hidden, forward, pad
from adapters.slots.heads import pooled
from adapters.slots.reading import of_like_length, read
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots
from adapters.slots.stems import Stems
from tests.adapters import models
from tests.adapters.slots.test_forward_pass import off

BASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "qwen3": ("qwen3", {}),
    "gemma2": ("gemma2", {"sliding_window": 24}),
    "mistral": ("mistral", {"sliding_window": 20}),
    "phi": ("phi", {}),
}
Row = tuple[int | None, tuple[int, ...]]


@cache
def slots_on(name: str) -> Slots:
    """A LoRA adapter in slot 0 and one of another rank in slot 2, a prefix in slot 1, each with a head."""
    family, changes = BASES[name]
    slots = Slots(models.base(family, **changes), 3)
    for slot, method in enumerate(("lora", "prefix", "lora")):
        adapter = models.made_here(family, method, labels=2)
        slots.load(slot, replace(adapter, base=slots.base.identity))
    return slots


@st.composite
def trees(draw: st.DrawFn) -> list[Row]:
    """Rows of several adapters whose first tokens are those of others, at any depth; equal rows too."""
    token = st.integers(3, 6)
    rows: list[Row] = []
    for slot in draw(st.sets(st.sampled_from([0, 1, 2, None]), min_size=1)):
        known: list[tuple[int, ...]] = [()]
        for _ in range(draw(st.integers(1, 6))):
            trunk = draw(st.sampled_from(known))
            cut = draw(st.integers(0, len(trunk)))
            grown = trunk[:cut] + tuple(draw(st.lists(token, min_size=1, max_size=40)))
            known.append(grown)
            rows.append((slot, grown))
    return sorted(rows, key=lambda row: -1 if row[0] is None else row[0])


def both(slots: Slots, rows: list[Row], stems: Stems) -> tuple[Hidden, Hidden]:
    """The same rows as a tree, and by the plain forward."""
    plan, sequences = RowSlots(tuple(slot for slot, _ in rows)), [ids for _, ids in rows]
    with torch.inference_mode():
        found = read(slots.base, slots, sequences, plan, stems)
        return found, forward(slots.base, slots, pad(slots.base, sequences), plan)


@pytest.mark.parametrize("name", BASES)
@settings(max_examples=25, deadline=None)
@given(steps=st.lists(trees(), min_size=1, max_size=3), room=st.sampled_from([0, 20_000, 2**24]))
def test_a_tree_equals_the_plain_forward(name: str, steps: list[list[Row]], room: int) -> None:
    """Over several steps that begin with what earlier ones read; whatever the adapters, positions and pooling."""
    slots, stems = slots_on(name), Stems(room)
    for rows in steps:
        found, expected = both(slots, rows, stems)
        mask = expected.mask.bool()
        assert torch.equal(found.mask, expected.mask)
        assert off(found.states[mask], expected.states[mask]) <= 1e-5
        for pooling in ("last", "mean", "first"):
            vectors = [pooled(each.states, each.mask, None, pooling) for each in (found, expected)]
            assert off(*vectors) <= 1e-5
        assert stems.size <= room


def test_what_rows_share_is_read_once() -> None:
    """Tokens that run, row by row: those of a shared user once, and none of a known one."""
    slots, stems = slots_on("llama"), Stems(2**24)
    user, ran = tuple(range(10, 60)), []
    handle = slots.base.linears["model.layers.0.self_attn.q_proj"].register_forward_hook(
        lambda _, inputs, __: ran.append(tuple(inputs[0].shape[:2]))
    )
    try:
        for ads in ((70, 71, 72, 73), (80, 81, 82)):
            plan = RowSlots((0,) * len(ads))
            with torch.inference_mode():
                read(slots.base, slots, [(*user, ad, 99) for ad in ads], plan, stems)
            ran.append((0, 0))
    finally:
        handle.remove()
    assert ran == [(1, 50), (4, 2), (0, 0), (3, 2), (0, 0)]
    assert (stems.shared, stems.hits, stems.recalled) == (150, 3, 150)


def test_rows_that_share_nothing_run_as_ever_to_the_last_bit() -> None:
    rows: list[Row] = [(0, (5, 9, 20, 33)), (1, (8, 6)), (2, tuple(range(30, 80)))]
    found, expected = both(slots_on("llama"), rows, Stems())
    assert torch.equal(found.states, expected.states)


def test_a_user_alone_is_known_to_a_later_step() -> None:
    slots, stems, user = slots_on("llama"), Stems(2**24), tuple(range(10, 60))
    both(slots, [(0, (*user, 70))], stems)
    found, expected = both(slots, [(0, (*user, 80, 81))], stems)
    assert off(found.states, expected.states) <= 1e-5
    assert stems.recalled == 50


def test_other_weights_in_a_slot_begin_anew() -> None:
    """Known stems are those of the weights, not of the slot."""
    slots, stems, user = slots_on("qwen3"), Stems(2**24), tuple(range(10, 60))
    both(slots, [(0, (*user, 70))], stems)
    slots.load(0, models.made_here("qwen3", "prefix", labels=2))
    try:
        found, expected = both(slots, [(0, (*user, 70))], stems)
        assert off(found.states, expected.states) <= 1e-5
        assert stems.hits == 0
    finally:
        slots.load(0, models.made_here("qwen3", "lora", labels=2))


def test_an_encoder_reads_each_row_whole() -> None:
    slots = Slots(models.base("bert"), 1)
    slots.load(0, models.made_here("bert", "lora", labels=2, pooling="pooler"))
    user, stems = tuple(range(10, 60)), Stems(2**24)
    found, expected = both(slots, [(0, (*user, 70)), (0, (*user, 71)), (0, (*user, 72))], stems)
    assert torch.equal(found.states, expected.states)
    assert torch.equal(found.pooler, expected.pooler)
    assert stems.size == 0


def test_groups_of_like_length_hold_every_place_once_in_order() -> None:
    lengths = [300, 8, 9, 310, 9, 20, 8]
    assert of_like_length(lengths) == [[1, 2, 4, 5, 6], [0, 3]]
    many = [20] * 40 + [22] * 40
    assert len(of_like_length(many)) == 1
    assert of_like_length(many, slack=1 / 32) == [list(range(40)), list(range(40, 80))]
