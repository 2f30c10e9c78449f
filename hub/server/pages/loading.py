"""What is loaded and how busy the server is: slots, host memory, the queue, tokens a second, by client."""

from collections import deque
from dataclasses import dataclass
from time import monotonic

from fastapi import APIRouter, Request, Response

from hub.server.keys import Scope
from hub.server.pages.frame import Frame
from hub.server.service import caller_of

_WINDOW = 15.0  # seconds
_SUMS = ("slots", "waiting", "writing", "tokens")


@dataclass
class Share:
    """What one client has: adapters in slots, rows that run, bytes in host memory, tokens since the server began."""

    slots: int = 0
    rows: int = 0
    size: int = 0
    read: int = 0
    written: int = 0


class Pace:
    """Tokens a second, by how many there were when somebody looked before."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()

    def look(self, tokens: int) -> float:
        """The pace over the last seconds. tokens: since the server began."""
        now = monotonic()
        self._looks.append((now, tokens))
        while len(self._looks) > 2 and now - self._looks[0][0] > _WINDOW:
            self._looks.popleft()
        began, before = self._looks[0]
        return (tokens - before) / (now - began) if now > began else 0.0


def loading(frame: Frame) -> APIRouter:
    """The route, of one server."""
    router = APIRouter(prefix="/page", route_class=frame.route())
    registry, pace = frame.service.registry, Pace()

    @router.get("/load")
    def load(http: Request) -> Response:
        """Residency and load; the page asks again every other second."""
        caller = caller_of(http.scope)
        caller.need(Scope.operate)
        state = registry.state()
        peers = frame.service.peers()
        state |= {name: sum(getattr(each, name) for each in peers) for name in _SUMS if peers}
        everywhere = [each for peer in peers for each in peer.residents] if peers else registry.residency()
        residents = [each for each in everywhere if caller.sees(each.adapter)]
        shares: dict[str, Share] = {}
        for each in residents:
            share = shares.setdefault(each.adapter.partition("/")[0], Share())
            share.slots += each.tier == "slot"
            share.rows += each.rows
            share.size += each.size
        for client, direction, tokens in frame.meters.tokens(caller):
            share = shares.setdefault(client, Share())
            setattr(share, "read" if direction == "in" else "written", tokens)
        return frame.page(
            http,
            "load.html",
            at="load",
            state=state,
            peers=peers,
            used=sum(each.tier == "slot" for each in residents),
            size=sum(each.size for each in residents),
            pace=pace.look(state["tokens"]),
            residents=sorted(residents, key=lambda each: (each.tier != "slot", each.slot or 0, each.adapter)),
            shares=dict(sorted(shares.items())),
            following=frame.service.following(caller),
        )

    return router
