"""EVA: the directions and the ranks that PEFT finds on the same rows."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from peft.tuners.lora.eva import get_eva_state_dict

from adapters import Base, Lora
from adapters.slots.slots import Slots
from recipes import Order, Recipe, tune
from recipes.errors import TrainingError
from recipes.learn import eva
from recipes.learn.job import Job
from recipes.runs.order import prepare
from tests.adapters import models
from tests.recipes.runs.test_training import QUICK, copies, moods

EVA: dict[str, Any] = QUICK | {"lora.init": "eva", "lora.rank": 4, "lora.dropout": 0.0}


def theirs(job: Job, base: Base, ranks: dict[str, int]) -> dict[str, torch.Tensor]:
    """PEFT's, by the path of the layer, of all rows in one batch."""
    rows = [(*row.ids, *row.target) for row in job.train]
    width = max(map(len, rows))
    batch = {
        "input_ids": torch.tensor([[*row, *[0] * (width - len(row))] for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows]),
    }
    if job.adapter.head is None:
        told = [[-100] * len(row.ids) + [*row.target] for row in job.train]
        batch["labels"] = torch.tensor([[*row, *[-100] * (width - len(row))] for row in told])
    method = job.adapter.method
    assert isinstance(method, Lora)
    config = peft.LoraConfig(
        r=4,
        rank_pattern=ranks,
        init_lora_weights="eva",
        target_modules=[p.split(".")[-1] for p in base.linears],
    )
    model = models.model("llama", tie_word_embeddings=False)
    return get_eva_state_dict(model, [batch], config, show_progress_bar=False)


@pytest.mark.parametrize("task", ["behavior", "ad-copy"])
@pytest.mark.parametrize("ranks", [{}, {"down_proj": 6, "q_proj": 2}], ids=["one rank", "ranks of layers"])
def test_directions_and_ranks_are_those_that_peft_finds(
    task: str, ranks: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of text all tokens are read, of copy those that are learned."""
    monkeypatch.setattr(eva, "_TOKENS", 10**6)
    monkeypatch.setattr(eva, "_TOGETHER", 10**6)
    base = models.base("llama", tie_word_embeddings=False)
    data = moods(tmp_path, 40) if task == "behavior" else copies(tmp_path, 40)
    job = prepare(Order(Recipe.load(task, **EVA | {"lora.rank_pattern": ranks}), data), base)
    expected, method = theirs(job, base, ranks), job.adapter.method
    assert isinstance(method, Lora) and {*expected} == {*base.linears}
    mine: dict[str, list[int]] = defaultdict(list)
    stocks: dict[str, list[int]] = defaultdict(list)
    for path, found in expected.items():
        own = job.adapter.tensors.get(
            f"base_model.model.{path}.lora_A.weight", torch.zeros(0, found.shape[1])
        )
        assert own.shape[0] in (0, method.rank_of(path))
        same = min(len(own), len(found))
        assert torch.allclose(own[:same], found[:same].float(), atol=1e-5), path
        mine[base.input_groups[path]].append(len(own))
        stocks[base.input_groups[path]].append(len(found))
    # Layers that read the same input have the same shares, and who of them gets the last rank is chance.
    assert {group: sum(own) for group, own in mine.items()} == {g: sum(own) for g, own in stocks.items()}
    whole = 4 * len(base.linears) + sum((rank - 4) * 2 for rank in ranks.values())
    assert sum(sum(own) for own in mine.values()) == whole
    assert len({rank for own in mine.values() for rank in own}) > 2, "ranks differ"


def test_more_tokens_than_are_looked_at_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Brought up to date bit by bit, the first directions stay those of all rows."""
    base = models.base("llama", tie_word_embeddings=False)
    recipe = Recipe.load("behavior", **EVA)
    monkeypatch.setattr(eva, "_TOKENS", 10**6)
    bits = prepare(Order(recipe, moods(tmp_path, 200)), base)
    monkeypatch.setattr(eva, "_TOGETHER", 10**6)
    whole = prepare(Order(recipe, tmp_path / "moods0.csv"), base)
    for path in base.linears:
        name = f"base_model.model.{path}.lora_A.weight"
        if name in bits.adapter.tensors and name in whole.adapter.tensors:
            one, other = bits.adapter.tensors[name][0], whole.adapter.tensors[name][0]
            assert abs(float(one @ other)) > 0.99, path


def test_layers_without_a_rank_are_left_out_and_the_others_fit(tmp_path: Path) -> None:
    base = models.base("llama", tie_word_embeddings=False)
    recipe = Recipe.load("behavior", **EVA | {"lora.rank": 1})
    job = prepare(Order(recipe, moods(tmp_path, 60)), base)
    method = job.adapter.method
    assert isinstance(method, Lora)
    ranks = [len(each) for name, each in job.adapter.tensors.items() if "lora_A" in name]
    assert (
        len(ranks) < len(base.linears)
        and sum(ranks) == len(base.linears)
        and len(method.targets) == len(ranks)
    )
    slots = Slots(base, 1, trains=True)
    slots.load(0, job.adapter)
    slots.close()


def test_too_few_tokens_are_told(tmp_path: Path) -> None:
    base = models.base("llama", tie_word_embeddings=False)
    recipe = Recipe.load("ad-copy", **EVA | {"lora.rank": 16, "data.max_tokens": 64})
    path = tmp_path / "few.csv"
    path.write_text("product,copy\n" + "".join(f"mug {n},m{n}\n" for n in range(10)))
    with pytest.raises(TrainingError, match=r"lower lora\.rank, or write init: default"):
        prepare(Order(recipe, path), base)


def test_a_search_may_try_it(tmp_path: Path) -> None:
    base = models.base("llama", tie_word_embeddings=False)
    space = {"lora.init": ["default", "eva", "pissa"]}
    found = tune(Recipe.load("behavior", **QUICK), space, moods(tmp_path, 60), base, trials=3)
    assert [trial.state for trial in found.trials] == ["complete"] * 3, [t.error for t in found.trials]
