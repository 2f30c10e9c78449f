"""The ways of 4-bit products on a CPU: compiled, fused, unpacked and plain."""

import copy
from pathlib import Path

import pytest
import torch
from bitsandbytes.functional import has_avx512bf16
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from adapters import Base, load_base
from adapters.base import cpu_nf4
from adapters.slots.forward_pass import forward, pad
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots
from adapters.slots.trained import Trained
from tests.adapters import models

SEQUENCES = [[5, 9, 20, 33, 7], [8, 6], [40, 41, 42, 43]]


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_gradients_flow_through_a_quantized_base_after_it_has_answered(
    quantization: str, folder: Path, tmp_path: Path
) -> None:
    """Inference first must not cost the gradient: compared with the same base that has never run."""
    adapter = models.peft_adapter(models.model("llama", **models.ROOMY), tmp_path, "lora", r=2)
    gradients = []
    for answers_first in (False, True):
        base = load_base(str(folder), quantization, device="cpu")  # type: ignore[arg-type]
        slots, rows = Slots(base, 1, trains=True), RowSlots((0, 0, 0))
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
    assert base.memory_footprint() > stock.get_memory_footprint()
    assert torch.equal(base.model(input_ids=ids).logits, exact)
    assert not torch.equal(exact, stock(input_ids=ids).logits)
    odd_shape = models.saved("llama", tmp_path, hidden_size=64, intermediate_size=136)
    odd = load_base(str(odd_shape), "nf4", device="cpu")
    with torch.no_grad():
        assert torch.isfinite(odd.model(input_ids=ids).logits).all()


@pytest.fixture(params=["compiled", "unpacked", "plain"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One way of exact products, without the fused one."""
    if request.param == "compiled" and cpu_nf4.nf4_compile_fault() is not None:
        pytest.skip("there is no C compiler")
    if request.param != "compiled":
        monkeypatch.setattr(cpu_nf4, "nf4_compile_fault", lambda: "there is no C compiler")
    if request.param == "plain":
        monkeypatch.setattr(cpu_nf4, "free_memory", lambda _: 0)
    monkeypatch.setattr(cpu_nf4, "_repack", None)
    return str(request.param)


def loaded(folder: Path, way: str, kind: str = "float32") -> Base:
    if way == "compiled":
        return load_base(str(folder), "nf4", device="cpu", dtype=kind)
    told = "kept unpacked, .* GiB: fast" if way == "unpacked" else "unpacked at each step, which is slow"
    with pytest.warns(UserWarning, match=told):
        return load_base(str(folder), "nf4", device="cpu", dtype=kind)


@pytest.mark.parametrize("shape", [{}, {"hidden_size": 64, "intermediate_size": 136}], ids=["whole", "odd"])
def test_every_way_gives_bitsandbytes_own_exact_products(
    way: str, shape: dict[str, int], tmp_path: Path
) -> None:
    """Forward and backward, answering and training, few rows and many; also where a layer is not of whole blocks."""
    folder = models.saved("llama", tmp_path, **shape)
    base = loaded(folder, way)
    for rows in (1, 12):
        ids = torch.arange(rows * 5).view(rows, 5) % 64
        outcomes = []
        for stock in (False, True):
            forwards = {
                layer: vars(layer).pop("forward")
                for layer in base.model.modules()
                if stock and "forward" in vars(layer)
            }
            embedded = base.embed(ids).detach().requires_grad_()
            trained = base.model(inputs_embeds=embedded).logits
            trained.square().sum().backward()
            with torch.inference_mode():
                outcomes.append((trained.detach(), embedded.grad, base.model(input_ids=ids).logits.clone()))
            for layer, own in forwards.items():
                layer.forward = own
        for ours, theirs in zip(*outcomes, strict=True):
            assert ours is not None and theirs is not None
            assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))


def test_a_copy_of_a_base_computes_with_its_own_weights(way: str, folder: Path) -> None:
    base = loaded(folder, way)
    ids = torch.tensor(SEQUENCES[:1])
    with torch.inference_mode():
        before = base.model(input_ids=ids).logits
        other, emptied = copy.deepcopy(base.model), copy.deepcopy(base.model)
        assert torch.equal(other(input_ids=ids).logits, before)
        for layer in emptied.modules():
            if hasattr(layer, "quant_state") and layer.quant_state is not None:
                layer.weight.data.zero_()
        assert not torch.equal(emptied(input_ids=ids).logits, before)
        assert torch.equal(base.model(input_ids=ids).logits, before)


def test_only_unpacked_weights_take_memory_of_their_own(way: str, folder: Path) -> None:
    base = loaded(folder, way)
    with torch.inference_mode():
        base.model(input_ids=torch.tensor(SEQUENCES[:1]))
    more = base.memory_footprint() - base.model.get_memory_footprint()
    layers = [layer for layer in base.linears.values() if hasattr(layer, "quant_state")]
    kept = 4 * sum(layer.in_features * layer.out_features for layer in layers)
    assert layers and more == (kept if way == "unpacked" else 0)


def test_another_type_of_hidden_states_goes_by_bitsandbytes(way: str, folder: Path) -> None:
    base = loaded(folder, way, "bfloat16")
    with torch.inference_mode():
        logits = base.model(input_ids=torch.tensor(SEQUENCES[:1])).logits
    assert logits.dtype == torch.bfloat16 and torch.isfinite(logits).all()
