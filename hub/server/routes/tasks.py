"""The tasks by their own names: recommend, analyze, write, and a batch of any of them."""

from typing import Any

from fastapi import APIRouter, BackgroundTasks, Request
from pydantic import ValidationError

from adapters.errors import RepertoireError
from hub.server.bounds import OutOfBounds
from hub.server.failing import shape_error, told
from hub.server.looping import Asking, Looping, Told
from hub.server.noted import Noted
from hub.server.wire.body import ERRORS, StrictRoute, Usage
from hub.server.wire.tasks import (
    ENTRY,
    AnalyzeBody,
    AnalyzeReply,
    BatchAnswer,
    BatchBody,
    BatchReply,
    RecommendBody,
    RecommendReply,
    WriteReply,
    WriteTexts,
    reply,
)


def tasks(looping: Looping) -> APIRouter:
    """The routes, of one server."""
    service = looping.service
    router = APIRouter(prefix="/v1", tags=["tasks"], route_class=StrictRoute, responses=ERRORS)

    @router.post("/recommend", response_model=RecommendReply)
    async def recommend(http: Request, body: RecommendBody, after: BackgroundTasks) -> Any:
        """Rank ads for a user, the most likely to be clicked first."""
        return await _one(http, body, after)

    @router.post("/analyze", response_model=AnalyzeReply)
    async def analyze(http: Request, body: AnalyzeBody, after: BackgroundTasks) -> Any:
        """Label texts, with the probability of every label."""
        return await _one(http, body, after)

    @router.post("/write", response_model=WriteReply)
    async def write(http: Request, body: WriteTexts, after: BackgroundTasks) -> Any:
        """Write texts for a product that keep the adapter's rules and those of the request."""
        return await _one(http, body, after)

    @router.post("/batch")
    async def batch(http: Request, body: BatchBody, after: BackgroundTasks) -> BatchReply:
        """Answer requests for any adapters and tasks in one mixed batch. What one gets wrong is its own error."""
        if len(body.requests) > service.bounds.batch:
            raise OutOfBounds(
                f"{len(body.requests)} requests; send at most {service.bounds.batch} in one batch"
            )
        Noted.of(http.scope).call = "batch"
        entries = [_entry(each) for each in body.requests]
        asked = [_asking(each) for each in entries if not isinstance(each, ValidationError)]
        found = iter(zip(asked, await looping.many(http, asked, after), strict=True))
        answers = []
        for each in entries:
            if isinstance(each, ValidationError):
                answers.append(BatchAnswer(error=shape_error(each.errors(include_url=False))))
                continue
            own, answer = next(found)
            if isinstance(answer, RepertoireError):
                answers.append(BatchAnswer(error=told(answer, service.registry.hub.storage.address)))
            else:
                answers.append(BatchAnswer(answer=_reply(own, answer)))
        return BatchReply(answers=answers)

    async def _one(
        http: Request, body: RecommendBody | AnalyzeBody | WriteTexts, after: BackgroundTasks
    ) -> Any:
        own = _asking(body)
        return _reply(own, await looping.one(http, own, after))

    return router


def _asking(body: RecommendBody | AnalyzeBody | WriteTexts) -> Asking:
    return Asking(body.request(), body.seen(), body.log, isinstance(body, RecommendBody) and body.explain)


def _reply(own: Asking, told: Told) -> Any:
    answered = told.answered
    return reply(
        own.request,
        answered.result,
        usage=Usage.of(answered.read, answered.written),
        system_fingerprint=answered.fingerprint,
        impression=told.impression,
    )


def _entry(given: Any) -> Any:
    try:
        return ENTRY.validate_python(given)
    except ValidationError as error:
        return error
