"""Passes that many jobs share: how rows are cut, and what happens when one fails or memory runs out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adapters import Adapter, Base
from adapters.format.files import read
from adapters.slots.forward_pass import forward, pad
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots
from adapters.slots.trained import Trained
from recipes import Order, Recipe, Settings, train_many
from recipes.errors import TrainingError
from recipes.learn import memory
from recipes.learn.fused import Fused, checkpointing
from recipes.learn.initial_weights import start
from recipes.learn.passes import PASS_TOKENS, arrange
from recipes.runs.order import prepare
from tests.adapters import models
from tests.recipes.runs.test_training import QUICK, copies, moods, weights

LENGTHS = st.dictionaries(
    st.sampled_from("abcdef"), st.lists(st.integers(1, 60), min_size=1, max_size=9), min_size=1
)


def cost(passes: list[dict[str, list[int]]], lengths: dict[str, list[int]]) -> int:
    return sum(
        PASS_TOKENS
        + sum(map(len, part.values())) * max(lengths[owner][at] for owner, own in part.items() for at in own)
        for part in passes
    )


@given(LENGTHS, st.integers(16, 400))
def test_every_row_is_in_one_pass_and_no_pass_is_over_the_budget(
    lengths: dict[str, list[int]], budget: int
) -> None:
    passes = arrange(lengths, budget)
    found = sorted((owner, place) for part in passes for owner, own in part.items() for place in own)
    assert found == sorted((owner, place) for owner, own in lengths.items() for place in range(len(own)))
    for part in passes:
        width = max(lengths[owner][at] for owner, own in part.items() for at in own)
        rows = sum(map(len, part.values()))
        assert rows == 1 or rows * width <= budget
        assert list(part) == [owner for owner in lengths if owner in part]


@given(LENGTHS)
def test_no_cut_in_two_is_cheaper(lengths: dict[str, list[int]]) -> None:
    """Against every way of cutting the sorted rows once, and not at all."""
    every = sorted((length, owner, at) for owner, own in lengths.items() for at, length in enumerate(own))

    def part(rows: list[tuple[int, str, int]]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for _, owner, at in rows:
            found.setdefault(owner, []).append(at)
        return found

    best = cost(arrange(lengths, 10**6), lengths)
    for cut in range(len(every)):
        assert best <= cost([part(rows) for rows in (every[:cut], every[cut:]) if rows], lengths)


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama", tie_word_embeddings=False)


@pytest.fixture
def orders(tmp_path: Path) -> list[Order]:
    return [
        Order(Recipe.load("behavior", **QUICK), moods(tmp_path, 64), name="lora"),
        Order(Recipe.load("behavior-prefix", **QUICK), moods(tmp_path, 48, seed=1), name="prefix"),
        Order(Recipe.load("ad-copy", **QUICK | {"write.evaluated": 2}), copies(tmp_path, 40), name="copy"),
    ]


def trained(orders: list[Order], base: Base, settings: Settings | None = None) -> list[torch.Tensor]:
    found = []
    for result in train_many(orders, base, settings=settings):
        assert isinstance(result, Adapter), result
        found.append(weights(result))
    return found


@pytest.mark.parametrize(
    "settings", [Settings(pass_tokens=40), Settings(checkpoint=True)], ids=["cut", "checkpoint"]
)
def test_neither_the_cut_nor_checkpointing_changes_what_is_learned(
    settings: Settings, orders: list[Order], base: Base
) -> None:
    """LoRA with dropout, a prefix (which PEFT refuses to checkpoint) and ad copy."""
    for plain, other in zip(trained(orders, base), trained(orders, base, settings), strict=True):
        assert float((plain - other).abs().max()) <= 1e-4


@pytest.mark.parametrize("family", models.DECODERS)
def test_checkpointing_keeps_less_and_gives_the_same_gradients(family: str) -> None:
    base = models.base(family, num_hidden_layers=4)
    ids, found = [[3, 4, 5, 6, 7, 8], [9, 10, 11]], []
    for on in (False, True):
        slots = Slots(base, 2, trains=True)
        for slot, method in enumerate(("behavior", "behavior-prefix")):
            recipe = Recipe.load(method, **{"lora.targets": "all-linear"} if method == "behavior" else {})
            slots.load(slot, start(recipe, base, ("a", "b")))
        held = [Trained(slots, slot) for slot in (0, 1)]
        rows = RowSlots((0, 1))
        with checkpointing(base, on), slots.using(rows), memory.saved_bytes() as saved:
            forward(base, slots, pad(base, ids), rows).states.square().sum().backward()
        for each in held:
            each.take_gradients()
        gradients = [p.grad.clone() for each in held for p in each.parameters.values() if p.grad is not None]
        found.append((saved[0], gradients))
        slots.close()
    assert found[1][0] < found[0][0] / 2
    assert len(found[0][1]) == 2, "the low-rank terms and the prefix; the heads were not used"
    for plain, other in zip(found[0][1], found[1][1], strict=True):
        assert torch.allclose(plain, other, rtol=1e-4, atol=1e-6) and plain.abs().max() > 0
    assert not any(module.training for module in base.model.modules())


def fault(monkeypatch: pytest.MonkeyPatch, when: Callable[[Any], BaseException | None]) -> None:
    """Let forwards of training fail."""
    real = forward

    def failing(base: Base, slots: Slots, tokens: Any, rows: RowSlots, *rest: Any) -> Any:
        if (error := when(tokens)) is not None:
            raise error
        return real(base, slots, tokens, rows, *rest)

    monkeypatch.setattr("recipes.learn.fused.forward", failing)


def test_out_of_memory_the_pass_is_cut_and_the_run_goes_on(
    orders: list[Order], base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(orders, base)
    sizes = []

    def when(tokens: Any) -> BaseException | None:
        sizes.append(tokens.ids.numel())
        return torch.OutOfMemoryError("CUDA out of memory") if tokens.ids.numel() > 100 else None

    fault(monkeypatch, when)
    for plain, other in zip(whole, trained(orders, base), strict=True):
        assert float((plain - other).abs().max()) <= 1e-4
    assert sum(size > 100 for size in sizes) < 5, "the budget is remembered"


def test_a_row_that_never_fits_fails_its_own_job(
    orders: list[Order], base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = max(len(row) for row in prepare(orders[2], base).train)
    shortest = max(len(row) for order in orders[:2] for row in prepare(order, base).train)
    assert longest > shortest
    fault(monkeypatch, lambda tokens: MemoryError() if tokens.ids.shape[1] >= longest else None)
    lora, prefix, copy = train_many(orders, base)
    assert isinstance(lora, Adapter) and isinstance(prefix, Adapter)
    assert isinstance(copy, TrainingError) and "does not fit into memory" in str(copy)


def test_an_error_in_one_job_is_its_own(
    orders: list[Order], base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(orders, base)
    monkeypatch.setattr("recipes.learn.job.target_losses", lambda *_: 1 / 0)
    lora, prefix, copy = train_many(orders, base)
    assert isinstance(copy, TrainingError) and "copy: step 0 failed: ZeroDivisionError" in str(copy)
    for plain, other in zip(whole, (lora, prefix), strict=False):
        assert isinstance(other, Adapter) and float((plain - weights(other)).abs().max()) <= 1e-4


def test_jobs_wait_for_a_slot_and_get_what_they_would_get_at_once(
    orders: list[Order], base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(orders, base)
    monkeypatch.setattr(memory, "slots_that_fit", lambda *_: 1)
    for plain, other in zip(whole, trained(orders, base), strict=True):
        assert float((plain - other).abs().max()) <= 1e-4


def test_dora_gets_the_gradients_that_peft_gives(tmp_path: Path) -> None:
    """Of A, B and the magnitude, at a start where none of them is zero."""
    base = models.base("llama")
    own = models.peft_adapter(models.model("llama"), tmp_path, "lora", r=3, use_dora=True)
    slots, ids = Slots(base, 1, trains=True), torch.tensor([[3, 4, 5, 6], [7, 8, 9, 10]])
    slots.load(0, own)
    held = Trained(slots, 0)
    forward(base, slots, pad(base, ids.tolist()), RowSlots((0, 0))).states.square().sum().backward()
    held.take_gradients()
    found = held.tensors({name: p.grad for name, p in held.parameters.items() if p.grad is not None})
    slots.close()
    theirs = peft.PeftModel.from_pretrained(models.model("llama"), tmp_path, is_trainable=True).eval()
    theirs.base_model.model.model(input_ids=ids).last_hidden_state.square().sum().backward()
    expected = {
        name.replace(".default", ""): parameter.grad
        for name, parameter in theirs.named_parameters()
        if parameter.grad is not None
    }
    assert len(found) == len(expected) == 3 * len(base.linears)
    for name, gradient in expected.items():
        mine = found[name.removesuffix(".weight") if "magnitude" in name else name]
        assert float((mine - gradient).abs().max()) <= 1e-4 * float(gradient.abs().max()), name


def test_dora_trains_beside_others_and_answers_as_peft_does(
    orders: list[Order], base: Base, tmp_path: Path
) -> None:
    recipe = Recipe.load("behavior", **QUICK | {"lora.dora": True, "lora.dropout": 0.0})
    order = Order(recipe, orders[0].data, out=tmp_path / "dora", name="dora")
    beside, alone = trained([*orders[:2], order], base)[-1], trained([order], base)[0]
    assert float((beside - alone).abs().max()) <= 1e-4
    adapter, ids = read(tmp_path / "dora"), torch.tensor([[3, 4, 5, 6]])
    slots = Slots(base, 1)
    slots.load(0, adapter)
    with torch.inference_mode():
        mine = forward(base, slots, pad(base, ids.tolist()), RowSlots((0,))).states
    slots.close()
    bare = models.model("llama", head=2, tie_word_embeddings=False)
    theirs = peft.PeftModel.from_pretrained(bare, tmp_path / "dora").eval()
    with torch.inference_mode():
        expected = theirs.base_model.model.model(input_ids=ids).last_hidden_state
    assert float((mine - expected).abs().max()) <= 1e-4 * float(expected.abs().max())


@pytest.mark.parametrize(("family", "fgm"), [("llama", 0.7), ("gemma2", None), ("bert", 0.7), ("bert", None)])
def test_adversarial_training_adds_the_gradient_at_the_worst_point_near_by(
    family: str, fgm: float | None, tmp_path: Path
) -> None:
    """Against autograd on the plain definition, with a neighbour that trains without."""
    base = models.base(family)
    options = QUICK | {"lora.dropout": 0.0, "train.batch_size": 3, "train.accumulate": 2}
    data = moods(tmp_path, 40)
    jobs = [
        prepare(Order(Recipe.load("behavior", **options | {"train.fgm": epsilon}), data), base)
        for epsilon in (0.0, fgm)
    ]
    slots = Slots(base, 2, trains=True)
    for slot, job in enumerate(jobs):
        slots.load(slot, job.adapter)
        job.begin(slots, slot)
    batch = jobs[1]._batch(0)
    Fused(base, slots, 2048).turn(jobs)  # the first half of a window: nothing moves yet
    found = {name: p.grad.clone() for name, p in jobs[1].trained.parameters.items() if p.grad is not None}
    plain = {name: p.grad.clone() for name, p in jobs[0].trained.parameters.items() if p.grad is not None}

    tokens, rows = pad(base, [row.ids for row in batch]), RowSlots((1,) * 3)
    clean = base.embed(tokens.ids).detach().requires_grad_()
    jobs[1].loss(base, slots, forward(base, slots, tokens, rows, None, clean), batch).backward()
    assert clean.grad is not None
    # Of each row without padding.
    own = [0.05 * base.embed(torch.tensor([row.ids])).norm().item() for row in batch]
    length = torch.tensor(own if fgm is None else [fgm] * 3)
    worst = clean.detach() + clean.grad * (length / clean.grad.flatten(1).norm(dim=1))[:, None, None]
    jobs[1].loss(base, slots, forward(base, slots, tokens, rows, None, worst), batch).backward()
    for parameter in jobs[1].trained.parameters.values():
        parameter.grad = None
    jobs[1].trained.take_gradients()
    for name, parameter in jobs[1].trained.parameters.items():
        assert parameter.grad is not None
        scale = float(parameter.grad.abs().max())
        assert float((parameter.grad - found[name]).abs().max()) <= 1e-4 * scale
        assert float((found[name] - plain[name]).abs().max()) > 1e-2 * scale, "the neighbour trains without"
    slots.close()
