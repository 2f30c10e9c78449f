"""A text in pieces as it is written, for a loop or a thread, and afterwards what it took."""

from collections.abc import AsyncIterator, Iterator

from adapters import Base
from adapters.serving import Completion, Piece, Ticket
from hub.registry.counting import token_chances, told_of
from hub.registry.requests import TokenChance, Told
from hub.registry.rules import Watched


class StreamedText(str):
    """A piece that keeps the rules. logprobs: of the tokens since the piece before, where they were asked for."""

    logprobs: tuple[TokenChance, ...]

    def __new__(cls, text: str, logprobs: tuple[TokenChance, ...] = ()) -> "StreamedText":
        """A piece of text, and how likely its tokens were."""
        piece = super().__new__(cls, text)
        piece.logprobs = logprobs
        return piece


class Stream:
    """One text on its way: iterate over it, also with `async for`. Put together the pieces are the text.

    What is not read to its end is given up: `close`, or leave the loop. Raises Broken as soon as the text breaks a
    rule: what was shown cannot be drawn again.

    Attributes:
        prompt_tokens: of the request.
        digest: of the content that answers, as `Version.digest`.
        told: what the text took, once it has ended; None before.
    """

    def __init__(self, ticket: Ticket, watched: Watched, base: Base) -> None:
        self.prompt_tokens = len(ticket.request.ids)
        self.digest = ticket.request.adapter or ""
        self.told: Told | None = None
        self._ticket, self._watched, self._base = ticket, watched, base
        self._untold: list[TokenChance] = []

    def close(self) -> None:
        """Give it up, where it has not ended."""
        self._ticket.cancel()

    def __iter__(self) -> Iterator[StreamedText]:
        try:
            for piece in self._ticket:
                yield from self._take(piece)
            yield from self._end()
        finally:
            self.close()

    async def __aiter__(self) -> AsyncIterator[StreamedText]:
        try:
            async for piece in self._ticket:
                for shown in self._take(piece):
                    yield shown
            for shown in self._end():
                yield shown
        finally:
            self.close()

    def _take(self, piece: Piece) -> Iterator[StreamedText]:
        self._untold += token_chances(piece.chances, self._base)
        return self._shown(self._watched.add(piece))

    def _end(self) -> Iterator[StreamedText]:
        completion = self._ticket.result()
        assert isinstance(completion, Completion), "only texts are streamed"
        self.told = told_of(completion, self._base)
        return self._shown(self._watched.end(), ended=True)

    def _shown(self, text: str, ended: bool = False) -> Iterator[StreamedText]:
        if text or (ended and self._untold):
            yield StreamedText(text, tuple(self._untold))
            self._untold.clear()
