"""What a runtime is asked and what it answers: a request, its ticket, a finished text."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from adapters.errors import RepertoireError
from adapters.fields import check_fields
from adapters.format.config import Pooling
from adapters.serving.chances import Chance
from adapters.serving.sampling import Guide, Sampling
from adapters.serving.text import Piece


@dataclass(frozen=True)
class Request:
    """One row.

    Attributes:
        adapter: the key that the runtime's `fetch` understands, or None for the base.
        ids: the prompt's tokens.
        sampling: how to write, or None for the logits of the adapter's head.
        client: whose share of the runtime it uses.
        deadline: seconds from now, None for no limit.
        stream: whether the text is handed out in pieces.
        pooling: without a sampling, the pooled hidden states instead of the head's logits.
        guide: with a sampling, the rules that the text keeps while it is written.

    Raises:
        RequestError: a field is of another type or out of range.
    """

    adapter: Annotated[str | None, Field(description="a key, or None")]
    ids: Annotated[tuple[int, ...], Field(description="a tuple of tokens")]
    sampling: Sampling | None = None
    client: str = ""
    deadline: Annotated[float | None, Field(description="a finite number of seconds, or None")] = None
    stream: bool = False
    pooling: Pooling | None = None
    guide: Guide | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def cost(self) -> int:
        """About how much work it is, in tokens."""
        return len(self.ids) + (self.sampling.max_new_tokens if self.sampling else 0)


@dataclass(frozen=True)
class Completion:
    """A finished text.

    Attributes:
        ids: its tokens, without the end token.
        text: what they say, without the blanks around it.
        finish: what ended it: the end token, a stop string or the limit of tokens.
        chances: of each of its tokens, where `Sampling.logprobs` asks for them.
    """

    ids: tuple[int, ...]
    text: str
    finish: Literal["end", "stop", "length"]
    chances: tuple[Chance, ...] = ()


Answer = Tensor | Completion
"""Head logits `[labels]` or pooled states `[width]`, on the CPU; or a text."""


class _Pieces:
    """Those of one text on their way to who reads them, None behind the last. tell: is called when one has come."""

    __slots__ = ("queue", "tell")

    def __init__(self) -> None:
        self.queue: SimpleQueue[Piece | None] = SimpleQueue()
        self.tell: Callable[[], None] | None = None

    def add(self, piece: Piece | None) -> None:
        """Hand one on."""
        self.queue.put(piece)
        if self.tell is not None:
            self.tell()

    def end(self, _: object) -> None:
        """No other comes."""
        self.add(None)


class Ticket(Future[Answer]):
    """A request on its way.

    `result` waits for the answer, or raises the RepertoireError that says why there is none. Iterating over the
    ticket of a streamed text, also with `async for`, gives its pieces as they are written; put together they are the
    text.

    Attributes:
        request: what was asked.
        arrival: when it came into the queue, in seconds of the monotonic clock.
        overtaken: how many later requests were let in before it.
        slot: of its adapter, once it has one.
    """

    def __init__(self, request: Request, on_cancel: "Callable[[Ticket], None]") -> None:
        super().__init__()
        self.request = request
        self.arrival = 0.0
        self.overtaken = 0
        self.slot: int | None = None
        self._on_cancel = on_cancel
        self._pieces = _Pieces()
        # Not a function of the ticket: it would be garbage that only the collector takes away.
        self.add_done_callback(self._pieces.end)

    def cancel(self) -> bool:
        """Give the request up: it ends with Cancelled before the next step. False where it has ended already."""
        if self.done():
            return False
        self._on_cancel(self)
        return True

    def answer(self, timeout: float | None = None) -> Answer | RepertoireError:
        """The answer, or the error where there is none; waits for it, at most so many seconds. Raises TimeoutError."""
        error = self.exception(timeout)
        if error is None:
            return self.result()
        if isinstance(error, RepertoireError):
            return error
        raise error

    def add_piece(self, piece: Piece) -> None:
        """Hand out a piece of the text."""
        self._pieces.add(piece)

    def __iter__(self) -> Iterator[Piece]:
        while (piece := self._pieces.queue.get()) is not None:
            yield piece
        self.result()

    async def __aiter__(self) -> AsyncIterator[Piece]:
        loop, more = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(more.set)

        self._pieces.tell = tell
        more.set()  # for what came before
        while True:
            await more.wait()
            more.clear()
            while not self._pieces.queue.empty():
                piece = self._pieces.queue.get_nowait()
                if piece is None:
                    self.result()
                    return
                yield piece
