"""Every row of a mixed batch equals the same adapter alone in stock PEFT on the same base."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.slots.forward_pass import Hidden, forward, pad
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots
from tests.adapters import models
from tests.adapters.shelf import Shelf

SEQUENCES = [(5, 9, 20, 33, 7), (8, 6), (40, 41, 42, 43, 44, 45, 46), (3, 4, 5), (9, 9, 9), (7,)]
MIX: dict[str, tuple[str, dict[str, Any]]] = {
    "lora": ("lora", {"r": 2}),
    "prefix": ("prefix", {"num_virtual_tokens": 3}),
    "rslora": ("lora", {"r": 6, "use_rslora": True, "lora_alpha": 3, "target_modules": ["down_proj", "o_proj", "fc2"]}),
    "long prefix": ("prefix", {"num_virtual_tokens": 6}),
    "dora": ("lora", {"r": 3, "use_dora": True, "lora_alpha": 7}),
}  # fmt: skip


def off(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference, relative to the largest expected value."""
    return float((found - expected).abs().max() / expected.abs().max())


def own(hidden: Hidden, row: int) -> torch.Tensor:
    """Hidden states of a row's own tokens."""
    return hidden.states[row][hidden.mask[row].bool()]


def check(
    shelf: Shelf,
    slots: Slots,
    rows: list[tuple[str | None, tuple[int, ...]]],
    left: bool,
    first_alone: bool = False,
) -> None:
    """One forward over rows `(adapter, ids)`, heads included, against PEFT row by row. Slot i holds adapter i."""
    base, names = slots.base, list(shelf.options)
    plan = RowSlots(tuple(None if name is None else names.index(name) for name, _ in rows))
    with torch.no_grad():
        hidden = forward(
            base, slots, pad(base, [ids for _, ids in rows], left), plan, first_alone=first_alone
        )
        for row, (name, ids) in enumerate(rows):
            if shelf.has_head(name):
                slot = plan.slots[row]
                assert slot is not None
                pooler = None if hidden.pooler is None else hidden.pooler[row : row + 1]
                found = slots.head(slot)(hidden.states[row : row + 1], hidden.mask[row : row + 1], pooler)[0]
            else:
                found = base.lm_logits(own(hidden, row))
            assert off(found, shelf.logits(name, ids)) <= 1e-4, (name, ids)


def filled(shelf: Shelf) -> Slots:
    slots = Slots(models.base(shelf.family, **shelf.changes), len(shelf.options))
    for slot, adapter in enumerate(shelf.adapters.values()):
        slots.load(slot, adapter)
    return slots


@pytest.mark.parametrize("left", [True, False], ids=["padded on the left", "padded on the right"])
@pytest.mark.parametrize("family", models.DECODERS)
def test_mixed_rows_of_a_decoder_equal_peft(family: str, left: bool, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, MIX, family)
    check(shelf, filled(shelf), list(zip([*MIX, None], SEQUENCES, strict=True)), left)


@pytest.mark.parametrize("left", [True, False], ids=["padded on the left", "padded on the right"])
@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "mistral"])
def test_heads_and_texts_of_a_decoder_equal_peft(family: str, left: bool, tmp_path: Path) -> None:
    """Different label counts in one batch, LoRA and Prefix."""
    heads: dict[str, tuple[str, dict[str, Any]]] = {
        "two": ("lora", {"r": 4, "head": 2}),
        "five": ("prefix", {"num_virtual_tokens": 4, "head": 5}),
        "text": ("lora", {"r": 1}),
    }
    shelf = Shelf(tmp_path, heads, family)
    rows = [(name, ids) for ids in SEQUENCES[:4] for name in (*heads, None)]
    check(shelf, filled(shelf), rows, left)


ALONE = pytest.mark.parametrize("first_alone", [False, True], ids=["every token", "the first token alone"])


@ALONE
def test_heads_of_an_encoder_equal_peft(tmp_path: Path, first_alone: bool) -> None:
    heads: dict[str, tuple[str, dict[str, Any]]] = {
        "two": ("lora", {"r": 4, "head": 2}),
        "five": ("prefix", {"num_virtual_tokens": 4, "head": 5}),
        "dora": ("lora", {"r": 2, "head": 3, "use_dora": True, "target_modules": ["query", "dense"]}),
    }
    shelf = Shelf(tmp_path, heads, "bert")
    check(shelf, filled(shelf), [(name, ids) for ids in SEQUENCES[:4] for name in heads], False, first_alone)


@ALONE
@pytest.mark.parametrize("family", ["roberta", "xlm-roberta", "electra"])
def test_heads_of_two_layers_equal_peft(family: str, tmp_path: Path, first_alone: bool) -> None:
    """`classifier.dense` and `classifier.out_proj`, as transformers' classes of these families have them."""
    heads: dict[str, tuple[str, dict[str, Any]]] = {
        "two": ("lora", {"r": 4, "head": 2, "target_modules": ["query", "dense"]}),
        "five": ("lora", {"r": 1, "head": 5}),
        "prefix": ("prefix", {"num_virtual_tokens": 3, "head": 2}),
    }
    shelf = Shelf(tmp_path, heads, family)
    check(shelf, filled(shelf), [(name, ids) for ids in SEQUENCES[:4] for name in heads], False, first_alone)


def test_electra_and_roberta_rows_are_unmoved_by_padding_and_neighbours() -> None:
    for family in ("electra", "roberta"):
        base = models.base(family)
        with torch.no_grad():
            both = forward(base, Slots(base, 1), pad(base, SEQUENCES[:2]), RowSlots((None, None)))
            alone = models.model(family)(input_ids=torch.tensor([SEQUENCES[1]])).last_hidden_state[0]
        assert off(own(both, 1), alone) <= 1e-5


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shelf, Slots]:
    """Adapters of different ranks, scalings, targets, lengths and heads."""
    options: dict[str, tuple[str, dict[str, Any]]] = {
        "one layer": ("lora", {"r": 1, "target_modules": ["q_proj"]}),
        "all": ("lora", {"r": 5}),
        "ranks": ("lora", {"r": 3, "rank_pattern": {"o_proj": 7}, "alpha_pattern": {"layers.1.mlp.up_proj": 31}}),
        "dora": ("lora", {"r": 2, "use_dora": True, "target_modules": ["k_proj", "down_proj"]}),
        "high": ("lora", {"r": 16, "lora_alpha": 64, "use_rslora": True, "target_modules": ["v_proj", "gate_proj"]}),
        "short prefix": ("prefix", {"num_virtual_tokens": 1}),
        "long prefix": ("prefix", {"num_virtual_tokens": 9}),
        "head": ("lora", {"r": 2, "head": 3}),
        "prefix head": ("prefix", {"num_virtual_tokens": 2, "head": 4}),
    }  # fmt: skip
    shelf = Shelf(tmp_path_factory.mktemp("crowd"), options)
    return shelf, filled(shelf)


ROW = st.tuples(
    st.none() | st.integers(0, 8), st.lists(st.integers(2, 250), min_size=1, max_size=9).map(tuple)
)


@settings(max_examples=150)
@given(
    batch=st.lists(ROW, min_size=1, max_size=9),
    same=st.booleans(),
    left=st.booleans(),
    swaps=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=3),
)
def test_any_mix_equals_peft(
    crowd: tuple[Shelf, Slots],
    batch: list[tuple[int | None, tuple[int, ...]]],
    same: bool,
    left: bool,
    swaps: list[tuple[int, int]],
) -> None:
    """Any adapters in any order, or one for all rows, padded on either side; slots cleared and loaded over in between:
    what lay in a slot before, idle slots and unused ranks never show."""
    shelf, slots = crowd
    names = list(shelf.options)
    for slot, other in swaps:
        slots.load(slot, shelf.adapters[names[other]])
        slots.clear(slot)
        slots.load(slot, shelf.adapters[names[slot]])
    rows = [(None if index is None else names[index], ids) for index, ids in batch]
    if same:
        rows = [(rows[0][0], ids) for _, ids in rows]
    check(shelf, slots, rows, left)


TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
DRAWN = st.one_of(
    st.fixed_dictionaries(
        {
            "r": st.integers(1, 9),
            "lora_alpha": st.integers(1, 40),
            "use_rslora": st.booleans(),
            "use_dora": st.booleans(),
            "target_modules": st.lists(st.sampled_from(TARGETS), min_size=1, max_size=7, unique=True),
        }
    ).map(lambda options: ("lora", options)),
    st.integers(1, 12).map(lambda length: ("prefix", {"num_virtual_tokens": length})),
)


@settings(max_examples=12)
@given(options=st.lists(DRAWN, min_size=1, max_size=4), order=st.permutations(range(6)))
def test_any_adapters_equal_peft(
    tmp_path_factory: pytest.TempPathFactory, options: list[tuple[str, dict[str, Any]]], order: list[int]
) -> None:
    """Ranks, scalings, targets, methods and lengths are drawn too; each adapter is made by PEFT then."""
    shelf = Shelf(tmp_path_factory.mktemp("drawn"), {str(index): each for index, each in enumerate(options)})
    names: list[str | None] = [*shelf.options, None]
    rows = [(names[index % len(names)], SEQUENCES[index]) for index in order]
    check(shelf, filled(shelf), rows, left=True)
