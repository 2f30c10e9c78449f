"""How the starter is made: its loss, its start, its stages, and a build that is stopped and goes on."""

import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from adapters.starter.build import build, corpus


def test_loss_in_pieces_is_the_cross_entropy_and_has_its_gradient() -> None:
    torch.manual_seed(0)
    hidden, weight = torch.randn(600, 32, requires_grad=True), torch.randn(50, 32, requires_grad=True)
    targets = torch.randint(0, 50, (600,))
    loss = build._NextTokenLoss.apply(hidden, weight, targets)
    loss.backward()
    plain, heavy = hidden.detach().clone().requires_grad_(), weight.detach().clone().requires_grad_()
    expected = torch.nn.functional.cross_entropy(plain @ heavy.T, targets)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=5e-3)  # bf16 products
    assert (
        hidden.grad is not None
        and plain.grad is not None
        and weight.grad is not None
        and heavy.grad is not None
    )
    assert torch.nn.functional.cosine_similarity(hidden.grad.flatten(), plain.grad.flatten(), dim=0) > 0.999
    assert torch.nn.functional.cosine_similarity(weight.grad.flatten(), heavy.grad.flatten(), dim=0) > 0.999


def test_answers_add_their_own_mean_loss() -> None:
    model, ids = build.make_model(0), torch.tensor([[5, 6, 7, 8]])
    plain = build.training_loss(model, ids)
    with torch.no_grad():
        scores = model(ids).logits[0].log_softmax(-1)
    asked = build.training_loss(model, ids, torch.tensor([7]))
    assert (asked - plain).item() == pytest.approx(-scores[1, 7].item(), rel=2e-2)
    assert build.training_loss(model, ids, torch.tensor([999])).item() == pytest.approx(
        plain.item(), rel=1e-6
    )


def test_untrained_model_expects_what_it_has_seen_before() -> None:
    rng = random.Random(0)
    rows = [[rng.randrange(256, build.VOCABULARY) for _ in range(40)] * 3 for _ in range(4)]
    ids = torch.tensor(rows)
    with torch.no_grad():
        scores = build.make_model(0)(ids).logits[:, :-1].log_softmax(-1)
    losses = -scores.gather(2, ids[:, 1:, None])[..., 0]
    assert losses[:, 40:].mean() < losses[:, :39].mean() - 0.8


def test_rate_warms_up_peaks_and_ends_at_its_floor() -> None:
    assert build.rate(0.0) == 0.0
    assert build.rate(build.WARMUP) == pytest.approx(build.PEAK)
    assert build.rate(1.0) == pytest.approx(build.PEAK * build.FLOOR)
    assert [build.stage_of(share) for share in (0.0, 0.23, 0.76, 0.9)] == [0, 1, 2, 3]


def test_batches_depend_on_seed_step_and_stage_alone_and_start_where_documents_start() -> None:
    tokenizer = build.make_tokenizer(0, samples=200)
    batch = build.batch_for(tokenizer, 0, 3, stage=1)
    assert batch.shape == (8, 256) and torch.equal(batch, build.batch_for(tokenizer, 0, 3, stage=1))
    assert not torch.equal(batch, build.batch_for(tokenizer, 0, 4, stage=1))
    assert build.batch_for(tokenizer, 0, build.LONG_EVERY - 1, stage=1).shape == (2, 1024)
    first = next(corpus.documents(0))
    assert tokenizer.decode(tokenizer(first)["input_ids"]) == first
    assert (batch == tokenizer.eos_token_id).sum() > 8


def test_a_stopped_build_goes_on_and_leaves_a_folder_that_transformers_loads(tmp_path: Path) -> None:
    out, state = tmp_path / "weights", tmp_path / "state.pt"
    out.mkdir()
    before = build.train(out, state, minutes=0, seed=0, samples=200, steps=2)
    after = build.train(out, state, minutes=0, seed=0, samples=200, steps=4)
    assert (before["steps"], after["steps"]) == (2, 4) and after["resumed"] == 1
    assert after["tokens"] == 2 * before["tokens"] and after["seconds"] > before["seconds"] > 0
    model, tokenizer = AutoModelForCausalLM.from_pretrained(out), AutoTokenizer.from_pretrained(out)
    assert model.dtype == torch.bfloat16 and model.lm_head.weight is model.model.embed_tokens.weight
    assert tokenizer.eos_token_id == model.config.eos_token_id == 1
    assert not [file for file in tmp_path.iterdir() if file not in (out, state)]
