"""An adapter on disk is a plain PEFT directory: stock PEFT reads ours, we read stock PEFT's."""

import json
import shutil
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft.utils.other import get_pattern_key
from safetensors.torch import load, save

from adapters import Adapter, BaseId, Head, Lora, Prefix
from adapters.errors import BadAdapter, WrongBase
from adapters.format.files import CONFIG, WEIGHTS, parse_safetensors, read, render, write
from adapters.slots.forward_pass import forward, pad
from adapters.slots.rows import Rows
from adapters.slots.slots import Slots
from tests.adapters import models

IDS = [5, 9, 20, 33, 7]


def made_here(family: str, method: str, labels: int | None = None, pooling: str = "last") -> Adapter:
    """An adapter with random weights in our own format."""
    base = models.base(family)
    stream = torch.Generator().manual_seed(3)
    head = Head(tuple(f"l{i}" for i in range(labels)), pooling, bias=family == "bert") if labels else None
    info: dict[str, Any] = {}
    tensors: dict[str, torch.Tensor] = {}
    chosen: Lora | Prefix
    if method == "lora":
        chosen = Lora(3, 6.0, base.targets("all-linear"))
        for path, linear in base.linears.items():
            if chosen.covers(path):
                stem = f"base_model.model.{path}"
                tensors[f"{stem}.lora_A.weight"] = torch.randn(3, linear.in_features, generator=stream) * 0.2
                tensors[f"{stem}.lora_B.weight"] = torch.randn(linear.out_features, 3, generator=stream) * 0.2
    else:
        layer, layers = base.attention[0], len(base.attention)
        chosen = Prefix(4)
        info["prefix_shape"] = {"layers": layers, "kv_heads": layer.kv_heads, "head_dim": layer.head_dim}
        tensors["prompt_embeddings"] = torch.randn(
            4, layers * 2 * layer.kv_heads * layer.head_dim, generator=stream
        )
    if labels:
        stem = f"base_model{'.model' if method == 'lora' else ''}.{'classifier' if family == 'bert' else 'score'}"
        tensors[f"{stem}.weight"] = torch.randn(labels, base.width, generator=stream)
        if family == "bert":
            tensors[f"{stem}.bias"] = torch.randn(labels, generator=stream)
    return Adapter(chosen, head, tensors, base.identity, "behavior" if labels else "ad-copy", info)


@pytest.mark.parametrize("method", ["lora", "prefix"])
@pytest.mark.parametrize(
    ("family", "labels", "pooling"), [("llama", None, ""), ("llama", 3, "last"), ("bert", 3, "pooler")]
)
def test_stock_peft_gives_the_same_logits(
    family: str, labels: int | None, pooling: str, method: str, tmp_path: Path
) -> None:
    adapter = made_here(family, method, labels, pooling)
    write(adapter, tmp_path)
    stock = peft.PeftModel.from_pretrained(models.model(family, head=labels), tmp_path).eval()
    ids = torch.tensor([IDS])
    base = models.base(family)
    slots = Slots(base, 1)
    slots.load(0, read(tmp_path))
    rows = Rows((0,))
    with torch.no_grad():
        expected = stock(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
        hidden = forward(base, slots, pad(base, [IDS]), rows)
        if labels:
            found = slots.head(0)(hidden.states, hidden.mask, hidden.pooler)[0]
        else:
            found = base.lm_logits(hidden.states[0])
        plain = models.model(family, head=labels)(input_ids=ids).logits[0]
    assert float((found - expected).abs().max() / expected.abs().max()) <= 1e-4
    if not labels:
        assert (
            float((plain - expected).abs().max() / expected.abs().max()) > 0.01
        )  # the adapter did load in PEFT


@pytest.mark.parametrize("method", ["lora", "prefix"])
def test_what_is_written_is_read_again(method: str, tmp_path: Path) -> None:
    adapter = made_here("llama", method, 3)
    adapter.info["note"] = "首单立减 ☕"
    again = read(write(adapter, tmp_path))
    assert (again.method, again.head, again.base, again.task, again.info) == (
        adapter.method, adapter.head, adapter.base, adapter.task, adapter.info
    )  # fmt: skip
    assert again.tensors.keys() == adapter.tensors.keys()
    assert all(torch.equal(again.tensors[name], adapter.tensors[name]) for name in adapter.tensors)
    assert render(again) == render(adapter)


def test_the_folder_names_no_local_path(tmp_path: Path) -> None:
    write(made_here("llama", "lora"), tmp_path)
    config = json.loads((tmp_path / CONFIG).read_text())
    assert config["base_model_name_or_path"] == "tiny/llama"
    assert list(config) == sorted(config)
    assert str(tmp_path) not in "".join(path.read_text(errors="ignore") for path in tmp_path.iterdir())


def test_the_card_says_where_stock_peft_differs() -> None:
    same = render(made_here("bert", "lora", 3, "pooler"))["README.md"].decode()
    other = render(made_here("bert", "lora", 3, "mean"))["README.md"].decode()
    assert "will not give the same answers" not in same
    assert "pools by `mean`" in other
    assert "will not give the same answers" in other


def damaged(folder: Path, how: str) -> None:
    weights = folder / WEIGHTS
    data = weights.read_bytes()
    if how == "truncated":
        weights.write_bytes(data[: len(data) // 2])
    elif how == "empty":
        weights.write_bytes(b"")
    elif how == "not a number":
        adapter = read(folder)
        next(iter(adapter.tensors.values())).fill_(float("nan"))
        weights.write_bytes(render(adapter)[WEIGHTS])
    elif how == "header":
        weights.write_bytes(data[:4] + b"\xff\xff\xff\xff" + data[8:])
    elif how == "config":
        (folder / CONFIG).write_text("{")
    elif how == "method":
        (folder / CONFIG).write_text(json.dumps({"peft_type": "IA3"}))
    elif how == "dora":
        config = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps(config | {"use_dora": True}))
    elif how == "a later variant":
        config = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps(config | {"use_some_new_lora": True}))
    elif how == "pissa":
        config = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps(config | {"init_lora_weights": "pissa_niter_4"}))
    elif how == "missing":
        weights.unlink()


@pytest.mark.parametrize(
    "how",
    [
        "truncated",
        "empty",
        "not a number",
        "header",
        "config",
        "method",
        "dora",
        "a later variant",
        "pissa",
        "missing",
    ],
)
def test_damage_is_reported_never_loaded(how: str, tmp_path: Path) -> None:
    write(made_here("llama", "lora"), tmp_path)
    damaged(tmp_path, how)
    with pytest.raises(BadAdapter):
        read(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: {k: v for k, v in t.items() if "layers.1.mlp.up_proj" not in k},
            "no weights for model.layers.1",
        ),
        (
            lambda t: {k: v for k, v in t.items() if k != next(iter(t)).replace("lora_A", "lora_B")},
            "comes without",
        ),
        (lambda t: {k.replace("layers.1", "layers.7"): v for k, v in t.items()}, "does not have"),
        (lambda t: {k: v[:, :-1] if "lora_A" in k else v for k, v in t.items()}, "this base needs"),
        (lambda t: {}, "holds no LoRA weights"),
        (lambda t: t | {"base_model.model.extra": torch.zeros(1)}, "is not a LoRA weight"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change: Any, message: str) -> None:
    adapter = made_here("llama", "lora")
    adapter.tensors = change(adapter.tensors)
    slots = Slots(models.base("llama"), 1)
    with pytest.raises(BadAdapter, match=message):
        slots.load(0, adapter)


def test_a_prefix_of_another_shape_is_refused() -> None:
    adapter = made_here("llama", "prefix")
    with pytest.raises(BadAdapter, match="this base needs"):
        Slots(models.base("llama", num_hidden_layers=3), 1).load(
            0, Adapter(**{**vars(adapter), "base": BaseId(None)})
        )


def test_an_adapter_for_another_base_is_refused_with_both_fingerprints() -> None:
    adapter = made_here("llama", "lora")
    other = models.base("qwen2")
    with pytest.raises(WrongBase) as error:
        Slots(other, 1).load(0, adapter)
    assert adapter.base.fingerprint and adapter.base.fingerprint[:12] in str(error.value)
    assert other.fingerprint[:12] in str(error.value)


def test_a_copy_of_the_folder_loads(tmp_path: Path) -> None:
    source = write(made_here("llama", "lora"), tmp_path / "a")
    shutil.copytree(source, tmp_path / "b")
    assert read(tmp_path / "b").base == read(source).base


@settings(max_examples=300)
@given(
    cut=st.integers(0, 400), at=st.integers(0, 400), byte=st.integers(0, 255), insert=st.binary(max_size=9)
)
def test_our_reader_takes_what_the_safetensors_package_takes(
    cut: int, at: int, byte: int, insert: bytes
) -> None:
    """Files with bytes changed, cut off and put in: read alike, or refused; what the package refuses is refused."""
    tensors = {
        "b": torch.arange(6.0).view(2, 3),
        "a": torch.ones(3, dtype=torch.float16),
        "empty": torch.zeros(0, 4),
    }
    data = bytearray(save(tensors, metadata={"repertoire": json.dumps({"x": 1})}))
    found, ours = parse_safetensors(bytes(data))
    assert ours == {"x": 1} and found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    if at < len(data):
        data[at] = byte
    data = data[: len(data) - cut % len(data)] + insert
    try:
        expected = load(bytes(data))
    except Exception:
        expected = None
    try:
        found, _ = parse_safetensors(bytes(data))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return
    assert expected is not None
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        assert tensor.dtype == expected[name].dtype and torch.equal(tensor, expected[name])


def test_only_finite_floating_point_numbers_are_weights() -> None:
    for bad in (torch.tensor([1, 2]), torch.tensor([1.0, torch.inf]), torch.tensor([torch.nan])):
        with pytest.raises(ValueError, match="one"):
            parse_safetensors(save({"one": bad, "two": torch.ones(2)}))
    large = torch.full((4,), 3e38)  # their sum is not finite, they are
    assert torch.equal(parse_safetensors(save({"one": large}))[0]["one"], large)


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
