"""A connection whose client has its time, and no more: a head that never ends would hold its socket for ever.

What a body may take stands in `gate`, what a reader may take in `events`; the system gives up what it does not take at
all (`TCP_USER_TIMEOUT`).
"""

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

SILENT = 30.0
"""Seconds for the head of a request, from the first byte or the connection on."""


class Connection(H11Protocol):
    """One of a server's, which ends where no request comes over it."""

    _waits: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A client is there; its request is waited for."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """It sent something: of a head, of a body, or of what is no longer read."""
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        super().connection_lost(exc)
        self._stop()

    def _wait(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._waits is None:
            self._waits = self.loop.call_later(SILENT, self._end)

    def _stop(self) -> None:
        if self._waits is not None:
            self._waits.cancel()
            self._waits = None

    def _end(self) -> None:
        self._waits = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


def give_up(listening: socket.socket, seconds: float) -> None:
    """Let the system end connections whose reader takes nothing for so long, where it knows how to."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, max(1, int(1000 * seconds)))
