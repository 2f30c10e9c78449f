"""Whether an adapter fits is known from a base's configuration alone, and the same as from the loaded base."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from adapters import Adapter, Base, BaseId, load_base
from adapters.errors import BadAdapter, BaseNotFound, WrongBase
from adapters.slots.fit import check_fit, load_shape
from tests.adapters import models


def saved(family: str, folder: Path) -> Path:
    models.model(family).save_pretrained(folder)
    models.tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", ["llama", "qwen3", "phi3", "gemma2", "bert", "roberta"])
def test_the_shape_of_a_base_is_that_of_the_loaded_one(family: str, tmp_path: Path) -> None:
    folder = saved(family, tmp_path / family)
    shape, base = load_shape(str(folder)), load_base(str(folder), "none", device="cpu")
    assert shape.identity == base.identity
    assert shape.width == base.width
    assert {path: tuple(layer.weight.shape) for path, layer in shape.linears.items()} == {
        path: tuple(layer.weight.shape) for path, layer in base.linears.items()
    }
    assert [(a.kv_heads, a.head_dim) for a in shape.attention] == [
        (a.kv_heads, a.head_dim) for a in base.attention
    ]
    assert {layer.weight.device.type for layer in shape.linears.values()} == {"meta"}


def test_a_base_of_which_only_the_configuration_is_there_has_a_shape_and_no_fingerprint(
    tmp_path: Path,
) -> None:
    folder = saved("llama", tmp_path / "tiny")
    (folder / "model.safetensors").unlink()
    shape = load_shape(str(folder))
    assert shape.identity == BaseId("local/tiny")
    adapter = models.peft_adapter(models.model("llama"), tmp_path / "adapter", "lora")
    check_fit(replace(adapter, base=BaseId("owner/base", None, "ab" * 32)), shape)
    with pytest.raises(BaseNotFound, match="no base"):
        load_shape(str(tmp_path / "nothing"))


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
    assert "layers.0.self_attn.q_proj.lora_B.weight comes without its lora_A" in told
    assert "no weights for model.layers.0.self_attn.q_proj, which its targets name" in told
    assert "head is (2, 31), this base and 2 labels need (2, 32)" in told


def test_another_base_is_named(base: Base, tmp_path: Path) -> None:
    adapter = models.peft_adapter(models.model("llama"), tmp_path / "a", "lora")
    with pytest.raises(WrongBase, match="made for owner/other"):
        check_fit(replace(adapter, base=BaseId("owner/other", None, "ab" * 32)), base)
