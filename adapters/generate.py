"""Decode: from the prompt's last hidden state to the text, one token a step for all rows together."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from adapters.base import Base
from adapters.forward import Tokens, forward
from adapters.rows import Rows
from adapters.slots import Slots


@dataclass(frozen=True)
class Sampling:
    """How one row is written. temperature 0 is greedy; top_p (Holtzman et al. 2019, arXiv:1904.09751) and
    top_k (0: off) narrow the choice; the same seed gives the same text, whatever else is in the batch."""

    max_new_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0


def decode(
    base: Base,
    slots: Slots,
    rows: Rows,
    cache: DynamicCache,
    seen: Tensor,
    last: Tensor,
    sampling: Sequence[Sampling],
) -> list[list[int]]:
    """Continue prompts that `forward` has put into `cache`.

    seen: what each row has in the cache, `[rows, length of cache]`; last: hidden state of each prompt's last token,
    `[rows, width]`. Returns each row's new tokens, without the end token. A row that is done leaves the batch.
    """
    ends = _end_tokens(base)
    streams = [torch.Generator().manual_seed(s.seed) for s in sampling]
    written: list[list[int]] = [[] for _ in sampling]
    alive = list(range(len(sampling)))
    while alive:
        tokens = choose(
            base.lm_logits(last).float().cpu(), [sampling[i] for i in alive], [streams[i] for i in alive]
        )
        for row, token in zip(alive, tokens, strict=True):
            if token not in ends:
                written[row].append(token)
        stays = [
            place
            for place, (row, token) in enumerate(zip(alive, tokens, strict=True))
            if token not in ends and len(written[row]) < sampling[row].max_new_tokens
        ]
        if len(stays) < len(alive):
            alive = [alive[place] for place in stays]
            if not alive:
                break
            keep = torch.tensor(stays, device=base.device)
            cache.batch_select_indices(keep)
            seen, rows = seen[keep], Rows(tuple(rows.slots[place] for place in stays))
            tokens = [tokens[place] for place in stays]
        seen = torch.cat([seen, seen.new_ones(len(alive), 1)], dim=1)
        step = Tokens(torch.tensor(tokens, device=base.device)[:, None], seen)
        last = forward(base, slots, step, rows, cache).states[:, -1]
    return written


def choose(logits: Tensor, sampling: Sequence[Sampling], streams: Sequence[torch.Generator]) -> list[int]:
    """The next token of each row. logits: `[rows, vocabulary]`, float32 on the CPU."""
    greedy = logits.argmax(-1).tolist()
    return [
        int(greedy[row]) if how.temperature == 0 else _sample(logits[row], how, streams[row])
        for row, how in enumerate(sampling)
    ]


def _sample(logits: Tensor, how: Sampling, stream: torch.Generator) -> int:
    values, tokens = torch.sort(logits / how.temperature, descending=True)
    shares = values.softmax(-1)
    keep = shares.cumsum(-1) - shares < how.top_p  # the first token always stays
    if how.top_k:
        keep[how.top_k :] = False
    return int(tokens[torch.multinomial(shares * keep, 1, generator=stream)])


def _end_tokens(base: Base) -> set[int]:
    """Every token that ends a text: the tokenizer's, and those that the model's generation settings name."""
    configured = getattr(base.model.generation_config, "eos_token_id", None)
    named = configured if isinstance(configured, list) else [configured]
    return {token for token in (*named, base.tokenizer.eos_token_id) if token is not None}
