"""Before a page can be seen: the login, its end, the choice of a language, and the files that a browser loads."""

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from hub.server.pages.drawn import assets
from hub.server.pages.frame import HOME, LANGUAGE, LOGIN, Frame, own_path, see_other, set_cookie
from hub.server.pages.words import LANGUAGES
from hub.server.sessions import COOKIE

_YEAR = 365 * 86400


def entering(frame: Frame) -> APIRouter:
    """The routes, asked by anybody."""
    router = APIRouter(prefix="/page", route_class=frame.route(is_open=True))

    @router.get("/login")
    def login(http: Request, next: str = "") -> Response:
        """The form that takes a key."""
        if not frame.keys.any():
            return see_other(HOME)
        return frame.page(http, "login.html", next=own_path(next), fault="", at="")

    @router.post("/login")
    async def enter(http: Request) -> Response:
        """Begin a session with a key that counts."""
        form = await frame.form(http)
        given, onward = form.get("key"), own_path(form.get("next"))
        key = await run_in_threadpool(frame.keys.find, given.strip()) if isinstance(given, str) else None
        if key is None or not key.counts:
            fault = "This key is not known, is over or was revoked."
            return frame.page(http, "login.html", 403, next=onward, fault=fault, at="")
        frame.sessions.end(http.cookies.get(COOKIE, ""))
        cookie, _ = frame.sessions.begin(key.id)
        answer = see_other(onward)
        set_cookie(answer, http, COOKIE, cookie)
        return answer

    @router.post("/logout")
    async def leave(http: Request) -> Response:
        """End the session."""
        await frame.form(http)
        frame.sessions.end(http.cookies.get(COOKIE, ""))
        answer = see_other(LOGIN)
        answer.delete_cookie(COOKIE, path="/")
        return answer

    @router.get("/language")
    def language(http: Request, to: str = "", next: str = "") -> Response:
        """Show the pages in another language from now on."""
        answer = see_other(own_path(next))
        if to in LANGUAGES:
            set_cookie(answer, http, LANGUAGE, to, _YEAR)
        return answer

    @router.get("/static/{name}")
    def static(http: Request, name: str) -> Response:
        """A file of the page; its address changes with it."""
        asset = assets().get(name)
        if asset is None:
            raise HTTPException(404, "there is no such file")
        headers = {
            "cache-control": "public, max-age=31536000, immutable",
            "x-content-type-options": "nosniff",
        }
        return Response(asset.data, media_type=asset.kind, headers=headers)

    return router
