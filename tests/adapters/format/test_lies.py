"""Files that lie are refused in our own words, and what is taken is read as the safetensors package reads it."""

import json
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from adapters.errors import BadAdapter
from adapters.format.files import parse
from tests.adapters.lies import CONFIG, examine, examine_config, lie, lying_config

PAIR = save({f"base_model.model.l.0.q_proj.lora_{x}.weight": torch.ones(2, 2) for x in "AB"})


@settings(max_examples=500)
@given(seed=st.integers(0, 2**32))
def test_no_lie_is_taken_and_none_is_answered_by_another_error(seed: int) -> None:
    examine(lie(random.Random(seed)))
    examine_config(lying_config(random.Random(seed)))


def test_true_files_and_configurations_pass_among_them() -> None:
    taken = sum(examine(lie(random.Random(seed))) for seed in range(200))
    configured = sum(examine_config(lying_config(random.Random(seed))) for seed in range(200))
    assert 20 < taken < 120 and 5 < configured < 120


def header(text: str) -> bytes:
    return len(text.encode()).to_bytes(8, "little") + text.encode() + bytes(8)


TRUE = '"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}'


@pytest.mark.parametrize(
    "text",
    [
        f'{{{TRUE}, "__metadata__": {{"format": [0]}}}}',
        f"{{{TRUE}, {TRUE}}}",
        '{"\\ud800": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}',
        '{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0.0, 8.0]}}',
        '{"a": {"dtype": "F32", "shape": [true, 2], "data_offsets": [0, 8]}}',
    ],
)
def test_headers_that_others_read_otherwise_are_refused(text: str) -> None:
    assert parse(CONFIG, header(f"{{{TRUE}}}")).tensors["a"].tolist() == [0, 0]
    with pytest.raises(BadAdapter, match="is damaged"):
        parse(CONFIG, header(text))


@pytest.mark.parametrize(
    "change",
    [
        {"r": "2"},
        {"r": True},
        {"r": float("inf")},
        {"lora_alpha": float("nan")},
        {"rank_pattern": [1]},
        {"rank_pattern": {"q_proj": 0}},
        {"alpha_pattern": "x"},
        {"target_modules": 7},
    ],
)
def test_a_configuration_of_wrong_kinds_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadAdapter, match="cannot be read"):
        parse(json.dumps({**json.loads(CONFIG), **change}).encode(), PAIR)


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(a|aa)+$", "takes too long"),
        ("((a{999}){999}){999}", "too long"),
        ("a" * 5000 + "|b", "too long"),
        ("(", "missing"),
    ],
)
def test_a_pattern_from_a_stranger_stops_nobody(pattern: str, problem: str) -> None:
    for change in ({"target_modules": pattern}, {"rank_pattern": {pattern: 2}}):
        method = parse(json.dumps({**json.loads(CONFIG), **change}).encode(), PAIR).method
        with pytest.raises(BadAdapter, match=problem):
            method.covers("a" * 200 + "!") or method.rank_of("a" * 200 + "!")
