"""How a server fails: an error of Repertoire's, of the wire or of HTTP as a status and `{"error": {...}}`.

{"error": {"message": "...", "type": "invalid_request_error", "param": "n", "code": null}}
"""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from adapters.errors import (
    Busy,
    Cancelled,
    DeadlineExceeded,
    InternalError,
    RepertoireError,
    RequestError,
)
from hub.errors import BadFeedback, BadName, FeedbackError, Moved, NotInHub, Unreachable, Untrusted
from hub.registry.requests import RefusedText
from hub.registry.rules import Broken, NoneKept
from hub.server.bounds import OutOfBounds
from hub.server.caller import Forbidden

GONE = 499
"""The status of a request whose client went away before its answer: for the log alone."""

_log = logging.getLogger(__name__)
_LONG = 4000  # characters of a message
_AGAIN = 1  # seconds after which a busy server may be asked again
# Class -> status, type, code; the first that fits.
_KINDS: Sequence[tuple[type[Exception], int, str, str | None]] = (
    (BadName, 404, "invalid_request_error", "model_not_found"),
    (NotInHub, 404, "invalid_request_error", "model_not_found"),
    (Untrusted, 403, "permission_error", "untrusted"),
    (Forbidden, 403, "permission_error", "scope"),
    (Busy, 429, "rate_limit_error", "busy"),
    (Cancelled, 503, "server_error", "closing"),
    (DeadlineExceeded, 504, "server_error", "deadline"),
    (OutOfBounds, 400, "invalid_request_error", "too_large"),
    (NoneKept, 422, "invalid_request_error", "refused"),
    (Broken, 422, "invalid_request_error", "refused"),
    (RequestError, 400, "invalid_request_error", None),
    (Moved, 409, "invalid_request_error", "moved"),
    (Unreachable, 503, "server_error", "hub_unreachable"),
    (OSError, 503, "server_error", "hub_unreachable"),
    (FeedbackError, 503, "server_error", "feedback_unreachable"),
    (BadFeedback, 400, "invalid_request_error", "feedback_refused"),
    (InternalError, 500, "server_error", "internal"),
    (RepertoireError, 422, "invalid_request_error", "adapter_unusable"),
)


class Draining(Exception):
    """The server takes no new work; seconds: after which another one may be asked."""

    def __init__(self, seconds: float) -> None:
        super().__init__("this server is shutting down; ask again in a moment")
        self.seconds = seconds


class TooFast(Busy):
    """A key has used up its requests or tokens of this minute; seconds: until it has some again."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class SafeJSON(JSONResponse):
    """JSON that can always be sent: what UTF-8 does not have becomes a question mark."""

    def render(self, content: Any) -> bytes:
        """Bytes of a document."""
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )


def told(error: Exception, hidden: str = "") -> dict[str, Any]:
    """What stands below `error`. hidden: what no message shows, such as where the hub lies."""
    message = str(error) or type(error).__name__
    if isinstance(error, OSError):  # it names a file
        message = f"the hub cannot be read ({error.strerror or type(error).__name__}); ask again in a moment"
    if hidden:
        message = message.replace(hidden, "the hub")
    if len(message) > _LONG:  # it repeats what was sent
        message = message[:_LONG] + " ..."
    _, type_, code = _kind(error)
    found: dict[str, Any] = {"message": message, "type": type_, "param": None, "code": code}
    if isinstance(error, NoneKept):
        found["refused"] = [refused(each) for each in error.refused]
    elif isinstance(error, Broken):
        found["refused"] = [refused(RefusedText(error.text, error.reasons))]
    return found


def refused(text: RefusedText) -> dict[str, Any]:
    """A text that was written and not given, as JSON."""
    return {"text": text.text, "reasons": [str(reason) for reason in text.reasons]}


def status_of(error: Exception) -> int:
    """The HTTP status of an error."""
    return _kind(error)[0]


def response(
    status: int, message: str, type_: str, code: str | None = None, headers: Mapping[str, str] | None = None
) -> SafeJSON:
    """An error of the wire."""
    error = {"message": message, "type": type_, "param": None, "code": code}
    return SafeJSON({"error": error}, status, headers=dict(headers or {}))


def note_failure(error: Exception) -> None:
    """Log an error of which whoever asked is told less than whoever runs the server should know."""
    if status_of(error) == 500 or isinstance(error, OSError):
        _log.error("a request failed: %r", error)


def unexpected(error: Exception) -> str:
    """Log a mistake of Repertoire's own. Returns what is said of it."""
    _log.error("a mistake of Repertoire's own ended a request", exc_info=error)
    return "a mistake of Repertoire's own; the server's log tells more"


def add_handlers(app: FastAPI, hidden: str) -> None:
    """Let an app fail this way, whatever a route raises. hidden: as in `told`."""

    async def known(_: Request, error: Exception) -> SafeJSON:
        status = status_of(error)
        headers = {}
        if status in (429, 503):
            headers["retry-after"] = str(math.ceil(getattr(error, "seconds", _AGAIN)))
        note_failure(error)
        return SafeJSON({"error": told(error, hidden)}, status, headers=headers)

    async def draining(_: Request, error: Exception) -> SafeJSON:
        assert isinstance(error, Draining)
        headers = {"retry-after": str(math.ceil(error.seconds)), "connection": "close"}
        return response(503, str(error), "server_error", "draining", headers)

    async def wrong(_: Request, error: Exception) -> SafeJSON:
        assert isinstance(error, RequestValidationError)
        return SafeJSON({"error": shape_error(error.errors())}, 400)

    async def http(_: Request, error: Exception) -> SafeJSON:
        assert isinstance(error, HTTPException)
        said = {404: "there is no such route", 405: "this route does not know that method"}
        message = said.get(error.status_code, str(error.detail))
        return response(error.status_code, message, "invalid_request_error", None, error.headers)

    async def gone(_: Request, error: Exception) -> Response:
        return Response(status_code=GONE)

    async def mistake(_: Request, error: Exception) -> SafeJSON:
        return response(500, unexpected(error), "server_error", "internal")

    app.add_exception_handler(RepertoireError, known)
    app.add_exception_handler(OSError, known)
    app.add_exception_handler(Draining, draining)
    app.add_exception_handler(RequestValidationError, wrong)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, mistake)


def shape_error(errors: Sequence[Any]) -> dict[str, Any]:
    """What is wrong with a body that is no JSON, or not of the shape that the route takes, of pydantic's errors; what
    was sent is not repeated."""
    places: dict[str, str] = {}
    for each in errors:
        if each["type"] == "json_invalid":
            why = each.get("ctx", {}).get("error", each["msg"])
            places.setdefault("", f"the body is no JSON: {why}, at character {each['loc'][-1]}")
            continue
        where = ".".join(str(step) for step in each["loc"] if step not in ("body", "query", "path"))
        places.setdefault(where[:200], each["msg"])
    said = "; ".join(
        f"{where}: {message}" if where else message for where, message in list(places.items())[:5]
    )
    first = next(iter(places), "") or None
    return {"message": said[:2000], "type": "invalid_request_error", "param": first, "code": None}


def _kind(error: Exception) -> tuple[int, str, str | None]:
    return next(
        ((status, type_, code) for kind, status, type_, code in _KINDS if isinstance(error, kind)),
        (500, "server_error", "internal"),
    )
