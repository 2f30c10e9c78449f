"""Scores, as other servers' clients ask for them: classification, reranking, embeddings."""

from time import time
from typing import Any

from fastapi import APIRouter, Request

from hub.server.failing import SafeJSON
from hub.server.noted import Noted
from hub.server.service import Service
from hub.server.wire.body import ERRORS, StrictRoute, Usage
from hub.server.wire.scoring import (
    ClassifyBody,
    ClassifyReply,
    EmbeddingsBody,
    EmbeddingsReply,
    RerankBody,
    RerankReply,
    classified,
    embedded,
    reranked,
)


def scoring(service: Service) -> APIRouter:
    """The routes, of one server."""
    router = APIRouter(tags=["scoring"], route_class=StrictRoute, responses=ERRORS)

    @router.post("/v1/classify")
    async def classify(http: Request, body: ClassifyBody) -> ClassifyReply:
        """Label texts, as vLLM answers it."""
        answered = await service.one(http, body.request())
        result: Any = answered.result
        return ClassifyReply(
            id=f"classify-{Noted.of(http.scope).id}",
            created=int(time()),
            model=body.model,
            data=classified(result),
            usage=Usage.of(answered.read, answered.written),
            system_fingerprint=answered.fingerprint,
        )

    @router.post("/v1/rerank")
    async def rerank_v1(http: Request, body: RerankBody) -> RerankReply:
        """Rank documents for a query, as Cohere's first API has it: ads for a user."""
        return await _rerank(http, body)

    @router.post("/v2/rerank")
    async def rerank_v2(http: Request, body: RerankBody) -> RerankReply:
        """Rank documents for a query, as Cohere's second API has it: ads for a user."""
        return await _rerank(http, body)

    @router.post("/v1/embeddings", response_model=EmbeddingsReply)
    async def embeddings(http: Request, body: EmbeddingsBody) -> SafeJSON:
        """Vectors of texts: the base's pooled states through an adapter, of length 1."""
        answered = await service.one(http, body.request())
        result: Any = answered.result
        data = embedded(result, body.encoding_format == "base64")
        return SafeJSON(
            EmbeddingsReply(
                model=body.model,
                data=data,
                usage=Usage.of(answered.read, answered.written),
                system_fingerprint=answered.fingerprint,
            ).model_dump()
        )

    async def _rerank(http: Request, body: RerankBody) -> RerankReply:
        answered = await service.one(http, body.request())
        result: Any = answered.result
        tokens = {"input_tokens": answered.read, "output_tokens": 0}
        meta = {"api_version": {"version": http.url.path[2]}, "tokens": tokens}
        return RerankReply(
            id=Noted.of(http.scope).id,
            results=reranked(body, result),
            meta=meta,
            system_fingerprint=answered.fingerprint,
        )

    return router
