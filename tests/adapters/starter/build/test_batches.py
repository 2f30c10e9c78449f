"""What is read at each step."""

import itertools

import torch

from adapters.starter.build.batches import LONG_EVERY, batch_for, stage_of
from adapters.starter.build.corpus import documents
from adapters.starter.build.tokenizer import make_tokenizer


def test_batches_depend_on_seed_step_and_stage_alone_and_start_where_documents_start() -> None:
    tokenizer = make_tokenizer(itertools.islice(documents(0), 200), 200)
    batch = batch_for(tokenizer, 0, 3, stage=1)
    assert batch.shape == (8, 256) and torch.equal(batch, batch_for(tokenizer, 0, 3, stage=1))
    assert not torch.equal(batch, batch_for(tokenizer, 0, 4, stage=1))
    assert batch_for(tokenizer, 0, LONG_EVERY - 1, stage=1).shape == (2, 1024)
    first = next(documents(0))
    assert tokenizer.decode(tokenizer(first)["input_ids"]) == first
    assert (batch == tokenizer.eos_token_id).sum() > 8


def test_stages_begin_at_their_shares_of_the_budget() -> None:
    assert [stage_of(share) for share in (0.0, 0.23, 0.76, 0.9)] == [0, 1, 2, 3]
