"""Configurations: patterns as PEFT reads them, and what a stranger may not write."""

import json

import pytest
import torch
from peft.utils.other import get_pattern_key
from safetensors.torch import save

from adapters import BadAdapter, Lora
from adapters.format.files import parse
from tests.adapters.lies import CONFIG

PAIR = save({f"base_model.model.l.0.q_proj.lora_{x}.weight": torch.ones(2, 2) for x in "AB"})


@pytest.mark.parametrize(
    "keys",
    [
        ["q_proj", "layers.1.self_attn.q_proj"],
        ["model.layers.1.self_attn.q_proj", "q_proj"],
        [r"layers\.[01]\..*", "mlp.up_proj"],
        ["proj", "up_proj", r".*\.2\..*"],
    ],
)
def test_patterns_name_the_layers_that_they_name_in_peft(keys: list[str]) -> None:
    method = Lora(99, 1.0, ("q_proj",), rank_pattern={key: rank for rank, key in enumerate(keys, 1)})
    for path in (
        f"model.layers.{layer}.{part}" for layer in (1, 2, 11) for part in ("self_attn.q_proj", "mlp.up_proj")
    ):
        expected = method.rank_pattern.get(get_pattern_key(keys, path), 99)
        assert method.rank_of(path) == expected, path


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
        ("((a{999}){999}){999}", "at most 10,000 are taken"),
        ("a" * 5000 + "|b", "at most 4,000 are taken"),
        ("(", "missing"),
    ],
)
def test_a_pattern_from_a_stranger_stops_nobody(pattern: str, problem: str) -> None:
    for change in ({"target_modules": pattern}, {"rank_pattern": {pattern: 2}}):
        method = parse(json.dumps({**json.loads(CONFIG), **change}).encode(), PAIR).method
        with pytest.raises(BadAdapter, match=problem):
            method.covers("a" * 200 + "!") or method.rank_of("a" * 200 + "!")


def test_flags_that_contradict_each_other_are_bad_too() -> None:
    method = parse(json.dumps({**json.loads(CONFIG), "target_modules": "(?aL)a"}).encode(), PAIR).method
    with pytest.raises(BadAdapter, match="flags"):
        method.covers("q_proj")
