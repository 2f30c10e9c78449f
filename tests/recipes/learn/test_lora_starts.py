"""Where LoRA starts: as PEFT's, step by step, and in the end plain LoRA on the base that everybody has."""

from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from peft.utils.loftq_utils import _low_rank_decomposition
from safetensors.torch import load_file

from adapters import Adapter, Base, Lora, load_base
from adapters.base import original_weights, plain_weight
from adapters.errors import BaseError
from adapters.format.files import read
from adapters.slots.forward_pass import forward, pad
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots
from recipes import Order, Recipe, train, train_many
from recipes.errors import RecipeError, TrainingError
from recipes.learn import lora_starts
from recipes.learn.fused import Fused
from recipes.learn.job import Job
from recipes.learn.lora_starts import _largest
from recipes.runs.order import prepare
from recipes.runs.run import Run, Settings
from tests.adapters import models
from tests.adapters.base.test_quantization import stock as stock_base
from tests.recipes.learn.neighbours import alone_and_beside
from tests.recipes.runs.test_training import QUICK, copies, moods, weights

SHORT: dict[str, Any] = QUICK | {
    "lora.rank": 4,
    "lora.dropout": 0.0,
    "head.init": "random",
    "head.pooling": "last",
    "train.learning_rate": 5e-3,
    "train.head_learning_rate": 5e-3,
    "train.weight_decay": 0.1,
}
DIFFERENCES = ("pissa", "olora")
PATTERNS: list[dict[str, int]] = [{}, {"down_proj": 6, "layers.0.self_attn.q_proj": 2}]


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama", tie_word_embeddings=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.saved("llama", tmp_path_factory.mktemp("models") / "roomy", **models.ROOMY)


def recipe(init: str, **changes: Any) -> Recipe:
    return Recipe.load("behavior", **SHORT | {"lora.init": init} | changes)


def stock(job: Job, init: str, ranks: dict[str, int]) -> Any:
    """PEFT's own start on the same base, under the same head. ranks: of layers, where they differ from rank 4."""
    settings, alphas = job.recipe.lora, {}
    if ranks:
        alphas = {key: settings.alpha / settings.rank * rank for key, rank in ranks.items()}
    config = peft.LoraConfig(
        task_type="SEQ_CLS",
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        rank_pattern=ranks,
        alpha_pattern=alphas,
        init_lora_weights=init,  # type: ignore[arg-type]
        use_rslora=settings.rslora,
    )
    model = peft.get_peft_model(models.model("llama", head=2, tie_word_embeddings=False), config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "score.modules_to_save" in name:
                parameter.copy_(job.adapter.tensors["base_model.model.score.weight"])
    return model.eval()


def taught(job: Job, base: Base, theirs: Any) -> None:
    """Train both, and compare the loss of each step."""
    slots = Slots(base, 1, trains=True)
    slots.load(0, job.adapter)
    job.begin(slots, 0)
    fused, settings = Fused(base, slots, 2048), job.recipe.train
    scores = [p for name, p in theirs.named_parameters() if "score.modules_to_save" in name]
    body = [p for name, p in theirs.named_parameters() if "lora_" in name and p.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": body, "lr": settings.learning_rate},
            {"params": scores, "lr": settings.head_learning_rate},
        ],
        weight_decay=settings.weight_decay,
    )
    for step in range(job.steps):
        batch = job._batch(job.drawn)
        width = max(len(row.ids) for row in batch)
        ids = torch.tensor([[*row.ids, *[0] * (width - len(row.ids))] for row in batch])
        labels = torch.tensor([row.label for row in batch])
        outputs = theirs(input_ids=ids, attention_mask=(ids > 0).long(), labels=labels)
        outputs.loss.backward()
        torch.nn.utils.clip_grad_norm_([*body, *scores], settings.clip)
        optimizer.step()
        optimizer.zero_grad()
        earlier = job._loss_sum
        fused.turn([job])
        expected = float(outputs.loss.detach())
        assert job._loss_sum - earlier == pytest.approx(expected, abs=2e-5), f"loss of step {step}"
    job.best = {name: each.detach().clone() for name, each in job.trained.parameters.items()}
    job.restore_best()
    slots.close()


@pytest.mark.parametrize("init", DIFFERENCES)
@pytest.mark.parametrize("ranks", PATTERNS, ids=["one rank", "ranks of layers"])
def test_it_trains_as_peft_does_and_is_what_peft_converts_it_into(
    init: str, ranks: dict[str, int], base: Base, tmp_path: Path
) -> None:
    """On a base that PEFT changes and that stays as it is here; weights decay."""
    changes: dict[str, Any] = {
        "train.schedule": "constant",
        "train.warmup_share": 0.0,
        "lora.rank_pattern": ranks,
        "data.label_names": False,  # rows that count as much as each other, as PEFT's do
    }
    job = prepare(Order(recipe(init, **changes), moods(tmp_path, 64)), base)
    theirs = stock(job, init, ranks)
    theirs.save_pretrained(tmp_path / "before")
    taught(job, base, theirs)
    theirs.save_pretrained(
        tmp_path / "after", path_initial_model_for_weight_conversion=str(tmp_path / "before")
    )
    converted = load_file(tmp_path / "after" / "adapter_model.safetensors")
    method = job.adapter.method
    assert isinstance(method, Lora) and len(converted) == 2 * len(base.linears)
    for path in base.linears:
        stem = f"base_model.model.{path}.lora_"
        a, b = (job.adapter.tensors[f"{stem}{each}.weight"] for each in "AB")
        assert len(a) == method.rank_of(path) and method.scaling_of(path) == pytest.approx(16 / 4)
        assert torch.allclose(a, converted[f"{stem}A.weight"], atol=1e-4), path
        assert torch.allclose(b, converted[f"{stem}B.weight"], atol=1e-4), path
    expected = peft.LoraConfig.from_pretrained(str(tmp_path / "after"))
    if not ranks:
        assert (method.rank, method.alpha) == (expected.r, expected.lora_alpha) == (8, 32)


@pytest.mark.parametrize("init", ["gaussian", "eva", *DIFFERENCES])
@pytest.mark.parametrize("ranks", PATTERNS, ids=["one rank", "ranks of layers"])
@pytest.mark.parametrize("rslora", [False, True])
def test_before_the_first_step_it_says_what_the_base_says(
    init: str, ranks: dict[str, int], rslora: bool, base: Base, tmp_path: Path
) -> None:
    changes = {"lora.rank_pattern": ranks, "lora.rslora": rslora}
    job = prepare(Order(recipe(init, **changes), moods(tmp_path, 64)), base)
    method = job.adapter.method
    assert isinstance(method, Lora)
    for path in filter(method.covers, base.linears):
        assert method.scaling_of(path) == pytest.approx(16 / (2 if rslora else 4))
    slots = Slots(base, 1)
    slots.load(0, job.adapter)
    ids = pad(base, [[3, 4, 5, 6]])
    with torch.inference_mode():
        with_it, alone = (forward(base, slots, ids, RowSlots((slot,))).states for slot in (0, None))
    slots.close()
    assert float((with_it - alone).abs().max()) <= 1e-4 * float(alone.abs().max())


def test_gaussian_is_as_wide_as_pefts(tmp_path: Path) -> None:
    base = models.base("llama", hidden_size=256, num_attention_heads=4)
    job = prepare(Order(recipe("gaussian"), moods(tmp_path, 64)), base)
    a = torch.cat([each.flatten() for name, each in job.adapter.tensors.items() if "lora_A" in name])
    assert float(a.std()) == pytest.approx(1 / 4, rel=0.05) and abs(float(a.mean())) < 0.01
    assert not any(each.any() for name, each in job.adapter.tensors.items() if "lora_B" in name)


def test_of_large_weights_the_directions_are_iterated_towards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same each time, and whatever else is drawn is drawn as before."""
    matrix = torch.randn(96, 64, generator=torch.Generator().manual_seed(0))
    exact = _largest(matrix, 4, 2.0)
    monkeypatch.setattr(lora_starts, "_EXACT", 16)
    before = torch.get_rng_state()
    once, again = _largest(matrix, 4, 2.0), _largest(matrix, 4, 2.0)
    assert torch.equal(torch.get_rng_state(), before) and torch.equal(once[0], again[0])
    assert [each.shape for each in once] == [each.shape for each in exact]
    best = float((matrix - 2.0 * exact[1] @ exact[0]).norm())
    assert best <= float((matrix - 2.0 * once[1] @ once[0]).norm()) + 1e-4 <= 1.001 * best
    assert torch.equal(_largest(matrix, 64, 2.0)[0], _largest(matrix, 64, 2.0)[0]), (
        "of all ranks none is left over"
    )


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_loftq_starts_at_what_quantizing_took_away(quantization: Any, folder: Path, tmp_path: Path) -> None:
    """As PEFT decomposes it, but at its scaling, and nearer to the base before than the quantized one alone."""
    base = load_base(str(folder), quantization)
    job = prepare(Order(recipe("loftq"), moods(tmp_path, 64)), base)
    method, before = job.adapter.method, original_weights(base, base.linears)
    assert isinstance(method, Lora) and method.rank == 4
    for path, linear in base.linears.items():
        lost = before[path] - plain_weight(linear).float()
        stem = f"base_model.model.{path}.lora_"
        a, b = (job.adapter.tensors[f"{stem}{each}.weight"] for each in "AB")
        expected = _low_rank_decomposition(lost, 4)
        assert torch.allclose(4.0 * b @ a, expected["L"] @ expected["R"], atol=1e-6)
        assert 0 < float((lost - 4.0 * b @ a).norm()) < float(lost.norm())


def test_loftq_needs_a_base_that_was_quantized_and_can_be_read_again(base: Base, tmp_path: Path) -> None:
    with pytest.raises(BaseError, match="not quantized here; load it as nf4"):
        prepare(Order(recipe("loftq"), moods(tmp_path, 64)), base)
    moved = models.saved("llama", tmp_path / "moved", **models.ROOMY)
    there = load_base(str(moved), "int8")
    moved.rename(tmp_path / "elsewhere")
    with pytest.raises(BaseError, match="before they were quantized cannot be read from"):
        prepare(Order(recipe("loftq"), moods(tmp_path, 64)), there)


@pytest.mark.parametrize("init", ["gaussian", "eva", "pissa", "olora", "loftq"])
def test_stock_peft_loads_it_on_the_unmodified_base(init: str, folder: Path, tmp_path: Path) -> None:
    """Trained on a quantized base, and the same in PEFT on that base."""
    base = load_base(str(folder), "nf4")
    changes = {"lora.init": init, "lora.rank": 4, "lora.dropout": 0.1, "write.evaluated": 2}
    made = train(Recipe.load("ad-copy", **QUICK | changes), copies(tmp_path, 40), base, out=tmp_path / "out")
    adapter, ids = read(tmp_path / "out"), torch.tensor([[3, 4, 5, 6]])
    assert adapter.method == made.method
    slots = Slots(base, 1)
    slots.load(0, adapter)
    with torch.inference_mode():
        mine, alone = (
            forward(base, slots, pad(base, ids.tolist()), RowSlots((slot,))).states for slot in (0, None)
        )
    slots.close()
    theirs = peft.PeftModel.from_pretrained(stock_base(folder, "nf4"), tmp_path / "out").eval()
    with torch.inference_mode():
        expected = theirs.base_model.model.model(input_ids=ids).last_hidden_state
    largest = float(expected.abs().max())
    assert float((mine - expected).abs().max()) <= 1e-4 * largest
    assert float((mine - alone).abs().max()) > 1e-3 * largest, "it was trained"


@pytest.mark.parametrize("init", ["eva", "pissa", "olora"])
def test_neighbours_never_show(init: str, base: Base, tmp_path: Path) -> None:
    """With dropout, accumulation and ad copy; beside LoRA of another rank, DoRA and a prefix."""
    moods(tmp_path, 64)
    copies(tmp_path, 40)
    changes = {"lora.init": init, "lora.dropout": 0.1, "train.weight_decay": 0.1}
    own = [
        Order(Recipe.load("behavior", **QUICK | changes), tmp_path / "moods0.csv"),
        Order(Recipe.load("ad-copy", **QUICK | changes | {"train.accumulate": 2}), tmp_path / "copies.csv"),
    ]
    assert len(alone_and_beside(own, tmp_path / "moods0.csv", base)) == len(own)


@pytest.mark.parametrize("init", ["eva", "pissa", "olora"])
def test_a_killed_run_goes_on_as_if_it_had_not_been(init: str, base: Base, tmp_path: Path) -> None:
    order = Order(recipe(init), moods(tmp_path, 64), out=tmp_path / "whole")
    (whole,) = train_many([order], base)
    settings = Settings(state=tmp_path / "state", snapshot_seconds=0)
    broken = Run([order], base, settings, None, False)
    for _ in range(5):
        broken.turn()
    broken.close()
    (resumed,) = train_many([order], base, settings=settings)
    assert isinstance(whole, Adapter) and isinstance(resumed, Adapter), resumed
    assert torch.equal(weights(whole), weights(resumed))


@pytest.mark.parametrize("init", DIFFERENCES)
@pytest.mark.parametrize("ranks", PATTERNS, ids=["one rank", "ranks of layers"])
def test_it_is_gone_on_from_at_the_same_start(
    init: str, ranks: dict[str, int], base: Base, tmp_path: Path
) -> None:
    chosen = recipe(init, **{"lora.rank_pattern": ranks})
    first = train(chosen, moods(tmp_path, 64), base)
    parent = (first, "acme/spring/behavior@1")
    again = train(chosen, moods(tmp_path, 64, seed=1), base, parent=parent)
    for name, tensor in first.tensors.items():
        half = tensor.shape[1 if "lora_B" in name else 0] // 2
        now = again.tensors[name]
        if "lora_A" in name:
            assert torch.equal(now[half:], tensor[half:]) and not torch.equal(now[:half], tensor[:half])
        elif "lora_B" in name:
            assert torch.equal(now[:, half:], tensor[:, half:])
    for other in ("default", *{*DIFFERENCES} - {init}):
        changed = recipe(other, **{"lora.rank_pattern": ranks})
        with pytest.raises(TrainingError, match=f"trained with lora.init: {init}, the recipe says {other}"):
            train(changed, moods(tmp_path, 64), base, parent=parent)
    plain = (train(recipe("default"), moods(tmp_path, 64), base), "acme/spring/behavior@2")
    with pytest.raises(TrainingError, match=f"trained with lora.init: default, the recipe says {init}"):
        train(recipe(init), moods(tmp_path, 64), base, parent=plain)


def test_a_recipe_that_cannot_be_is_told_with_the_fix(base: Base, tmp_path: Path) -> None:
    def told(**options: Any) -> str:
        with pytest.raises(RecipeError) as caught:
            Recipe.load("behavior", **options)
        return str(caught.value)

    assert "did you mean pissa?" in told(**{"lora.init": "pisa"})
    dora = {"lora.dora": True, "lora.dropout": 0.0}
    assert "init: pissa would change; leave one out" in told(**dora | {"lora.init": "pissa"})
    ada = {"lora.rank": 8, "lora.adalora": {"target_rank": 4}}
    for own in ({"lora.init": "eva"}, {"lora.rank_pattern": {"q_proj": 2}}):
        assert "leave init and rank_pattern out" in told(**ada | own)
    assert "lora.rank_pattern: q_proj has rank 0; write 1 or more" in told(**{"lora.rank_pattern.q_proj": 0})
    assert "write a whole number" in told(**{"lora.rank_pattern": {"q_proj": "many"}})
    with pytest.raises(
        BaseError, match=r"lora\.rank_pattern names qproj, and no layer .* they are down_proj"
    ):
        prepare(Order(recipe("default", **{"lora.rank_pattern": {"qproj": 3}}), moods(tmp_path, 64)), base)
    for init in DIFFERENCES:
        with pytest.raises(BaseError, match=f"{init} finds 16 directions in .*k_proj, where the rank is 20"):
            prepare(Order(recipe(init, **{"lora.rank": 20}), moods(tmp_path, 64)), base)
