"""Serving in place gives what the definition gives."""

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.kernels import torch_inplace
from tests.adapters.kernels.layers import SLOTS, compare

ROWS = st.lists(st.none() | st.integers(0, SLOTS - 1), min_size=1, max_size=9).filter(
    lambda slots: any(slot is not None for slot in slots)
)


@settings(max_examples=150)
@given(slots=ROWS, tokens=st.sampled_from([1, 2, 7, 17]), bias=st.booleans())
def test_serving_in_place_equals_the_definition(slots: list[int | None], tokens: int, bias: bool) -> None:
    compare(torch_inplace, slots, tokens, "cpu", bias)
