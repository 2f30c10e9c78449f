"""AdaLoRA: what PEFT's trains, step by step, and a plain LoRA adapter in the end."""

from pathlib import Path
from typing import Any

import peft
import pytest
import torch

from adapters import Adapter, Base, Lora
from adapters.errors import RepertoireError
from adapters.files import read
from adapters.forward import forward, pad
from adapters.rows import Rows
from adapters.slots import Slots
from adapters.triplets import triplets
from recipes import Order, Recipe, train, train_many
from recipes.adalora import as_plain
from recipes.errors import RecipeError, TrainingError
from recipes.fused import Fused
from recipes.job import Job
from recipes.order import prepare
from tests.adapters import models
from tests.recipes.test_train import QUICK, copies, moods, weights

ADALORA: dict[str, Any] = QUICK | {
    "lora.rank": 6,
    "lora.dropout": 0.0,
    "lora.adalora": {"target_rank": 2, "start_share": 0.1, "final_share": 0.4},
    "train.epochs": 4,
    "train.learning_rate": 0.02,
}


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama", tie_word_embeddings=False)


def stock(job: Job, steps: int) -> Any:
    """PEFT's AdaLoRA on the same base, with what the job starts with."""
    shared = job.recipe.lora.adalora
    assert shared is not None and isinstance(job.adapter.method, Lora)
    config = peft.AdaLoraConfig(
        task_type="SEQ_CLS",
        init_r=job.recipe.lora.rank,
        target_r=shared.target_rank,
        lora_alpha=job.recipe.lora.alpha,  # type: ignore[arg-type]
        target_modules=list(job.adapter.method.targets),
        tinit=round(shared.start_share * steps),
        tfinal=round(shared.final_share * steps),
        deltaT=shared.every,
        beta1=shared.beta1,
        beta2=shared.beta2,
        orth_reg_weight=shared.orthogonality,
        total_step=steps,
    )
    model = peft.get_peft_model(models.model("llama", head=2, tie_word_embeddings=False), config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and "lora_E" not in name:
                stem = name.removesuffix(".default") + ".weight" if "lora" in name else name
                parameter.copy_(job.adapter.tensors[stem.replace("modules_to_save.default.", "")])
    return model.eval()


def penalty(model: Any, weight: float) -> float:
    """What PEFT's AdaLoRA adds to the loss."""
    each = [
        float((p @ p.T if "lora_A" in name else p.T @ p).sub(torch.eye(min(p.shape))).norm())
        for name, p in model.named_parameters()
        if "lora_A" in name or "lora_B" in name
    ]
    return weight * sum(each) / len(each)


@pytest.mark.parametrize("every", [1, 3])
def test_every_step_is_the_one_that_peft_takes(every: int, base: Base, tmp_path: Path) -> None:
    """The losses, the weights, and which ranks stay, from the first step to the last."""
    changes = {"lora.adalora.every": every, "train.schedule": "constant", "train.warmup_share": 0.0}
    recipe = Recipe.load("behavior", **ADALORA | changes)
    job = prepare(Order(recipe, moods(tmp_path, 64)), base)
    theirs, shared = stock(job, job.steps), recipe.lora.adalora
    assert shared is not None
    slots = Slots(base, 1, trains=True)
    slots.load(0, job.adapter)
    job.begin(slots, 0)
    fused, settings = Fused(base, slots, 2048), recipe.train
    head = [p for name, p in theirs.named_parameters() if "score.modules_to_save" in name]
    body = [p for name, p in theirs.named_parameters() if "lora_" in name and p.requires_grad]
    assert len(head) == 1 and len(body) == 3 * len(base.linears)
    optimizer = torch.optim.AdamW(
        [
            {"params": body, "lr": settings.learning_rate},
            {"params": head, "lr": settings.head_learning_rate},
        ],
        weight_decay=settings.weight_decay,
    )
    for step in range(1, job.steps + 1):
        batch = job._batch(job.drawn)
        width = max(len(row.ids) for row in batch)
        ids = torch.tensor([[*row.ids, *[0] * (width - len(row.ids))] for row in batch])
        labels = torch.tensor([row.label for row in batch])
        outputs = theirs(input_ids=ids, attention_mask=(ids > 0).long(), labels=labels)
        expected = float(outputs.loss) - penalty(theirs, shared.orthogonality)
        outputs.loss.backward()
        torch.nn.utils.clip_grad_norm_([*body, *head], settings.clip)
        optimizer.step()
        theirs.base_model.update_and_allocate(step)
        optimizer.zero_grad()
        earlier = job._loss_sum
        fused.turn([job])
        assert job._loss_sum - earlier == pytest.approx(expected, abs=1e-5), f"loss of step {step}"
    pattern, deltas = theirs.peft_config["default"].rank_pattern, {}
    for name, module in theirs.named_modules():
        if hasattr(module, "get_delta_weight"):
            deltas[name.removeprefix("base_model.model.")] = module.get_delta_weight("default")
    own = [job.trained.parameters[name].detach() for name in ("lora", "values")]
    for layer in triplets(job.trained.layout, *own):
        kept = pattern[f"model.{layer.path}.lora_E.default".removeprefix("model.")]
        assert (layer.values != 0).tolist() == kept, layer.path
    assert sum(map(sum, pattern.values())) == shared.target_rank * len(base.linears)
    assert len({sum(kept) for kept in pattern.values()}) > 2, "layers differ"
    job.best = {name: each.detach().clone() for name, each in job.trained.parameters.items()}
    job.restore_best()
    method = job.adapter.method
    assert isinstance(method, Lora)
    for path, delta in deltas.items():
        mine = torch.zeros_like(delta)
        if (stem := f"base_model.model.{path}") + ".lora_A.weight" in job.adapter.tensors:
            a, b = (job.adapter.tensors[f"{stem}.lora_{name}.weight"] for name in "AB")
            mine = method.scaling_of(path) * b @ a
        assert float((mine - delta).abs().max()) <= 1e-4 * max(1.0, float(delta.abs().max())), path
    slots.close()
