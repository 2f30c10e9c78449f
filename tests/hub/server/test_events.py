"""A reader of a stream who takes nothing, or goes: what it holds ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from hub.server.events import EventStream


@pytest.mark.parametrize("gone", [True, False])
def test_whoever_takes_nothing_or_goes_holds_nothing_any_longer(gone: bool) -> None:
    async def main() -> list[str]:
        ended: list[str] = []
        held = AsyncExitStack()
        held.callback(ended.append, "held")

        async def events() -> AsyncIterator[bytes]:
            while True:
                yield b"data: 1\n\n"

        async def receive() -> dict[str, str]:
            if not gone:
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        async def send(message: object) -> None:
            await asyncio.Event().wait()

        await EventStream(events(), held, 3600.0 if gone else 0.01)(
            {"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send
        )
        return ended

    assert asyncio.run(main()) == ["held"]
