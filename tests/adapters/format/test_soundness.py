"""Everything that keeps an adapter from being sound, by itself or on a base, is told."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from adapters import Adapter, BadAdapter, Base, BaseId, Head, Lora, Prefix, WrongBase
from adapters.base import load_shape
from adapters.format.soundness import adapter_problems, check_fit
from adapters.slots.slots import Slots
from tests.adapters import models


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama")


def changed(adapter: Adapter, **tensors: torch.Tensor | None) -> Adapter:
    merged = {**adapter.tensors, **{name.replace("__", "."): t for name, t in tensors.items()}}
    return replace(adapter, tensors={name: t for name, t in merged.items() if t is not None})


@pytest.mark.parametrize("method", ["lora", "prefix"])
def test_an_adapter_of_this_base_fits_and_one_of_another_shape_does_not(
    base: Base, method: str, tmp_path: Path
) -> None:
    check_fit(models.peft_adapter(models.model("llama"), tmp_path / "own", method), base)
    wider = models.model("llama", num_key_value_heads=4, hidden_size=64)
    with pytest.raises(BadAdapter, match="this base needs"):
        check_fit(models.peft_adapter(wider, tmp_path / "wider", method), base)


def test_the_configuration_of_a_base_is_enough(tmp_path: Path) -> None:
    folder = models.saved("llama", tmp_path / "tiny")
    (folder / "model.safetensors").unlink()
    adapter = models.peft_adapter(models.model("llama"), tmp_path / "adapter", "lora")
    check_fit(replace(adapter, base=BaseId("owner/base", None, "ab" * 32)), load_shape(str(folder)))


def test_every_way_in_which_a_lora_does_not_fit_is_told(base: Base, tmp_path: Path) -> None:
    adapter = models.peft_adapter(
        models.model("llama", head=2), tmp_path / "a", "lora", target_modules=["q_proj"]
    )
    layer = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    other = "base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight"
    moved = changed(adapter, **{layer: None, other: adapter.tensors[layer]})
    moved.tensors["base_model.model.score.weight"] = torch.zeros(2, 31)
    with pytest.raises(BadAdapter) as refused:
        check_fit(moved, base)
    told = str(refused.value)
    assert f"{other} names a layer that this base does not have" in told
    assert "layers.0.self_attn.q_proj.lora_B.weight has no lora_A beside it" in told
    assert "no weights for model.layers.0.self_attn.q_proj, which its targets name" in told
    assert "head is (2, 31), this base and 2 labels need (2, 32)" in told


def test_another_base_is_named(base: Base, tmp_path: Path) -> None:
    adapter = models.peft_adapter(models.model("llama"), tmp_path / "a", "lora")
    with pytest.raises(WrongBase, match="made for owner/other"):
        check_fit(replace(adapter, base=BaseId("owner/other", None, "ab" * 32)), base)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: {k: v for k, v in t.items() if "layers.1.mlp.up_proj" not in k},
            "no weights for model.layers.1",
        ),
        (
            lambda t: {k: v for k, v in t.items() if k != next(iter(t)).replace("lora_A", "lora_B")},
            "has no lora_B beside it",
        ),
        (lambda t: {k.replace("layers.1", "layers.7"): v for k, v in t.items()}, "does not have"),
        (lambda t: {k: v[:, :-1] if "lora_A" in k else v for k, v in t.items()}, "this base needs"),
        (lambda t: {}, "holds no tensors"),
        (lambda t: t | {"base_model.model.extra": torch.zeros(1)}, "extra does not belong to a LoRA adapter"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change: Any, message: str) -> None:
    adapter = models.made_here("llama", "lora")
    adapter.tensors = change(adapter.tensors)
    slots = Slots(models.base("llama"), 1)
    with pytest.raises(BadAdapter, match=message):
        slots.load(0, adapter)


def test_a_prefix_of_another_shape_is_refused() -> None:
    adapter = models.made_here("llama", "prefix")
    with pytest.raises(BadAdapter, match="this base needs"):
        Slots(models.base("llama", num_hidden_layers=3), 1).load(
            0, Adapter(**{**vars(adapter), "base": BaseId(None)})
        )


def test_an_adapter_for_another_base_is_refused_with_both_fingerprints() -> None:
    adapter = models.made_here("llama", "lora")
    other = models.base("qwen2")
    with pytest.raises(WrongBase) as error:
        Slots(other, 1).load(0, adapter)
    assert adapter.base.fingerprint and adapter.base.fingerprint[:12] in str(error.value)
    assert other.fingerprint[:12] in str(error.value)


LAYER = "base_model.model.model.layers.0.self_attn.q_proj"
A, B, MAGNITUDE = f"{LAYER}.lora_A.weight", f"{LAYER}.lora_B.weight", f"{LAYER}.lora_magnitude_vector"
SCORE = "base_model.model.score.weight"
PLAIN, DORA = Lora(2, 4.0, ("q_proj",)), Lora(2, 4.0, ("q_proj",), dora=True)
PAIR = {A: (2, 8), B: (6, 2)}


def of_shapes(method: Lora | Prefix, labels: int, shapes: dict[str, tuple[int, ...]]) -> Adapter:
    head = Head(tuple(map(str, range(labels))), "last") if labels else None
    tensors = {name: torch.zeros(shape) for name, shape in shapes.items()}
    return Adapter(method, head, tensors, BaseId("starter"))


@pytest.mark.parametrize(
    ("method", "labels", "shapes", "problems"),
    [
        (PLAIN, 0, PAIR, []),
        (PLAIN, 3, {**PAIR, SCORE: (3, 8)}, []),
        (DORA, 0, {**PAIR, MAGNITUDE: (6,)}, []),
        (Prefix(3), 2, {"prompt_embeddings": (3, 16), SCORE: (2, 8)}, []),
        (PLAIN, 0, {A: (2, 8)}, [f"{A} has no lora_B beside it"]),
        (
            PLAIN,
            0,
            {B: (6, 2)},
            [f"{B} has no lora_A beside it", "it holds no LoRA weights (pairs of lora_A and lora_B)"],
        ),
        (PLAIN, 0, {A: (3, 8), B: (6, 2)}, [f"{A} [3, 8] does not fit its lora_B [6, 2]"]),
        (PLAIN, 0, {A: (2,), B: (2,)}, [f"{A} [2] does not fit its lora_B [2]"]),
        (PLAIN, 0, {A: (4, 8), B: (6, 4)}, [f"{A} has rank 4, the configuration says 2"]),
        (
            PLAIN,
            0,
            {**PAIR, MAGNITUDE: (6,)},
            [f"{MAGNITUDE} is of DoRA, which the configuration does not name"],
        ),
        (PLAIN, 0, {**PAIR, "x": (1,)}, ["x does not belong to a LoRA adapter; save the adapter alone"]),
        (DORA, 0, PAIR, [f"{A} has no lora_magnitude_vector of DoRA beside it"]),
        (DORA, 0, {**PAIR, MAGNITUDE: (8,)}, [f"{MAGNITUDE} is [8], its lora_B [6, 2]"]),
        (PLAIN, 3, PAIR, ["it has labels but no tensor of a head (score or classifier); train it again"]),
        (PLAIN, 3, {**PAIR, SCORE: (2, 8)}, [f"{SCORE} has 2 rows for 3 labels"]),
        (PLAIN, 3, {**PAIR, SCORE: ()}, [f"{SCORE} is []; a head is a matrix"]),
        (
            PLAIN,
            2,
            {**PAIR, SCORE: (2, 8), SCORE.replace("weight", "bias"): (3,)},
            [f"{SCORE.replace('weight', 'bias')} is [3] for 2 labels"],
        ),
        (
            Prefix(3),
            0,
            {"y": (1,)},
            [
                "it holds no prompt_embeddings, which a Prefix adapter needs",
                "y does not belong to a Prefix adapter; save the adapter alone",
            ],
        ),
        (
            Prefix(3),
            0,
            {"prompt_embeddings": (2, 16)},
            ["prompt_embeddings is [2, 16]; the configuration says 3 positions"],
        ),
        (PLAIN, 0, {}, ["it holds no tensors; save the trained adapter again"]),
    ],
)
def test_what_is_known_without_a_base_is_told_once(
    method: Lora | Prefix, labels: int, shapes: dict[str, tuple[int, ...]], problems: list[str]
) -> None:
    assert adapter_problems(of_shapes(method, labels, shapes)) == problems


def test_a_pattern_that_cannot_be_used_is_told_once() -> None:
    method = replace(PLAIN, rank_pattern={"(": 2})
    [problem] = adapter_problems(
        of_shapes(method, 0, {**PAIR, A.replace("0", "1"): (2, 8), B.replace("0", "1"): (6, 2)})
    )
    assert "regular expression" in problem and "cannot be used" in problem


def test_patterns_are_read_by_the_names_in_the_file_as_in_peft(tmp_path: Path) -> None:
    """A bare encoder's file lacks the base's own prefix, which a pattern may not count on either."""
    adapter = models.peft_adapter(
        models.model("bert"),
        tmp_path,
        "lora",
        target_modules=["query"],
        rank_pattern={"encoder.layer.0.attention.self.query": 3},
    )
    terms = check_fit(adapter, models.base("bert"))
    assert [term.rank for term in terms.values()] == [3, 4]
    assert {path.split(".")[0] for path in terms} == {"bert"}
