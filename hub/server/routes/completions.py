"""OpenAI's completions, of a chat and of a text, whole or streamed."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from time import time
from typing import Any

from fastapi import APIRouter, Request, Response

from adapters.errors import RepertoireError, RequestError
from hub.registry.requests import Texts, TokenChance, Write
from hub.registry.rules import Broken
from hub.server.bounds import OutOfBounds
from hub.server.events import DONE, EventStream, event, merged
from hub.server.failing import refused, told
from hub.server.noted import Noted
from hub.server.service import Answered, Service, fingerprint, unless_gone
from hub.server.wire.body import ERRORS, StrictRoute, Usage
from hub.server.wire.chat import (
    ChatMessage,
    ChatReply,
    ChatRequest,
    Choice,
    Extras,
    TextChoice,
    TextReply,
    TextRequest,
    WriteBody,
    chat_logprobs,
    finish,
    text_logprobs,
)

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "The completion, or with stream its events."}
}


def completions(service: Service) -> APIRouter:
    """The routes, of one server."""
    router = APIRouter(prefix="/v1", tags=["completions"], route_class=StrictRoute)

    @router.post("/chat/completions", response_model=ChatReply, responses={**ERRORS, **_STREAM})
    async def chat_completions(http: Request, body: ChatRequest) -> Any:
        """Write texts for the product in the user's last message."""
        request, id = body.request(), f"chatcmpl-{Noted.of(http.scope).id}"
        head: dict[str, Any] = {"id": id, "created": int(time()), "model": body.model}
        if body.stream:
            return await _streamed(service, http, body, request, head, "chat.completion.chunk", _chat_delta)
        answered = await service.one(http, request)
        texts = _texts(answered)
        choices = [
            Choice(
                index=index,
                message=ChatMessage(content=text),
                finish_reason=finish(each),
                logprobs=None if request.logprobs is None else chat_logprobs(each.logprobs),
            )
            for index, (text, each) in enumerate(zip(texts, texts.told, strict=True))
        ]
        return ChatReply(**head, choices=choices, **_rest([answered], body.ignored()))

    @router.post("/completions", response_model=TextReply, responses={**ERRORS, **_STREAM})
    async def text_completions(http: Request, body: TextRequest) -> Any:
        """Write texts for each prompt, which is a product."""
        requests, id = body.requests(), f"cmpl-{Noted.of(http.scope).id}"
        head: dict[str, Any] = {"id": id, "created": int(time()), "model": body.model}
        if len(requests) * requests[0].drafts_asked > service.bounds.texts:
            raise OutOfBounds(
                f"{len(requests)} prompts; at most {service.bounds.texts} texts are written at once"
            )
        if body.stream and len(requests) > 1:
            raise RequestError("a stream has one prompt; send several without stream")
        if body.stream:
            return await _streamed(service, http, body, requests[0], head, "text_completion", _text_delta)
        found = await service.many(http, requests)
        for each in found:
            if isinstance(each, RepertoireError):
                raise each
        sound = [each for each in found if isinstance(each, Answered)]
        choices = [
            TextChoice(
                index=at * requests[0].n + index,
                text=text,
                finish_reason=finish(each),
                logprobs=None if requests[0].logprobs is None else text_logprobs(each.logprobs),
            )
            for at, answered in enumerate(sound)
            for index, (text, each) in enumerate(zip(_texts(answered), _texts(answered).told, strict=True))
        ]
        return TextReply(**head, choices=choices, **_rest(sound, []))

    return router


def _texts(answered: Answered) -> Texts:
    assert isinstance(answered.result, Texts)
    return answered.result


def _rest(answered: list[Answered], ignored: list[str]) -> dict[str, Any]:
    """What stands behind the choices."""
    texts = [_texts(each) for each in answered]
    read, written = (
        sum(getattr(each, name) for each in texts) for name in ("prompt_tokens", "completion_tokens")
    )
    extras = Extras(
        refused=[refused(each) for text in texts for each in text.refused],
        ignored=ignored,
        digest=answered[0].digests[0],
    )
    return {
        "usage": Usage.of(read, written),
        "system_fingerprint": answered[0].fingerprint,
        "repertoire": extras,
    }


Delta = Callable[[str, tuple[TokenChance, ...] | None, int, bool], dict[str, Any]]
"""What a chunk holds of a choice: of a text, its logprobs where asked for, characters before it, and whether it is the
first."""


def _chat_delta(
    text: str, logprobs: tuple[TokenChance, ...] | None, before: int, first: bool
) -> dict[str, Any]:
    role = {"role": "assistant"} if first else {}
    return {
        "delta": {**role, "content": text},
        "logprobs": None if logprobs is None else chat_logprobs(logprobs),
    }


def _text_delta(
    text: str, logprobs: tuple[TokenChance, ...] | None, before: int, first: bool
) -> dict[str, Any]:
    return {"text": text, "logprobs": None if logprobs is None else text_logprobs(logprobs, before)}


async def _streamed(
    service: Service,
    http: Request,
    body: WriteBody,
    request: Write,
    head: dict[str, Any],
    kind: str,
    delta: Delta,
) -> Response:
    """The texts of one request as events. What goes wrong before the first piece is an error as without a stream."""
    held = AsyncExitStack()
    try:
        streams = await held.enter_async_context(service.streams(http, request))
        pieces = merged(streams)
        held.push_async_callback(pieces.aclose)
        first = await unless_gone(http, anext(pieces))
        if isinstance(first[1], RepertoireError) and not isinstance(first[1], Broken):
            raise first[1]
    except BaseException:
        await held.aclose()
        raise
    noted = Noted.of(http.scope)
    noted.first = noted.seconds
    usage = body.stream_options is not None and bool(body.stream_options.include_usage)
    head = {**head, "object": kind, "system_fingerprint": fingerprint(streams[0].digest)}

    def chunk(index: int, reason: str | None, **rest: Any) -> bytes:
        tail = {"usage": None} if usage else {}
        refusals = rest.pop("repertoire", None)
        extras = {"repertoire": refusals} if refusals else {}
        return event(
            {**head, "choices": [{"index": index, "finish_reason": reason, **rest}], **extras, **tail}
        )

    async def events() -> AsyncIterator[bytes]:
        before = [0] * len(streams)
        begun: set[int] = set()
        wanted = request.logprobs is not None

        async def all_pieces() -> AsyncIterator[Any]:
            yield first
            async for each in pieces:
                yield each

        async for index, piece in all_pieces():
            if isinstance(piece, str):
                logprobs = getattr(piece, "logprobs", ()) if wanted else None
                yield chunk(index, None, **delta(piece, logprobs, before[index], index not in begun))
                before[index] += len(piece)
                begun.add(index)
                continue
            end = delta("", None, before[index], index not in begun)
            if "delta" in end:
                end["delta"].pop("content")
            if piece is None:
                ended = streams[index].told
                assert ended is not None, "a stream that has ended tells what it took"
                yield chunk(index, finish(ended), **end)
            elif isinstance(piece, Broken):
                why = {"refused": told(piece)["refused"], "message": str(piece)}
                yield chunk(index, "content_filter", **end, repertoire=why)
            else:
                yield event({"error": told(piece, service.registry.hub.storage.address)})
                return
        if usage:
            written = sum(each.told.tokens for each in streams if each.told)
            total = Usage.of(streams[0].prompt_tokens, written).model_dump()
            yield event({**head, "choices": [], "usage": total})
        yield DONE

    return EventStream(events(), held, service.bounds.stalled)
