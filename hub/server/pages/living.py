"""What is true now of an adapter, as its log says it: rates by version and day, what moved, how its canary stands."""

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from hub.feedback.canary import compare, running
from hub.feedback.events import KINDS
from hub.feedback.live import LiveFigures, live
from hub.server.keys import Scope
from hub.server.pages.frame import Frame
from hub.server.pages.listing import PRODUCTION
from hub.server.pages.pictures import Track, on_one_scale
from hub.server.pages.showing import versions_of
from hub.server.service import caller_of

_DAYS = ("1", "7", "30", "")
_DAY = 86_400.0


def living(frame: Frame) -> APIRouter:
    """The route, of one server."""
    router = APIRouter(prefix="/page", route_class=frame.route())
    service = frame.service

    @router.get("/live/{client}/{campaign}/{task}")
    def now(
        http: Request, client: str, campaign: str, task: str, outcome: str = "", days: str = ""
    ) -> Response:
        """What `repertoire live` and `repertoire canary status` say."""
        caller = caller_of(http.scope)
        name, versions = versions_of(service, caller, f"{client}/{campaign}/{task}")
        caller.need(Scope.operate)
        outcomes = KINDS.get(versions[-1].record.task or "", KINDS["recommendation"])
        outcome = outcome if outcome in outcomes else outcomes[0]
        days = days if days in _DAYS else ""
        log = frame.looping.loop().log
        canary = running(log, name)
        found = live(log, name, outcome, log.now() - float(days) * _DAY if days else 0.0, canary=canary)
        production = service.registry.hub.aliases(name).get(PRODUCTION)
        return frame.page(
            http,
            "live.html",
            at="adapters",
            name=name,
            outcome=outcome,
            outcomes=outcomes,
            days=days,
            choices=_DAYS,
            found=found,
            parts=[("Versions", _drawn(found.versions)), ("Days", _drawn(found.days))],
            alarms=[each for each in (found.sample_ratio, *found.drift) if each],
            compared=canary and compare(log, canary, production),
        )

    return router


def _drawn(figures: Sequence[LiveFigures]) -> list[tuple[LiveFigures, Track]]:
    """Figures, each with its rate on one scale for all."""
    rows = [(each.of, each.rate.value, (each.rate.low, each.rate.high), False) for each in figures]
    return list(zip(figures, on_one_scale(rows), strict=True))
