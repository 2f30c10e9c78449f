"""One text that is being written."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch

from adapters.serving.chances import Chance
from adapters.serving.guiding import Guided
from adapters.serving.request import Ticket
from adapters.serving.sampling import Guide, Sampling
from adapters.serving.text import Piece, Pieces


@dataclass(eq=False)
class Writing:
    """A text on its way.

    Attributes:
        prompt: token ids.
        slot: of its adapter, None for the base.
        sampling: how it is written.
        on_text: told of each new piece of text, where the text is streamed.
        guide: the rules that it keeps while it is written, see `adapters.serving.guiding`.
        written: new tokens so far, without the end token.
        chances: of these, where the sampling asks for them.
        text: what they say, without the blanks around it; up to date where the text is streamed, has stop strings or
            has ended.
        finish: why it ended: the model's end token, a stop string, the limit of tokens; `failed` where its numbers were
            not finite; None while it runs.
    """

    prompt: tuple[int, ...]
    slot: int | None
    sampling: Sampling
    on_text: Callable[[Piece], None] | None = None
    guide: Guide | None = None
    written: list[int] = field(default_factory=list)
    chances: list[Chance] = field(default_factory=list)
    text: str = ""
    finish: Literal["end", "stop", "length", "failed"] | None = None

    def __post_init__(self) -> None:
        self.stream = torch.Generator().manual_seed(self.sampling.seed)
        self.pieces = Pieces(self.sampling.stop) if self.on_text else None
        self.guided = Guided(self.guide) if self.guide else None
        self._told = 0  # chances that were handed out

    def hand_out(self, written: str) -> None:
        """Tell of what is new in the text so far, where it is streamed."""
        if self.on_text is None or self.pieces is None:
            return
        ended = self.finish is not None
        piece, untold = self.pieces.next(written, ended), tuple(self.chances[self._told :])
        if piece or (ended and untold):
            self.on_text(Piece(piece, untold))
            self._told = len(self.chances)


def begun(ticket: Ticket) -> Writing:
    """The text that a request asks for, once its adapter has a slot."""
    asked = ticket.request
    assert asked.sampling is not None, "a head's row has no text"
    told = ticket.add_piece if asked.stream else None
    return Writing(asked.ids, ticket.slot, asked.sampling, told, asked.guide)
