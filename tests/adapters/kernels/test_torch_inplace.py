"""Serving in place gives what the definition gives."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.kernels import torch_inplace, torch_reference
from tests.adapters.kernels.layers import INPUTS, SLOTS, WIDE, compare, plan, weights

ROWS = st.lists(st.none() | st.integers(0, SLOTS - 1), min_size=1, max_size=9).filter(
    lambda slots: any(slot is not None for slot in slots)
)


@settings(max_examples=150)
@given(slots=ROWS, tokens=st.sampled_from([1, 2, 7, 17]), bias=st.booleans())
def test_serving_in_place_equals_the_definition(slots: list[int | None], tokens: int, bias: bool) -> None:
    compare(torch_inplace, slots, tokens, "cpu", bias)


@settings(max_examples=100)
@given(slots=st.lists(st.integers(0, SLOTS - 1), min_size=1, max_size=9), dora=st.booleans())
def test_rows_moved_to_their_slots_give_what_the_definition_gives(slots: list[int], dora: bool) -> None:
    rows, layer = plan([None, *slots, None]), weights("cpu", dora)["q"]
    if rows.grid is None:
        return
    draw = torch.Generator().manual_seed(0)
    x, given = (torch.randn(len(slots) + 2, 1, width, generator=draw) for width in (INPUTS, WIDE))
    found = given.clone()
    torch_inplace.in_grid(found, x, layer, None, rows, rows.grid)
    expected = torch_reference.segments(given, x, layer, None, rows)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("slots", "moves"),
    [
        ([3, 0, 2, 1], "rows"),
        ([1, 0, 1, 0], "rows"),
        ([0, 1, 2, 3], "nothing"),
        ([0, 3, 0, 3], "weights"),
        ([2, 0, None, 1], "weights"),
    ],
)
def test_weights_are_gathered_only_where_neither_they_nor_the_rows_lie_near(
    slots: list[int | None], moves: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What moves in a step of one token a row."""
    gathered = []
    rows, layer = plan(slots), weights("cpu", dora=False)["k"]
    take = rows.scratch.take
    monkeypatch.setattr(
        rows.scratch, "take", lambda *shape, like: gathered.append(shape) or take(*shape, like=like)
    )
    grids = []
    in_grid = torch_inplace.in_grid
    monkeypatch.setattr(torch_inplace, "in_grid", lambda *given: grids.append(given) or in_grid(*given))
    torch_inplace.add(
        torch.zeros(len(slots), 1, layer.b.shape[2]), torch.zeros(len(slots), 1, INPUTS), layer, None, rows
    )
    assert (bool(grids), bool(gathered)) == (moves == "rows", moves == "weights")
