"""The ingress: who asks, for which adapter, and the request handed to a replica, whose answer goes through as it comes.

A replica may die while it answers. Of what only asks, nothing is lost: as long as no byte has been sent, another one
is asked, up to three. Whatever writes something down (feedback, an answer that is logged, a page's form) is asked once,
and a stream that has begun cannot begin again: there the client is told, by an error in place of the rest.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from starlette.types import Message, Receive, Send
from starlette.types import Scope as AsgiScope

from hub.errors import BadName
from hub.server.failing import response
from hub.server.service import known_caller, set_caller
from hub.storage.names import parse

Forward = Callable[[AsgiScope, bytes, str], AsyncIterator[Sequence[Message]]]
"""Hands a request on: its scope, its body, and the reference that it names. Raises Lost."""

PAGE = "/page"
"""In the place of a reference: what belongs to the pages, whose sessions lie in the memory of one replica."""

_TRIES = 3
_AGAIN = 1  # seconds
_ASKS = {
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/classify",
    "/v1/rerank",
    "/v2/rerank",
    "/v1/embeddings",
    "/v1/recommend",
    "/v1/analyze",
    "/v1/write",
    "/v1/batch",
}
_SCOPE = (
    *("type", "asgi", "http_version", "method", "scheme", "path", "raw_path", "query_string"),
    *("root_path", "headers", "client", "server"),
)


class Lost(Exception):
    """The replica that had a request is gone, or none took it."""


class Forwarding:
    """The application of an ingress, behind its gate.

    Args:
        forward: to a replica.
        seconds: until an answer must have begun.
    """

    def __init__(self, forward: Forward, seconds: float) -> None:
        self._forward = forward
        self._seconds = seconds

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await _lived(receive, send)
            return
        body = await _body(receive)
        if body is None:
            return
        document = _document(body) if scope["method"] == "POST" else None
        wanted = PAGE if _is_page(scope) else _wanted(document)
        plain = {name: scope[name] for name in _SCOPE if name in scope}
        if (caller := known_caller(scope)) is not None:
            set_caller(plain, caller)
        tries = _TRIES if _may_ask_again(scope, document) else 1
        answering = asyncio.ensure_future(self._answer(plain, body, wanted, tries, send))
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                answering.result()
        finally:
            for each in (answering, gone):
                each.cancel()
            await asyncio.gather(answering, gone, return_exceptions=True)

    async def _answer(self, scope: AsgiScope, body: bytes, wanted: str, tries: int, send: Send) -> None:
        kind: bytes | None = None
        for left in reversed(range(tries)):
            try:
                async with asyncio.timeout(self._seconds) as begins:
                    async for messages in self._forward(scope, body, wanted):
                        begins.reschedule(None)
                        for message in messages:
                            kind = _kind(message) if kind is None else kind
                            await send(message)
                return
            except (Lost, TimeoutError) as error:
                if kind is None and left and isinstance(error, Lost):
                    continue
                await _tell(scope, send, kind, error)
                return


async def _tell(scope: AsgiScope, send: Send, kind: bytes | None, error: Exception) -> None:
    """That there is no answer, or no more of it. kind: of what was begun."""
    late = isinstance(error, TimeoutError)
    message = "no replica answered in time" if late else "the replica that answered is gone; ask again"
    told = response(
        504 if late else 503,
        message,
        "server_error",
        "deadline" if late else "replica_lost",
        {"retry-after": str(_AGAIN)},
    )
    if kind is None:
        await told(scope, _never, send)
    elif kind.startswith(b"text/event-stream"):
        await send({"type": "http.response.body", "body": b"data: " + bytes(told.body) + b"\n\n"})
    else:
        raise Lost(message)  # half an answer: its connection ends


async def _lived(receive: Receive, send: Send) -> None:
    """Nothing is to be done when an ingress begins or ends."""
    for when in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{when}.complete"})


async def _body(receive: Receive) -> bytes | None:
    """All of it; None where the client has gone."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _never() -> Message:
    return {"type": "http.disconnect"}


def _kind(message: Message) -> bytes | None:
    """Of an answer that begins: its content type."""
    if message["type"] != "http.response.start":
        return None
    headers: dict[bytes, bytes] = dict(message.get("headers", ()))
    return headers.get(b"content-type", b"")


def _document(body: bytes) -> Any:
    """What was sent; None for what the replica will refuse."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _wanted(document: Any) -> str:
    """The reference that a request names, the first one of several, in the words of the replicas; empty where it names
    none."""
    for each in _entries(document):
        named = each.get("model", each.get("reference", ""))
        first = named[0] if isinstance(named, list) and named else named
        if not isinstance(first, str):
            return ""
        text = first.split("+")[0].strip()
        try:
            return str(parse(text))  # `name@latest` is `name`
        except BadName:  # its replica says so
            return text
    return ""


def _entries(document: Any) -> list[dict[str, Any]]:
    """Of a batch its requests, else the one that was sent."""
    if not isinstance(document, dict):
        return []
    found = document.get("requests", [document])
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _is_page(scope: AsgiScope) -> bool:
    """Whether a page is asked. Cookies say nothing: without keys nobody logs in, and with them the gate of the ingress
    lets a session go to pages only."""
    path: str = scope["path"]
    return path in ("/", PAGE) or path.startswith(f"{PAGE}/")


def _may_ask_again(scope: AsgiScope, document: Any) -> bool:
    if scope["method"] != "POST":
        return scope["method"] in ("GET", "HEAD")
    return scope["path"] in _ASKS and not any(each.get("log") for each in _entries(document))
