"""How one row is written, and the next token of each row of a batch by its own rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, runtime_checkable

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from adapters.fields import Text, check_fields

_MOST_TOKENS = 2**31 - 1  # more than any base has positions
_LIKELIEST = 256  # tokens among which a draw falls nearly always


def _greedy_or_warm(temperature: float) -> float:
    """Below a thousandth, logits over temperature leave the range of float32."""
    if temperature != 0 and not 0.001 <= temperature <= 100:
        raise ValueError("neither greedy nor from 0.001 to 100")
    return temperature


@dataclass(frozen=True)
class Sampling:
    """How one row is written.

    The same seed gives the same text, whatever else is in the batch (sums of many rows may be rounded otherwise than
    those of one, which matters where two tokens are as likely to the last digits).

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
        logprobs: how likely each token was is told, with so many of the likeliest beside it; None tells nothing.
        min_p: narrows the choice, before top_k and top_p, to tokens at least so likely as this share of the likeliest
            one (Nguyen et al. 2024, arXiv:2407.01082); 0 is off.

    Raises:
        RequestError: a value is of another type or out of range.
    """

    max_new_tokens: Annotated[
        int, Field(ge=1, le=_MOST_TOKENS, description="a whole number of 1 or more")
    ] = 64
    temperature: Annotated[
        float, AfterValidator(_greedy_or_warm), Field(description="0 (greedy), or a number from 0.001 to 100")
    ] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1, description="a number above 0 and at most 1 (off)")] = 1.0
    top_k: Annotated[int, Field(ge=0, description="a whole number of 0 (off) or more")] = 0
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63, description="a whole number of 64 bits")] = 0
    repetition_penalty: Annotated[
        float, Field(ge=0.01, le=100, description="a number from 0.01 to 100; 1 is off")
    ] = 1.0
    stop: Annotated[
        tuple[Annotated[Text, Field(min_length=1)], ...], Field(description="a tuple of texts, none empty")
    ] = ()
    logprobs: Annotated[
        Annotated[int, Field(ge=0, le=20)] | None, Field(description="a whole number of 0 to 20, or None")
    ] = None
    min_p: Annotated[float, Field(ge=0, le=1, description="a number from 0 (off) to 1")] = 0.0

    def __post_init__(self) -> None:
        check_fields(self)


@runtime_checkable
class Guide(Protocol):
    """The rules of one text, see `adapters.serving.guiding`. It is asked about the text as it would be so far."""

    def begins(self, text: str) -> Literal["yes", "no", "too long"]:
        """Whether a text that keeps the rules may begin so."""

    def ending(self, text: str) -> str | None:
        """What is left to be written, so that the text can end; None where it cannot end here."""


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
    """One draw a row: invert the cumulative distribution of what min_p, top_k and then top_p leave, likeliest tokens
    first.

    A draw nearly always falls among the few likeliest tokens; the whole vocabulary is sorted for the other rows alone.
    """
    values = logits / _column([how.temperature for how in sampling], logits)
    if any(how.min_p for how in sampling):
        least = values.amax(-1, keepdim=True) + _column([how.min_p for how in sampling], logits).log()
        values = values.masked_fill(values < least, -torch.inf)
    points = [float(torch.rand((), generator=stream, dtype=torch.float64)) for stream in streams]
    found = _among(values, sampling, points, min(_LIKELIEST, logits.shape[1]))
    rest = [row for row, token in enumerate(found) if token is None]
    if rest:
        own = [sampling[row] for row in rest], [points[row] for row in rest]
        for row, token in zip(rest, _among(values[rest], *own, logits.shape[1]), strict=True):
            found[row] = token
    return [token for token in found if token is not None]


def _among(
    values: Tensor, sampling: Sequence[Sampling], points: Sequence[float], most: int
) -> list[int | None]:
    """Where each row's draw falls, and None where that cannot be told from its `most` likeliest tokens.

    values: `[rows, vocabulary]`, logits by their temperature. points: of the draws, from 0 to 1.
    """
    vocabulary, device = values.shape[1], values.device
    top, tokens = values.topk(most) if most < vocabulary else values.sort(descending=True)
    ranks = torch.tensor([min(how.top_k or vocabulary, vocabulary) for how in sampling], device=device)[
        :, None
    ]
    top = top.masked_fill(torch.arange(most, device=device) >= ranks, -torch.inf)
    all_here = ranks <= most  # that top_k leaves
    whole = top.logsumexp(-1, keepdim=True)
    if not bool(all_here.all()):
        whole = torch.where(all_here, whole, values.logsumexp(-1, keepdim=True))
    shares = (top - whole).exp().double()
    reached, limit = shares.sum(-1, keepdim=True), _column([how.top_p for how in sampling], values).double()
    inside = (shares.cumsum(-1) - shares < limit) & (shares > 0)  # the first token always is
    mass = torch.where(all_here | (reached >= limit), (shares * inside).sum(-1, keepdim=True), 1.0)
    cumulative = (shares * inside).cumsum(-1)
    point = mass * torch.tensor(points, dtype=torch.float64, device=device)[:, None]
    index = torch.minimum((cumulative <= point).sum(-1), inside.sum(-1) - 1)
    # Behind these tokens lie more that top_k leaves, or a nucleus holds, or a point that none of them reaches.
    behind = (ranks < vocabulary) | ((reached < limit) & ((limit < 1) | (point >= cumulative[:, -1:])))
    unknown = (~all_here & behind)[:, 0].tolist()
    found = tokens.gather(1, index[:, None])[:, 0].tolist()
    return [None if no else token for token, no in zip(found, unknown, strict=True)]


def _column(numbers: Sequence[float], like: Tensor) -> Tensor:
    """`[rows, 1]`, where and what `like` is."""
    return torch.tensor(numbers, device=like.device, dtype=like.dtype)[:, None]
