"""Names and aliases before vLLM: `vllm serve ... --middleware hub.exchange.Versioned`.

A request that asks for `acme/spring/ad-copy` or `@production` goes on as one for the version that this means now; so an
alias that moves is followed, and the answer's `model` says which version gave it.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from time import monotonic
from typing import Any

from adapters.errors import RepertoireError
from hub.errors import BadName, NotInHub
from hub.exchange.resolver import opened

_SECONDS = 1.0
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


class Versioned:
    """ASGI around a server that is asked by `model`. A body is read when the server reads it, after it looked at the
    caller's key. A hub that is away changes nothing for names that were asked for before.

    Args:
        app: the server.
    """

    def __init__(self, app: Callable[[_Message, _Receive, _Send], Awaitable[None]]) -> None:
        self._app = app
        self._known: dict[str, tuple[float, str]] = {}

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http" or not _is_json(scope):
            await self._app(scope, receive, send)
            return
        read = False

        async def versioned() -> _Message:
            nonlocal read
            if read:
                return await receive()
            parts, more = [], True
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    return message
                parts.append(message.get("body", b""))
                more = message.get("more_body", False)
            read = True
            return {"type": "http.request", "body": await self._body(b"".join(parts)), "more_body": False}

        # The length may be another then, and nothing needs it any more.
        headers = [pair for pair in scope["headers"] if pair[0] != b"content-length"]
        await self._app({**scope, "headers": headers}, versioned, send)

    async def _body(self, body: bytes) -> bytes:
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            return body
        if not isinstance(told, dict) or not isinstance(told.get("model"), str):
            return body
        reference = await self._reference(told["model"])
        return body if reference == told["model"] else json.dumps(told | {"model": reference}).encode()

    async def _reference(self, name: str) -> str:
        """What a name means, at most a second old; of what the hub does not know, the name itself."""
        at, before = self._known.get(name, (0.0, name))
        now = monotonic()
        if name in self._known and now - at < _SECONDS:
            return before
        try:
            version = await asyncio.to_thread(lambda: opened().resolve(name))
        except (BadName, NotInHub):
            self._known.pop(name, None)
            return name
        except (RepertoireError, OSError):
            return before
        self._known[name] = now, version.reference
        return version.reference


def _is_json(scope: _Message) -> bool:
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    return any(kind.split(b";")[0].strip().lower() == b"application/json" for kind in kinds)
