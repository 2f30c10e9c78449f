"""What a caller gives is of the type and in the range that its field says, or is refused with all three told."""

import math
from typing import Any

import pytest

from adapters.errors import RequestError
from adapters.serving.limits import Limits
from adapters.serving.request import Request
from adapters.serving.sampling import Sampling

WRONG: list[tuple[type, dict[str, Any], str]] = [
    (
        Sampling,
        {"max_new_tokens": 2.5},
        r"max_new_tokens is 2\.5 \(float\); expected a whole number of 1 or more",
    ),
    (Sampling, {"max_new_tokens": 0}, "expected a whole number of 1 or more"),
    (Sampling, {"max_new_tokens": 10**30}, "max_new_tokens"),
    (Sampling, {"temperature": math.inf}, r"temperature is inf.*0 \(greedy\), or a number from 0.001 to 100"),
    (Sampling, {"temperature": math.nan}, "temperature"),
    (Sampling, {"temperature": 1e-320}, "temperature"),
    (Sampling, {"temperature": "0.5"}, r"temperature is '0.5' \(str\)"),
    (Sampling, {"temperature": True}, "temperature is True"),
    (Sampling, {"top_p": 0}, "top_p"),
    (Sampling, {"top_p": 1.5}, "top_p"),
    (Sampling, {"top_k": -1}, "top_k"),
    (Sampling, {"min_p": -0.1}, "min_p"),
    (Sampling, {"min_p": 1.5}, "min_p"),
    (Sampling, {"min_p": math.nan}, "min_p"),
    (Sampling, {"seed": 2**64}, "seed"),
    (Sampling, {"repetition_penalty": 0}, "repetition_penalty"),
    (Sampling, {"repetition_penalty": 1e-320}, "repetition_penalty"),
    (Sampling, {"stop": ["a"]}, "stop"),
    (Sampling, {"stop": ("",)}, r"stop\[0\]"),
    (Sampling, {"stop": ("a", "\ud83d")}, r"stop\[1\] is '\\ud83d'"),
    (Limits, {"slots": 0}, "slots"),
    (Limits, {"rows": 2.0}, "rows"),
    (Limits, {"positions": -1}, "positions is -1"),
    (Limits, {"weights": {"acme": math.nan}}, "weights"),
    (Limits, {"weights": {"acme": 0}}, "weights"),
    (Limits, {"aging": math.inf}, "aging"),
    (Request, {"adapter": 3, "ids": (1,)}, "adapter is 3"),
    (Request, {"adapter": None, "ids": [1]}, "ids"),
    (Request, {"adapter": None, "ids": (1, 2.5)}, r"ids\[1\] is 2.5"),
    (Request, {"adapter": None, "ids": (1,), "deadline": math.nan}, "deadline is nan"),
    (Request, {"adapter": None, "ids": (1,), "deadline": math.inf}, "deadline is inf"),
    (Request, {"adapter": None, "ids": (1,), "deadline": "5"}, "deadline"),
    (Request, {"adapter": None, "ids": (1,), "client": None}, "client"),
]


@pytest.mark.parametrize(("kind", "fields", "told"), WRONG)
def test_a_wrong_field_is_told_with_its_value_and_what_is_expected(
    kind: type, fields: dict[str, Any], told: str
) -> None:
    with pytest.raises(RequestError, match=told) as caught:
        kind(**fields)
    assert "; expected " in str(caught.value)
    str(caught.value).encode()


def test_every_wrong_field_is_told() -> None:
    with pytest.raises(RequestError, match=r"temperature .*; top_p .*; seed "):
        Sampling(temperature=-1, top_p=2, seed=0.5)  # type: ignore[arg-type]


def test_whole_numbers_are_numbers() -> None:
    assert Sampling(temperature=1, top_p=1).temperature == 1


def test_what_a_value_prints_is_no_matter() -> None:
    class Rude:
        def __repr__(self) -> str:
            raise OSError

    with pytest.raises(RequestError, match=r"seed is it \(Rude\)"):
        Sampling(seed=Rude())  # type: ignore[arg-type]
