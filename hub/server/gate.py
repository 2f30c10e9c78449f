"""The gate before every route: who asks, and whether anybody may be asked at all. Nothing is read before it.

Without keys everybody on this machine is let in, by the machine's own names only: a page of the internet that points
a name of its own at 127.0.0.1 is not, and what such a page lets a browser send does nothing. From the first key on
every route asks for one, but those that are open.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from http.cookies import CookieError, SimpleCookie

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from hub.errors import BadKey
from hub.server.caller import Caller
from hub.server.failing import SafeJSON, response
from hub.server.keys import Key, Keys, Scope
from hub.server.noted import Noted
from hub.server.service import known_caller, set_caller
from hub.server.sessions import COOKIE, Sessions

_log = logging.getLogger(__name__)
_LOCAL = {"localhost", "127.0.0.1", "[::1]"}


_NOBODY = Key("", "", Scope.infer, (), "")  # on open routes: sees nothing


class Gate:
    """Lets requests in by key, or by the cookie of a session that began with one.

    Args:
        app: what stands behind it.
        keys: of the server's clients.
        sessions: of the page.
        open_paths: asked by anybody: `/health`, and what a page needs before its login; one that ends with `/` is all
            below it, but for `/` itself.
        local: whether without keys only this machine's own names are answered.
        body: bytes of a request, at most.
        stalled: seconds until they must be there.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: Keys,
        sessions: Sessions,
        open_paths: Sequence[str],
        local: bool,
        body: int,
        stalled: float,
    ) -> None:
        self._app = app
        self._keys = keys
        self._sessions = sessions
        self._open = tuple(open_paths)
        self._local = local
        self._body = body
        self._stalled = stalled

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known = known_caller(scope)
        # The gate of a fleet let it in, and read it; but of sessions that began here only this one knows.
        if known is not None and known.key != _NOBODY:
            Noted.of(scope).key = known.id
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        caller, refused = await self._asking(scope, headers)
        set_caller(scope, caller)
        if "authorization" not in headers and _of_another_site(scope, headers):
            refused = response(
                403,
                "a page of another site may not ask in the name of whoever looks at it",
                "permission_error",
                "origin",
            )
        if refused is None:
            await self._app(scope, _limited(receive, headers, self._body, self._stalled), send)
        else:
            await refused(scope, receive, send)

    async def _asking(self, scope: AsgiScope, headers: Headers) -> tuple[Caller, SafeJSON | None]:
        """Who asks, and why they are not let in."""
        is_open = self._is_open(scope["path"])
        try:
            guarded = self._keys.any()
            key = await self._key(headers) if guarded else None
        except (BadKey, OSError) as error:
            _log.error("the keys cannot be read: %s", error)
            return Caller(_NOBODY), None if is_open else _keys_unreadable()
        if key is not None:
            Noted.of(scope).key = key.id
            return Caller(key), None
        if guarded:
            return Caller(_NOBODY), None if is_open else _no_key(headers)
        return Caller(), _elsewhere() if self._local and _host(headers) not in _LOCAL else None

    async def _key(self, headers: Headers) -> Key | None:
        """The key of a request, where it counts. The file of keys, which another process may hold, is read by another
        thread; what comes without a key, such as most of `/health`, needs none."""
        said = headers.get("authorization", "")
        kind, _, secret = said.partition(" ")
        if said:
            key = (
                await run_in_threadpool(self._keys.find, secret.strip()) if kind.lower() == "bearer" else None
            )
        else:
            session = self._sessions.find(_cookies(headers).get(COOKIE, ""))
            key = None if session is None else await run_in_threadpool(self._keys.find_id, session.key)
        return key if key is not None and key.counts else None

    def _is_open(self, path: str) -> bool:
        return any(
            path == each or (len(each) > 1 and each.endswith("/") and path.startswith(each))
            for each in self._open
        )


def _limited(receive: Receive, headers: Headers, most: int, seconds: float) -> Receive:
    """What gives the body as long as it is no larger, which is told by its first byte where its length is said, and as
    it comes in time. What is said is not believed: beside chunks a length means nothing."""
    length = headers.get("content-length", "")
    said = int(length[:20]) if length.isdecimal() else 0
    seen, more = 0, True
    until = asyncio.get_running_loop().time() + seconds

    async def limited() -> Message:
        nonlocal seen, more
        try:
            async with asyncio.timeout_at(until if more else None):
                message = await receive()
        except TimeoutError:
            raise HTTPException(
                408, f"the body did not come within {seconds:g} seconds", {"connection": "close"}
            ) from None
        seen += len(message.get("body", b""))
        more = bool(message.get("more_body", False))
        if max(said, seen) > most:
            raise HTTPException(413, f"send at most {most} bytes", {"connection": "close"})
        return message

    return limited


def _elsewhere() -> SafeJSON:
    return response(
        421,
        "without keys this server answers to localhost only; make a key: repertoire keys new CLIENT",
        "invalid_request_error",
        "host",
    )


def _keys_unreadable() -> SafeJSON:
    return response(
        503,
        "the keys of this server cannot be read; ask again in a moment",
        "server_error",
        "keys_unreadable",
        {"retry-after": "1"},
    )


def _no_key(headers: Headers) -> SafeJSON:
    said = "is not known, is over or was revoked" if "authorization" in headers else "is needed"
    return response(
        401,
        f"a key {said}; send Authorization: Bearer KEY, which whoever runs this server makes for you",
        "authentication_error",
        "invalid_api_key",
        {"www-authenticate": "Bearer"},
    )


def _of_another_site(scope: AsgiScope, headers: Headers) -> bool:
    """Whether a browser sent something to be done for a page that is not this server's. Without a key in its headers a
    request may carry a cookie, or on this machine nothing at all, that its sender does not know of."""
    if scope["method"] in ("GET", "HEAD"):
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def _host(headers: Headers) -> str:
    host = headers.get("host", "").lower()
    return host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host


def _cookies(headers: Headers) -> Mapping[str, str]:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(headers.get("cookie", ""))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}
