"""A server that runs: until SIGTERM or Ctrl-C, then drains; a second signal ends it at once."""

import gc
import os
import resource
import socket
from time import monotonic
from types import FrameType

import uvicorn
from fastapi import FastAPI

from hub.server.connection import Connection, give_up
from hub.server.lines import log_lines
from hub.server.refresher import Refresher
from hub.server.service import Service
from hub.server.tracing import trace_requests

_CLOSE = 2  # seconds that connections have after the last answer


def run(app: FastAPI, listening: socket.socket, drain: float) -> None:
    """Serve until a signal. New requests are refused from then on, those that run have their time, and then the
    registry is closed, which ends the rest.

    Args:
        app: of `create_app`.
        listening: a bound socket.
        drain: seconds for what runs.
    """
    service: Service = app.state.service
    refresher: Refresher | None = app.state.refresher
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        http=Connection,
        timeout_graceful_shutdown=_CLOSE,
    )
    log_lines()
    trace_requests()
    give_up(listening, service.bounds.stalled)
    _many_connections()
    settle()
    if refresher is not None:
        refresher.start()
    try:
        _Drained(config, service, drain, refresher).run(sockets=[listening])
    finally:
        if refresher is not None:
            refresher.close()
        service.registry.close()
        app.state.looping.close()


def listen(host: str, port: int) -> socket.socket:
    """A socket that clients can connect to from now on. Raises OSError where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from None
    listening.set_inheritable(False)
    return listening


def settle() -> None:
    """Let garbage collection pass over what is loaded and stays, in a process that serves from now on: each time it
    went through all of that, every answer waited for 0.4 s."""
    gc.collect()
    gc.freeze()


def _many_connections() -> None:
    """As many as the system lets this process have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Drained(uvicorn.Server):
    """Ends when nothing runs any more, or the time for that is over."""

    def __init__(
        self, config: uvicorn.Config, service: Service, drain: float, refresher: Refresher | None
    ) -> None:
        super().__init__(config)
        self._service, self._refresher = service, refresher
        self._seconds = drain
        self._until: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; told again, end."""
        if self._until is not None:
            os._exit(128 + sig)
        self._until = monotonic() + self._seconds
        self._service.drain(self._seconds)
        if self._refresher is not None:
            self._refresher.end()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether it is time to end."""
        if await super().on_tick(counter):
            return True
        if self._until is None or (self._service.working and monotonic() < self._until):
            return False
        self._service.registry.close()  # what is left is told that it ends
        return True
