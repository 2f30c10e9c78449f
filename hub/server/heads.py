"""HEAD, which is answered as GET is, without the body: by whoever looks whether a server is alive, and by proxies."""

from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope


class Heads:
    """Lets the routes of an app see GET where HEAD was sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        asked = {**scope, "method": "GET"}

        async def sent(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        try:
            await self._app(asked, receive, sent)
        finally:
            if "route" in asked:  # for the line of the log
                scope["route"] = asked["route"]
