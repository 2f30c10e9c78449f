"""The starter before its first step."""

import random

import torch

from adapters.starter.build.model import make_model
from adapters.starter.build.tokenizer import VOCABULARY


def test_untrained_model_expects_what_it_has_seen_before() -> None:
    rng = random.Random(0)
    rows = [[rng.randrange(256, VOCABULARY) for _ in range(40)] * 3 for _ in range(4)]
    ids = torch.tensor(rows)
    with torch.no_grad():
        scores = make_model(0)(ids).logits[:, :-1].log_softmax(-1)
    losses = -scores.gather(2, ids[:, 1:, None])[..., 0]
    assert losses[:, 40:].mean() < losses[:, :39].mean() - 0.8
