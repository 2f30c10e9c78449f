"""Around every request: its id, a line of the log, and the metrics of its end."""

import json
import logging

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from hub.server.failing import GONE
from hub.server.metrics import Meters
from hub.server.noted import Noted
from hub.server.tracing import note_span

requests_log = logging.getLogger("repertoire.requests")
"""One JSON line a request: id, key, client, reference, digest, tokens, milliseconds, status; never a text."""


class Observed:
    """Notes each request of an app, whatever becomes of it."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        noted, status, ended = Noted.of(scope), GONE, False

        async def sent(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = noted.id
                headers.setdefault("x-content-type-options", "nosniff")
            elif message["type"] == "http.response.body" and not message.get("more_body"):
                ended = True
                note_span(noted.line(scope["method"], _route(scope), status))
            await send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            line = noted.line(scope["method"], _route(scope), status if ended else GONE)
            if not ended:
                note_span(line)
            requests_log.info(json.dumps(line, ensure_ascii=True))
            self._meters.ended(noted, line["status"])


def _route(scope: AsgiScope) -> str:
    """The path of a route as it is declared; empty where there is none."""
    return str(getattr(scope.get("route"), "path", ""))
