"""An adapter on disk is a plain PEFT directory: stock PEFT reads ours, we read stock PEFT's; files that lie are refused
in our own words."""

import json
import random
import shutil
from pathlib import Path

import peft
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from adapters.errors import BadAdapter
from adapters.format.files import CONFIG, WEIGHTS, parse, parse_safetensors, read, render, write
from adapters.slots.forward_pass import forward, pad
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots
from tests.adapters import models
from tests.adapters.lies import CONFIG as PEFT_CONFIG
from tests.adapters.lies import examine, examine_config, lie, lying_config

IDS = [5, 9, 20, 33, 7]


@pytest.mark.parametrize("method", ["lora", "prefix"])
@pytest.mark.parametrize(
    ("family", "labels", "pooling"), [("llama", None, ""), ("llama", 3, "last"), ("bert", 3, "pooler")]
)
def test_stock_peft_gives_the_same_logits(
    family: str, labels: int | None, pooling: str, method: str, tmp_path: Path
) -> None:
    adapter = models.made_here(family, method, labels, pooling)
    write(adapter, tmp_path)
    stock = peft.PeftModel.from_pretrained(models.model(family, head=labels), tmp_path).eval()
    ids = torch.tensor([IDS])
    base = models.base(family)
    slots = Slots(base, 1)
    slots.load(0, read(tmp_path))
    rows = RowSlots((0,))
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
    adapter = models.made_here("llama", method, 3)
    adapter.info["note"] = "首单立减 ☕"
    again = read(write(adapter, tmp_path))
    assert (again.method, again.head, again.base, again.task, again.info) == (
        adapter.method, adapter.head, adapter.base, adapter.task, adapter.info
    )  # fmt: skip
    assert again.tensors.keys() == adapter.tensors.keys()
    assert all(torch.equal(again.tensors[name], adapter.tensors[name]) for name in adapter.tensors)
    assert render(again) == render(adapter)


def test_the_folder_names_no_local_path(tmp_path: Path) -> None:
    write(models.made_here("llama", "lora"), tmp_path)
    config = json.loads((tmp_path / CONFIG).read_text())
    assert config["base_model_name_or_path"] == "tiny/llama"
    assert list(config) == sorted(config)
    assert str(tmp_path) not in "".join(path.read_text(errors="ignore") for path in tmp_path.iterdir())


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
    write(models.made_here("llama", "lora"), tmp_path)
    damaged(tmp_path, how)
    with pytest.raises(BadAdapter):
        read(tmp_path)


def test_a_copy_of_the_folder_loads(tmp_path: Path) -> None:
    source = write(models.made_here("llama", "lora"), tmp_path / "a")
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
    assert parse(PEFT_CONFIG, header(f"{{{TRUE}}}")).tensors["a"].tolist() == [0, 0]
    with pytest.raises(BadAdapter, match="is damaged"):
        parse(PEFT_CONFIG, header(text))
