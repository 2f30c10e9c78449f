"""JSON objects with a type: numbers that may be undefined, and reading what anyone may have written."""

import math

import pytest

from recipes.part import Number, Part, is_number, or_null


class Leaf(Part):
    value: Number
    name: str = "none"


def test_a_number_that_is_not_defined_is_null_in_json() -> None:
    assert Leaf(value=math.nan).to_info() == {"value": None, "name": "none"}
    found = Leaf.read({"value": None})
    assert found is not None and math.isnan(found.value)


def test_whole_numbers_stay_whole() -> None:
    assert type(Leaf(value=3).to_info()["value"]) is int and type(Leaf(value=3.0).to_info()["value"]) is float


@pytest.mark.parametrize("wrong", ["3", True, [3], {}])
def test_only_numbers_are_numbers(wrong: object) -> None:
    assert not is_number(wrong)
    assert Leaf.read({"value": wrong}) is None, "it cannot be without its value"


def test_keys_of_another_form_or_unknown_are_left_out() -> None:
    assert Leaf.read({"value": 1, "name": 7, "more": [1]}) == Leaf(value=1)
    assert Leaf.read([1]) is Leaf.read(None) is None
    assert Leaf.read(Leaf(value=2)) == Leaf(value=2)


def test_what_is_not_finite_is_null() -> None:
    assert [or_null(value) for value in (1.5, math.nan, -math.inf, None)] == [1.5, None, None, None]
