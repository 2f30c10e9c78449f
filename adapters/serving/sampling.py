"""How one row is written, and the next token of each row of a batch by its own rules."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adapters.errors import RequestError


@dataclass(frozen=True)
class Sampling:
    """How one row is written.

    The same seed gives the same text, whatever else is in the batch.

    Attributes:
        max_new_tokens: the most that are written.
        temperature: 0 is greedy.
        top_p: narrows the choice to the likeliest tokens that together have so much (Holtzman et al. 2019,
            arXiv:1904.09751); 1 is off.
        top_k: narrows it to so many tokens before that; 0 is off.
        seed: of the row's own random stream.
        repetition_penalty: tokens of the prompt and of the text so far have their logit divided by it where positive,
            times it where negative (Keskar et al. 2019, arXiv:1909.05858, §4.1); 1 is off.
        stop: the text ends before the first of these strings.

    Raises:
        RequestError: a value is out of range.
    """

    max_new_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = [
            f"{name} is {value!r}; expected {expected}"
            for name, value, sound, expected in (
                ("max_new_tokens", self.max_new_tokens, self.max_new_tokens >= 1, "1 or more"),
                ("temperature", self.temperature, self.temperature >= 0, "0 (greedy) or more"),
                ("top_p", self.top_p, 0 < self.top_p <= 1, "above 0 and at most 1 (off)"),
                ("top_k", self.top_k, self.top_k >= 0, "0 (off) or more"),
                (
                    "repetition_penalty",
                    self.repetition_penalty,
                    self.repetition_penalty > 0,
                    "above 0; 1 is off",
                ),
                (
                    "stop",
                    self.stop,
                    isinstance(self.stop, tuple) and all(self.stop),
                    "a tuple of strings, none empty",
                ),
            )
            if not sound
        ]
        if problems:
            raise RequestError("; ".join(problems))


def choose(
    logits: Tensor,
    sampling: Sequence[Sampling],
    streams: Sequence[torch.Generator],
    seen: Sequence[Sequence[int]] = (),
) -> list[int | None]:
    """The next token of each row; None for a row whose logits are not finite numbers.

    logits: `[rows, vocabulary]` float32, changed in place by penalties; streams: each row's own random stream, on the
    CPU; seen: tokens of each row's prompt and text, needed where there is a penalty.
    """
    for row, how in enumerate(sampling):
        if how.repetition_penalty != 1:
            tokens = torch.tensor(sorted(set(seen[row])), device=logits.device)
            own = logits[row, tokens]
            logits[row, tokens] = torch.where(
                own > 0, own / how.repetition_penalty, own * how.repetition_penalty
            )
    highest, tokens = logits.max(-1)
    chosen: list[int | None] = [
        token if sound else None
        for token, sound in zip(tokens.tolist(), torch.isfinite(highest).tolist(), strict=True)
    ]
    drawn = [row for row, how in enumerate(sampling) if how.temperature > 0 and chosen[row] is not None]
    if drawn:
        own_logits = logits if len(drawn) == len(sampling) else logits[drawn]
        found = _draw(own_logits, [sampling[row] for row in drawn], [streams[row] for row in drawn])
        for row, token in zip(drawn, found, strict=True):
            chosen[row] = token
    return chosen


def _draw(logits: Tensor, sampling: Sequence[Sampling], streams: Sequence[torch.Generator]) -> list[int]:
    """One draw a row: sort, cut off by top_k, then by top_p, invert the cumulative distribution."""

    def column(values: list[float]) -> Tensor:
        return torch.tensor(values, device=logits.device)[:, None]

    values = logits / column([how.temperature for how in sampling])
    most = max((how.top_k or logits.shape[1]) for how in sampling)
    values, tokens = (
        values.topk(min(most, logits.shape[1])) if most < logits.shape[1] else values.sort(descending=True)
    )
    rank = torch.arange(values.shape[1], device=logits.device)
    kept = rank < column([float(how.top_k or logits.shape[1]) for how in sampling])
    shares = values.masked_fill(~kept, -torch.inf).softmax(-1)
    before = shares.cumsum(-1) - shares
    shares = shares * (before < column([how.top_p for how in sampling]))  # the first token always stays
    uniform = column([float(torch.rand((), generator=stream, dtype=torch.float64)) for stream in streams])
    cumulative = shares.double().cumsum(-1)
    index = (cumulative <= uniform * cumulative[:, -1:]).sum(-1).clamp(max=values.shape[1] - 1)
    return [int(token) for token in tokens.gather(1, index[:, None])[:, 0].tolist()]
