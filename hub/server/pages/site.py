"""All pages of one server, as the routes that its application mounts."""

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from hub.server.keys import Keys
from hub.server.looping import Looping
from hub.server.metrics import Meters
from hub.server.pages.entering import entering
from hub.server.pages.frame import HOME, Frame, see_other
from hub.server.pages.listing import listing
from hub.server.pages.living import living
from hub.server.pages.loading import loading
from hub.server.pages.moving import moving
from hub.server.pages.showing import showing
from hub.server.pages.trying import trying
from hub.server.sessions import Sessions


def site(looping: Looping, keys: Keys, sessions: Sessions, meters: Meters) -> APIRouter:
    """The pages.

    Args:
        looping: that answers, and has the log.
        keys: with which a session begins.
        sessions: that the gate looks at, too.
        meters: what the server counts.
    """
    frame = Frame(looping.service, looping, keys, sessions, meters)
    router = APIRouter()
    for routes in (entering, listing, showing, moving, trying, living, loading):
        router.include_router(routes(frame))
    open_router = APIRouter(route_class=frame.route(is_open=True))

    @open_router.get("/")
    @open_router.get("/page")
    @open_router.get("/page/")
    def home() -> Response:
        """The first page."""
        return see_other(HOME)

    lost_router = APIRouter(route_class=frame.route())

    @lost_router.get("/page/{rest:path}")
    def lost(http: Request, rest: str) -> Response:
        """A page that is not there."""
        raise HTTPException(404, "there is no such page")

    router.include_router(open_router)
    router.include_router(lost_router)
    return router
