"""What every page stands in: who looks, in which language, the token of its forms, the headers of its answers.

    GET  /page/adapters   cookie of a session -> Gate -> the caller; nobody is sent to /page/login
    POST /page/move/...   the same, and `csrf` in the form: of the session, or made from `repertoire_visitor`

Nothing on a page runs that is not a file of `static/`; whatever a template is given is escaped.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from adapters.errors import RepertoireError
from hub.server.caller import Caller, Forbidden
from hub.server.failing import Draining, note_failure, status_of, told, unexpected
from hub.server.keys import Keys, Scope
from hub.server.metrics import Meters
from hub.server.pages.drawn import asset_url, template
from hub.server.pages.words import LANGUAGES, asked_for, words_in
from hub.server.service import Service, caller_of
from hub.server.sessions import COOKIE, Session, Sessions

if TYPE_CHECKING:
    from hub.server.looping import Looping

HOME, LOGIN = "/page/adapters", "/page/login"
LANGUAGE = "repertoire_language"
_VISITOR = "repertoire_visitor"
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


@dataclass(frozen=True)
class Frame:
    """What all pages of one server share. secret: tokens of visitors without a session are made with it."""

    service: Service
    looping: "Looping"
    keys: Keys
    sessions: Sessions
    meters: Meters
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def page(self, http: Request, name: str, status: int = 200, /, **shown: Any) -> Response:
        """A page of a template.

        Args:
            http: who asks, and how.
            name: of the template.
            status: of HTTP.
            **shown: what the template reads.
        """
        language, caller = language_of(http), caller_of(http.scope)
        visitor = http.cookies.get(_VISITOR) or secrets.token_urlsafe(16)
        html = template(name).render(
            t=words_in(language),
            language=language,
            languages=LANGUAGES,
            here=_here(http),
            csrf=self._token(http, visitor),
            caller=caller,
            is_known=is_known(caller),
            may_operate=caller.may(Scope.operate),
            has_session=self.session(http) is not None,
            asset=asset_url,
            **shown,
        )
        answer = HTMLResponse(html.encode("utf-8", "replace"), status, headers=_HEADERS)
        if _VISITOR not in http.cookies and self.session(http) is None:
            set_cookie(answer, http, _VISITOR, visitor)
        return answer

    async def form(self, http: Request) -> FormData:
        """What a form of ours sent. Raises Forbidden for one that is not ours."""
        form = await http.form(max_files=0, max_fields=100)
        token, visitor = form.get("csrf"), http.cookies.get(_VISITOR, "")
        other_site = http.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
        right = self._token(http, visitor) if visitor or self.session(http) else ""
        if other_site or not right or not isinstance(token, str) or not _equal(token, right):
            raise Forbidden(
                "this form is too old, or of another site; load the page again and send it once more"
            )
        return form

    def session(self, http: Request) -> Session | None:
        """The session of whoever asks."""
        return self.sessions.find(http.cookies.get(COOKIE, ""))

    def route(self, *, is_open: bool = False) -> type[APIRoute]:
        """A route whose errors are pages. is_open: asked also by those without a session."""
        frame = self

        class PageRoute(APIRoute):
            """A route of the page."""

            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                """As FastAPI calls it."""
                handler = super().get_route_handler()

                async def answered(http: Request) -> Response:
                    if not is_open and not is_known(caller_of(http.scope)):
                        return _to_login(http)
                    try:
                        return await handler(http)
                    except ClientDisconnect:
                        raise
                    except Exception as error:
                        return frame.problem(http, error)

                return answered

        return PageRoute

    def problem(self, http: Request, error: Exception) -> Response:
        """What went wrong, as a page."""
        if isinstance(error, RequestValidationError):
            status, message = 400, "this address cannot be read"
        elif isinstance(error, HTTPException):
            status, message = error.status_code, str(error.detail)
        elif isinstance(error, Draining):
            status, message = 503, str(error)
        elif isinstance(error, RepertoireError | OSError):
            note_failure(error)
            status, message = (
                status_of(error),
                told(error, self.service.registry.hub.storage.address)["message"],
            )
        else:
            status, message = 500, unexpected(error)
        return self.page(http, "problem.html", status, status=status, message=message, at="")

    def _token(self, http: Request, visitor: str) -> str:
        """What each form must send."""
        session = self.session(http)
        if session is not None:
            return session.csrf
        return hmac.new(self.secret, visitor.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def is_known(caller: Caller) -> bool:
    """Whether somebody let in by a key asks, or anybody where no key is needed."""
    return caller.key is None or caller.key.id != ""


def language_of(http: Request) -> str:
    """`en` or `zh`: what the reader chose, else the browser's own."""
    chosen = http.cookies.get(LANGUAGE, "")
    return chosen if chosen in LANGUAGES else asked_for(http.headers.get("accept-language", ""))


def set_cookie(answer: Response, http: Request, name: str, value: str, seconds: int | None = None) -> None:
    """A cookie that no script reads and no other site sends along with a form."""
    secure = http.url.scheme == "https" or http.headers.get("x-forwarded-proto") == "https"
    answer.set_cookie(name, value, max_age=seconds, httponly=True, samesite="lax", secure=secure, path="/")


def own_path(given: object) -> str:
    """Where to go next: a path of our own pages, never another site."""
    text = given if isinstance(given, str) else ""
    fine = text.startswith("/page/") and text.isascii() and text.isprintable() and "\\" not in text
    return text if fine else HOME


def see_other(path: str) -> Response:
    """Go there."""
    return RedirectResponse(path, 303, headers=_HEADERS)


def _to_login(http: Request) -> Response:
    if "hx-request" in http.headers:  # a part of a page asks; all of it is to go
        return Response(status_code=204, headers={**_HEADERS, "hx-redirect": LOGIN})
    return see_other(f"{LOGIN}?next={quote(_here(http) if http.method == 'GET' else HOME, safe='')}")


def _here(http: Request) -> str:
    query = f"?{http.url.query}" if http.url.query else ""
    return f"{quote(http.url.path, safe='/@')}{query}"


def _equal(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode("utf-8", "replace"), b.encode("utf-8", "replace"))
