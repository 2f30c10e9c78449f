"""What all bodies share: strict JSON, and fields of it."""

import json
import math
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException


class Body(BaseModel):
    """A body whose fields are of their own types, never converted; unknown ones are left alone, as clients of other
    servers send many."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class Reply(BaseModel):
    """What is answered."""


class Usage(Reply):
    """Tokens. prompt_tokens: read, once for all texts; completion_tokens: written, also of texts that broke a rule."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0

    @classmethod
    def of(cls, read: int, written: int = 0) -> "Usage":
        """Of so many tokens read and written."""
        return cls(prompt_tokens=read, completion_tokens=written, total_tokens=read + written)


class ErrorBody(Reply):
    """Why there is no answer."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorReply(Reply):
    """Of every answer that is none."""

    error: ErrorBody


Model = Annotated[
    str,
    Field(
        description="A reference: client/campaign/task, or with @alias or @3.",
        examples=["acme/spring/ad-copy@production"],
    ),
]

Columns = dict[str, Any]
"""Columns of a text, an ad or a product."""


class StrictJson(Request):
    """A request whose body is JSON as its standard has it: no NaN, no infinities, no halves of numbers."""

    async def json(self) -> Any:
        """The body, read."""
        if not hasattr(self, "_json"):
            try:
                self._json = json.loads(await self.body(), parse_constant=_refuse, parse_float=_finite)
            except json.JSONDecodeError:
                raise
            except (ValueError, RecursionError) as error:
                raise json.JSONDecodeError(str(error)[:200], "", 0) from None
        return self._json


class StrictRoute(APIRoute):
    """A route that reads StrictJson, and takes it as nothing else."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As FastAPI calls it."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            if self.body_field is not None:
                _only_json(request)
            return await handler(StrictJson(request.scope, request.receive))

        return strict


def _only_json(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise HTTPException(415, "send JSON, and say so: Content-Type: application/json")
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise HTTPException(415, "send the body as it is, without Content-Encoding")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


def _finite(digits: str) -> float:
    """A number; one like 1e999 would be read as infinity."""
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits[:20])


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorReply, "description": told}
    for status, told in {
        400: "The body is wrong, or the adapter cannot answer it.",
        401: "No key, or none that counts.",
        403: "The key may not do this.",
        404: "No such adapter, for this key.",
        413: "The body is too large.",
        415: "The body is not sent as JSON.",
        422: "The adapter cannot be used, or no text keeps the rules.",
        429: "Too many requests; Retry-After says when.",
        503: "The server is shutting down; Retry-After says when.",
        504: "Not answered in time.",
    }.items()
}
