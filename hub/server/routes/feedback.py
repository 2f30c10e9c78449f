"""The loop by HTTP: what users did, and which ads to show now."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, BackgroundTasks, Request
from pydantic import ValidationError

from hub.errors import BadFeedback
from hub.feedback.taking import Taken
from hub.placement.placer import check_offers
from hub.registry.explaining import Explaining
from hub.server.bounds import OutOfBounds
from hub.server.caller import Caller
from hub.server.failing import shape_error
from hub.server.looping import Asking, Looping
from hub.server.noted import Noted
from hub.server.wire.body import ERRORS, StrictRoute, Usage
from hub.server.wire.feedback import (
    EVENT,
    ExplainBody,
    ExplainReply,
    FeedbackBody,
    FeedbackReply,
    PlaceBody,
    PlaceReply,
    TakenReply,
    placed,
)
from hub.server.wire.tasks import reasons

_MOST = 1000  # events of one call


def feedback(looping: Looping) -> APIRouter:
    """The routes, of one server."""
    router = APIRouter(prefix="/v1", tags=["feedback"], route_class=StrictRoute, responses=ERRORS)

    @router.post("/feedback")
    async def tell(http: Request, body: FeedbackBody) -> FeedbackReply:
        """Tell what users did; on the disk when this is answered. Late, out of order and again are all well: told
        again, it changes nothing. Of `events` each that is refused says why, and the others are taken."""
        given = body.given()
        if len(given) > _MOST:
            raise OutOfBounds(f"{len(given)} events; send at most {_MOST} in one call")
        async with looping.service.work(http) as caller:
            noted = Noted.of(http.scope)
            noted.call, noted.client = "feedback", caller.client
            found = await looping.at_log(_take, looping, given, _names(caller))
        if body.events is None and found[0].status == "refused":
            raise BadFeedback([found[0].why])
        counts = {
            status: sum(each.status == status for each in found) for status in ("taken", "known", "refused")
        }
        return FeedbackReply(
            events=[TakenReply(status=each.status, why=each.why) for each in found], **counts
        )

    @router.post("/place")
    async def place(http: Request, body: PlaceBody, after: BackgroundTasks) -> PlaceReply:
        """Choose which ads to show now: the adapter's probabilities beside the clicks so far. `feedback` on the
        impression that comes back is what the next choice learns from."""
        offers = body.offers()
        check_offers(offers, body.k, body.shares)
        placer = await looping.at_log(looping.placer, body.policy, body.outcome)
        seen = replace(body.seen(), top=body.k)
        seen.check()
        request = body.request(offers)
        told = await looping.one(http, Asking(request, seen, log=False), after)
        answered = told.answered
        found = await looping.at_log(
            placer.chosen, answered.pending, answered.result, offers, told.seen, body.shares
        )
        if found:
            await looping.shadow(request, told.seen, after)
        return PlaceReply(
            placed=placed(found),
            impression=found.impression,
            usage=Usage.of(answered.read, answered.written),
            system_fingerprint=answered.fingerprint,
        )

    @router.post("/explain")
    async def explain(http: Request, body: ExplainBody) -> ExplainReply:
        """Which field or phrase moved a probability: the model's reason, not the customer's."""
        request = body.request()
        looping.service.bounds.check(request)
        asked = Explaining(request)
        answered = await looping.service.one(http, asked.request())
        result: Any = answered.result
        (found,) = asked.read(result)
        return ExplainReply(
            **reasons(found),
            usage=Usage.of(answered.read, answered.written),
            system_fingerprint=answered.fingerprint,
        )

    return router


def _names(caller: Caller) -> tuple[str, ...] | None:
    """Under which names a caller's impressions lie; None for all."""
    key = caller.key
    return None if key is None or caller.all_clients else (key.client, *key.shared)


def _take(looping: Looping, given: list[Any], names: tuple[str, ...] | None) -> list[Taken]:
    """What becomes of events, each in its shape or not."""
    read: list[Any] = []
    for each in given:
        try:
            read.append(EVENT.validate_python(each).outcome(names))
        except ValidationError as error:
            read.append(Taken("refused", shape_error(error.errors(include_url=False))["message"]))
    sound = [each for each in read if not isinstance(each, Taken)]
    found = iter(looping.loop().feedback_all(sound))
    return [each if isinstance(each, Taken) else next(found) for each in read]
