"""AdaLoRA: what PEFT's trains, step by step, and a plain LoRA adapter in the end."""

from pathlib import Path
from typing import Any

import peft
import pytest
import torch

from adapters import Adapter, Base, Lora
from adapters.errors import RepertoireError
from adapters.format.files import read
from adapters.slots.adalora_terms import triplets
from adapters.slots.forward_pass import forward, pad
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots
from recipes import Order, Recipe, train, train_many
from recipes.errors import RecipeError, TrainingError
from recipes.learn.adalora import as_plain
from recipes.learn.fused import Fused
from recipes.learn.job import Job
from recipes.runs.order import prepare
from tests.adapters import models
from tests.recipes.learn.neighbours import alone_and_beside
from tests.recipes.runs.test_training import QUICK, copies, moods, weights

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
    head = {"head.init": "random", "head.pooling": "last", "train.head_learning_rate": 5e-3}
    alike = {"data.label_names": False}  # rows that count as much as each other, as PEFT's do
    recipe = Recipe.load("behavior", **ADALORA | changes | head | alike)
    job = prepare(Order(recipe, moods(tmp_path, 64)), base)
    theirs, shared = stock(job, job.steps), recipe.lora.adalora
    assert shared is not None
    slots = Slots(base, 1, trains=True)
    slots.load(0, job.adapter)
    job.begin(slots, 0)
    fused, settings = Fused(base, slots, 2048), recipe.train
    scores = [p for name, p in theirs.named_parameters() if "score.modules_to_save" in name]
    body = [p for name, p in theirs.named_parameters() if "lora_" in name and p.requires_grad]
    assert len(scores) == 1 and len(body) == 3 * len(base.linears)
    optimizer = torch.optim.AdamW(
        [
            {"params": body, "lr": settings.learning_rate},
            {"params": scores, "lr": settings.head_learning_rate},
        ],
        weight_decay=settings.weight_decay,
    )
    for step in range(1, job.steps + 1):
        batch = job._batch(job.drawn)
        width = max(len(row.ids) for row in batch)
        ids = torch.tensor([[*row.ids, *[0] * (width - len(row.ids))] for row in batch])
        labels = torch.tensor([row.label for row in batch])
        outputs = theirs(input_ids=ids, attention_mask=(ids > 0).long(), labels=labels)
        expected = float(outputs.loss.detach()) - penalty(theirs, shared.orthogonality)
        outputs.loss.backward()
        torch.nn.utils.clip_grad_norm_([*body, *scores], settings.clip)
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
        assert (layer.values != 0).tolist() == pattern[f"{layer.path}.lora_E.default"], layer.path
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


def test_neighbours_never_show(base: Base, tmp_path: Path) -> None:
    """With dropout, accumulation, an adversary and ad copy; beside LoRA of another rank, DoRA and a prefix."""
    moods(tmp_path, 64)
    copies(tmp_path, 40)
    shared = ADALORA | {"lora.dropout": 0.1, "train.epochs": 3}
    own = [
        Order(Recipe.load("behavior", **shared | {"train.fgm": 0.3}), tmp_path / "moods0.csv"),
        Order(Recipe.load("ad-copy", **shared | {"train.accumulate": 2}), tmp_path / "copies.csv"),
    ]
    for alone, beside in alone_and_beside(own, tmp_path / "moods0.csv", base):
        histories = (each.info["report"]["history"] for each in (alone, beside))
        for mine, its in zip(*histories, strict=True):
            assert abs(mine["loss"] - its["loss"]) <= 1e-5


def test_what_comes_out_is_plain_lora_for_stock_peft(base: Base, tmp_path: Path) -> None:
    """Layers with ranks of their own, and some that are left out."""
    changes = {"lora.adalora.target_rank": 1, "train.epochs": 6}
    recipe = Recipe.load("behavior", **ADALORA | changes)
    made = train(recipe, moods(tmp_path, 64), base, out=tmp_path / "out")
    adapter, ids = read(tmp_path / "out"), torch.tensor([[3, 4, 5, 6]])
    ranks = adapter.info["report"]["ranks"]
    assert ranks.keys() == base.linears.keys() and sum(ranks.values()) == len(ranks)
    assert min(ranks.values()) == 0 and max(ranks.values()) > 2
    assert isinstance(adapter.method, Lora) and adapter.method == made.method
    assert adapter.method.rank == max(ranks.values())
    for path, rank in ranks.items():
        name = f"base_model.model.{path}.lora_A.weight"
        assert (name in adapter.tensors) == (rank > 0)
        if rank:
            assert adapter.method.rank_of(path) == len(adapter.tensors[name]) == rank
            assert adapter.method.scaling_of(path) == pytest.approx(16 / 6)
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"0 to {max(ranks.values())}, 1 on average, shared out among 14 layers by AdaLoRA" in card
    slots = Slots(base, 1)
    slots.load(0, adapter)
    with torch.inference_mode():
        mine = forward(base, slots, pad(base, ids.tolist()), RowSlots((0,))).states
        alone = forward(base, slots, pad(base, ids.tolist()), RowSlots((None,))).states
    slots.close()
    bare = models.model("llama", head=2, tie_word_embeddings=False)
    theirs = peft.PeftModel.from_pretrained(bare, tmp_path / "out").eval()
    with torch.inference_mode():
        expected = theirs.base_model.model.model(input_ids=ids).last_hidden_state
    assert float((mine - expected).abs().max()) <= 1e-5 * float(expected.abs().max())
    assert float((mine - alone).abs().max()) > 1e-2 * float(expected.abs().max()), "it was trained"


def test_the_best_weights_are_of_the_ranks_that_were_asked_for(base: Base, tmp_path: Path) -> None:
    """Validations before the ranks are fixed are shown; none is the best, and none stops the training."""
    changes = {"train.evaluate_every": 1, "train.patience": 1, "train.max_steps": 20}
    adapter = train(Recipe.load("behavior", **ADALORA | changes), moods(tmp_path, 64), base)
    report = adapter.info["report"]
    assert report["best_step"] >= 12 and report["history"][0]["step"] == 1
    assert sum(report["ranks"].values()) == 2 * len(base.linears)


def test_rows_that_are_zero_leave() -> None:
    a, b = torch.tensor([[1.0, 2.0], [0.0, 0.0], [0.0, 3.0]]), torch.arange(6.0).view(2, 3)
    stems = [f"base_model.model.x.{name}" for name in ("q", "k", "v")]
    tensors = {f"{stem}.lora_A.weight": a.clone() for stem in stems}
    tensors |= {f"{stem}.lora_B.weight": b for stem in stems} | {"base_model.model.score.weight": b}
    tensors["base_model.model.x.k.lora_A.weight"].zero_()
    tensors["base_model.model.x.v.lora_A.weight"][0].zero_()
    method, found = as_plain(Lora(3, 12.0, ("q", "k", "v"), dropout=0.1), tensors)
    assert method == Lora(
        2, 8.0, ("x.q", "x.v"), dropout=0.1, rank_pattern={"x.v": 1}, alpha_pattern={"x.v": 4.0}
    )
    assert torch.equal(found[f"{stems[0]}.lora_A.weight"], a[[0, 2]])
    assert torch.equal(found[f"{stems[0]}.lora_B.weight"], b[:, [0, 2]])
    assert found[f"{stems[2]}.lora_B.weight"].shape == (2, 1) and len(found) == 5
    assert torch.equal(found["base_model.model.score.weight"], b)
    nothing, one = as_plain(
        Lora(3, 12.0, ("q",)),
        {"base_model.model.x.q.lora_A.weight": torch.zeros(3, 2), "base_model.model.x.q.lora_B.weight": b},
    )
    assert nothing == Lora(1, 4.0, ("q",)) and one["base_model.model.x.q.lora_A.weight"].shape == (1, 2)


def test_it_is_gone_on_from_as_lora_of_the_ranks_that_it_has(base: Base, tmp_path: Path) -> None:
    first = train(Recipe.load("behavior", **ADALORA), moods(tmp_path, 64), base)
    parent = (first, "acme/spring/behavior@1")
    still = QUICK | {"train.learning_rate": 1e-7, "train.head_learning_rate": 1e-7, "train.weight_decay": 0.0}
    again = train(Recipe.load("behavior", **still), moods(tmp_path, 64, seed=1), base, parent=parent)
    assert isinstance(again.method, Lora) and isinstance(first.method, Lora)
    assert again.method.rank_pattern == first.method.rank_pattern != {}
    assert torch.allclose(weights(again), weights(first), atol=1e-5), "one tiny step away from its parent"
    with pytest.raises(TrainingError, match=r"write lora\.adalora: null, and it keeps the ranks"):
        train(Recipe.load("behavior", **ADALORA), moods(tmp_path, 64), base, parent=parent)


def test_too_few_steps_fail_their_own_job(base: Base, tmp_path: Path) -> None:
    few = Recipe.load("behavior", **ADALORA | {"train.max_steps": 1})
    good = Recipe.load("behavior", **QUICK)
    failed, sound = train_many(
        [Order(few, moods(tmp_path, 64), name="few"), Order(good, tmp_path / "moods0.csv")], base
    )
    assert isinstance(failed, RepertoireError) and "few: 1 steps are too few for lora.adalora" in str(failed)
    assert isinstance(sound, Adapter)


def test_a_wrong_recipe_is_told_with_the_fix() -> None:
    def told(**options: Any) -> str:
        with pytest.raises(RecipeError) as caught:
            Recipe.load("behavior", **options)
        return str(caught.value)

    assert "lora.adalora.target_rank: missing; write the mean rank" in told(**{"lora.adalora": {}})
    assert "target_rank 8 is not below rank 8" in told(**{"lora.adalora": {"target_rank": 8}})
    halves = {"target_rank": 4, "start_share": 0.5, "final_share": 0.5}
    assert "lora.adalora: start_share and final_share leave no steps" in told(**{"lora.adalora": halves})
    both = {"lora.adalora": {"target_rank": 4}, "lora.rslora": True}
    assert "lora: adalora is trained without dora and without rslora" in told(**both)
    assert "did you mean `target_rank`?" in told(**{"lora.adalora": {"target_rnk": 4}})
