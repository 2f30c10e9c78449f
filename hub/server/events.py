"""Server-sent events of texts as they are written: several streams into one, for a reader who may be slow or go."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Send
from starlette.types import Scope as AsgiScope

from adapters.errors import RepertoireError

if TYPE_CHECKING:
    from hub.registry.streaming import Stream, StreamedText

DONE = b"data: [DONE]\n\n"


class EventStream(StreamingResponse):
    """Events to one reader. Whoever goes away, or takes nothing for `stalled` seconds, ends the texts at their next
    step: `held` is closed then, and at the end."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], held: AsyncExitStack, stalled: float) -> None:
        super().__init__(events, headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        self._held = held
        self._stalled = stalled

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Send them."""

        async def sent(message: Message) -> None:
            await asyncio.wait_for(send(message), self._stalled)

        try:
            await super().__call__(scope, receive, sent)
        except TimeoutError:
            pass  # a reader that takes nothing; the connection is given up with it
        finally:
            await self._held.aclose()


def event(document: Any) -> bytes:
    """One event."""
    return b"data: " + json.dumps(document, ensure_ascii=False).encode("utf-8", "replace") + b"\n\n"


async def merged(
    streams: Sequence["Stream"],
) -> AsyncGenerator[tuple[int, "StreamedText | RepertoireError | None"], None]:
    """The pieces of several streams as they come, each with the place of its stream; at the end of one None, or the
    error that ended it."""
    queue: asyncio.Queue[tuple[int, Any]] = asyncio.Queue()

    async def pump(index: int, stream: "Stream") -> None:
        try:
            async for piece in stream:
                queue.put_nowait((index, piece))
            queue.put_nowait((index, None))
        except RepertoireError as error:
            queue.put_nowait((index, error))

    tasks = [asyncio.create_task(pump(index, stream)) for index, stream in enumerate(streams)]
    try:
        left = len(tasks)
        while left:
            index, piece = await queue.get()
            left -= piece is None or isinstance(piece, RepertoireError)
            yield index, piece
    finally:
        for task in tasks:
            task.cancel()
