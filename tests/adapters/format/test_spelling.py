"""An adapter is read under every name that its tensors may have, where one meaning is possible, and stored under the
names that stock PEFT saves."""

import json
from collections.abc import Callable
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file

from adapters.errors import BadAdapter
from adapters.format.files import CONFIG, WEIGHTS, canonical, read
from adapters.format.spelling import as_saved
from tests.adapters import models

pytestmark = pytest.mark.filterwarnings("ignore:Could not find a config file")
STEM = "base_model.model.model.layers.0.self_attn.q_proj"


def state(name: str) -> str:
    """As `state_dict` of a PeftModel has it."""
    if ".lora_magnitude" in name:
        return f"{name}.default.weight"
    if ".lora_" in name:
        return name.replace(".weight", ".default.weight")
    return name.replace(".score.", ".score.modules_to_save.default.")


SPELLINGS: list[Callable[[str], str]] = [
    state,
    lambda name: state(name).replace("default", "acme-spring"),
    lambda name: name.removeprefix("base_model.model."),
    lambda name: state(name).removeprefix("base_model.model."),
    lambda name: f"module.{name}",
    lambda name: name.replace("base_model.model.", "base_model.model._orig_mod."),
    lambda name: name.replace(".layers.0.", ".layers.0._fsdp_wrapped_module."),
    lambda name: f"{name}.weight" if ".lora_magnitude" in name else name,
]


@pytest.mark.parametrize("spelled", SPELLINGS)
@pytest.mark.parametrize("dora", [False, True])
def test_one_adapter_under_many_names(spelled: Callable[[str], str], dora: bool, tmp_path: Path) -> None:
    made = models.peft_adapter(models.model("llama", head=3), tmp_path, "lora", use_dora=dora)
    file = tmp_path / WEIGHTS
    save_file({spelled(name): tensor for name, tensor in load_file(file).items()}, file)
    found = read(tmp_path)
    assert found.head == made.head and found.tensors.keys() == made.tensors.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in made.tensors.items())
    file.write_bytes(canonical(file.read_bytes()))
    assert load_file(file).keys() == made.tensors.keys()
    model = peft.PeftModel.from_pretrained(models.model("llama", head=3), tmp_path)
    state = peft.get_peft_model_state_dict(model)
    assert all(torch.equal(state[name], tensor) for name, tensor in made.tensors.items())


def test_a_prefix_out_of_a_whole_state(tmp_path: Path) -> None:
    made = models.peft_adapter(models.model("llama", head=2), tmp_path, "prefix")
    file = tmp_path / WEIGHTS
    own = {"prompt_embeddings": "prompt_encoder.default.embedding.weight"}
    save_file({own.get(name, state(name)): tensor for name, tensor in load_file(file).items()}, file)
    found = read(tmp_path)
    assert found.tensors.keys() == made.tensors.keys()


def test_names_that_stock_peft_saves_stay() -> None:
    names = [
        f"{STEM}.lora_A.weight",
        f"{STEM}.lora_B.weight",
        f"{STEM}.lora_magnitude_vector",
        "base_model.model.score.weight",
        "base_model.model.classifier.out_proj.bias",
        "base_model.classifier.weight",
        "prompt_embeddings",
        "base_model.model.model.embed_tokens.lora_embedding_A",
        "of nobody",
    ]
    assert as_saved(names) == {name: name for name in names}


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([f"{STEM}.lora_A.one.weight", f"{STEM}.lora_B.two.weight"], r"several adapters \(one, two\)"),
        ([f"{STEM}.lora_A.weight", f"{STEM}.lora_A.default.weight"], "one and the same tensor"),
        ([f"{STEM}.lora_A.weight", f"{STEM.removeprefix('base_model.model.')}.lora_A.weight"], "one and the same"),
    ],
)  # fmt: skip
def test_two_meanings_are_refused(names: list[str], told: str) -> None:
    with pytest.raises(BadAdapter, match=told):
        as_saved(names)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"target_modules": ["q_proj", "lm_head"]}, "adapts lm_head, an output layer"),
        ({"target_modules": ["q_proj", "embed_tokens"]}, "adapts an embedding"),
        ({"modules_to_save": ["lm_head"]}, "does not belong to a LoRA adapter"),
        ({"bias": "lora_only"}, "uses bias"),
        ({"lora_bias": True}, "uses lora_bias"),
        ({"trainable_token_indices": [3, 4]}, "uses trainable_token_indices"),
    ],
)
def test_what_could_never_be_served_is_refused_where_it_is_read(
    options: dict[str, object], told: str, tmp_path: Path
) -> None:
    with pytest.raises(BadAdapter, match=told):
        models.peft_adapter(models.model("llama", tie_word_embeddings=False), tmp_path, "lora", **options)


@pytest.mark.parametrize(
    "options",
    [
        {"layers_to_transform": 0, "target_modules": ["q_proj", "up_proj"]},
        {"layers_to_transform": [1], "layers_pattern": "layers", "target_modules": ["q_proj"]},
        {"target_modules": r".*\.1\.mlp\.(up|down)_proj"},
        {"target_modules": ["self_attn.q_proj", "layers.1.mlp.up_proj"]},
        {"exclude_modules": ["down_proj"]},
        {"exclude_modules": r".*\.0\..*"},
        {"rank_pattern": {r"layers\.1\..*": 7, "q_proj": 2}, "alpha_pattern": {"^model.layers.0.mlp.up_proj": 3}},
        {"use_rslora": True, "lora_alpha": 9, "rank_pattern": {"o_proj": 1}},
        {"use_dora": True, "init_lora_weights": "gaussian"},
        {"fan_in_fan_out": True},
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:fan_in_fan_out")
def test_what_stock_peft_loads_is_read_and_fits(options: dict[str, object], tmp_path: Path) -> None:
    from adapters.format.soundness import check_fit

    made = models.peft_adapter(models.model("llama"), tmp_path, "lora", **options)
    assert len(check_fit(made, models.base("llama"))) == sum("lora_A" in name for name in made.tensors)


def test_all_linear_by_its_name_promises_every_layer(tmp_path: Path) -> None:
    from adapters.format.soundness import adapter_problems

    models.peft_adapter(models.model("llama"), tmp_path, "lora")
    path = tmp_path / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | {"target_modules": "all-linear"}))
    made, base = read(tmp_path), models.base("llama")
    assert not adapter_problems(made, base)
    for end in "AB":
        del made.tensors[f"{STEM}.lora_{end}.weight"]
    assert "no weights for model.layers.0.self_attn.q_proj" in adapter_problems(made, base)[0]
