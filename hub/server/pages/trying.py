"""Trying an adapter: the form follows the task, the answers stand below it, and texts stream in while they are written.

POST /page/try/acme/spring/ad-copy       all answers, as a page
POST /page/write/acme/spring/ad-copy     data: {"index": 0, "text": "Trail sh", "width": "8 / 30", "over": false}
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTasks
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from adapters.errors import RepertoireError, RequestError
from hub.catalogue.version import Version
from hub.feedback.recording import Seen
from hub.registry.requests import Analyze, Recommend, Write
from hub.registry.requests import Request as Asked
from hub.registry.rules import Broken
from hub.server.events import EventStream, event, merged
from hub.server.failing import Draining
from hub.server.looping import Asking, Told
from hub.server.pages.frame import Frame
from hub.server.pages.listing import PRODUCTION
from hub.server.pages.showing import number_in, version_at, versions_of
from hub.server.service import caller_of
from recipes.measure import Limit, width
from recipes.tasks import task_for

_LINES = {"recommend": ("ad", "text"), "analyze": ("text",), "write": ()}
_COUNTS = {"n": (1, 50), "max_chars": (1, 10_000), "max_new_tokens": (1, 4096), "seed": (0, 2**31)}


@dataclass(frozen=True)
class Form:
    """What an adapter is asked.

    call: `recommend`, `analyze` or `write`. lines: the column of which each line is one; empty for `write`. columns:
    the others. limits, max_chars: of a text, by the adapter's recipe; a request may say another `max_chars`.
    """

    call: str
    lines: str
    columns: tuple[str, ...]
    limits: tuple[Limit, ...]
    max_chars: int | None


def trying(frame: Frame) -> APIRouter:
    """The routes, of one server."""
    router = APIRouter(prefix="/page", route_class=frame.route())
    service = frame.service

    @router.get("/try/{client}/{campaign}/{task}")
    def ask(http: Request, client: str, campaign: str, task: str, v: str = "") -> Response:
        """The form."""
        name, versions = versions_of(service, caller_of(http.scope), f"{client}/{campaign}/{task}")
        meant = service.registry.hub.aliases(name).get(PRODUCTION)
        chosen = version_at(service, versions, name, number_in(v) or meant or versions[-1].number)
        return _page(http, name, versions, {"v": str(chosen.number)}, _form_of(name, chosen), ())

    @router.post("/try/{client}/{campaign}/{task}")
    async def answer(http: Request, client: str, campaign: str, task: str) -> Response:
        """The form, with its answers."""
        given = await frame.form(http)
        name, versions, form, asked = await run_in_threadpool(
            _read, http, f"{client}/{campaign}/{task}", given
        )
        answers = []
        if not isinstance(asked, RepertoireError):
            why = form.call == "recommend" and bool(given.get("explain"))
            own = [Asking(each, Seen(), log=False, explain=why) for each in asked]
            found = await frame.looping.many(http, own, BackgroundTasks())
            answers = list(zip(asked, map(_answer, found), strict=True))
        fault = str(asked) if isinstance(asked, RepertoireError) else ""
        return await run_in_threadpool(_page, http, name, versions, _texts(given), form, answers, fault)

    @router.post("/write/{client}/{campaign}/{task}")
    async def write(http: Request, client: str, campaign: str, task: str) -> Response:
        """Texts as they are written."""
        held = AsyncExitStack()
        try:
            given = await frame.form(http)
            _, _, form, asked = await run_in_threadpool(_read, http, f"{client}/{campaign}/{task}", given)
            if isinstance(asked, RepertoireError):
                raise asked
            (request,) = asked
            assert isinstance(request, Write)
            streams = await held.enter_async_context(service.streams(http, request))
            pieces = merged(streams)
            held.push_async_callback(pieces.aclose)
        except (RepertoireError, Draining) as error:
            await held.aclose()
            return Response(event({"fault": service.hide(str(error))}), media_type="text/event-stream")
        except BaseException:
            await held.aclose()
            raise
        limits = _limits(form, request)
        return EventStream(_events(pieces, len(streams), limits), held, service.bounds.stalled)

    async def _events(
        pieces: AsyncIterator[Any], count: int, limits: Sequence[Limit]
    ) -> AsyncIterator[bytes]:
        texts = [""] * count
        async for index, piece in pieces:
            told: dict[str, Any] = {"index": index}
            if isinstance(piece, str):
                texts[index] += piece
            elif isinstance(piece, Broken):
                texts[index] = piece.text
                told |= {"reasons": [str(reason) for reason in piece.reasons], "done": True}
            elif piece is None:
                told["done"] = True
            else:
                yield event({"fault": service.hide(str(piece))})
                return
            yield event({**told, "text": texts[index], **measured(texts[index], limits)})

    def _read(
        http: Request, name: str, given: FormData
    ) -> tuple[str, tuple[Version, ...], Form, list[Asked] | RepertoireError]:
        """What is asked, of one version or of two; the error where it is not to be asked so."""
        name, versions = versions_of(service, caller_of(http.scope), name)
        first = version_at(service, versions, name, number_in(given.get("v")) or versions[-1].number)
        form = _form_of(name, first)
        numbers = [first.number]
        if form.call != "write" and (other := number_in(given.get("other"))) and other != first.number:
            numbers.append(version_at(service, versions, name, other).number)
        try:
            return name, versions, form, [_request(form, f"{name}@{each}", _texts(given)) for each in numbers]
        except RequestError as error:
            return name, versions, form, error

    def _form_of(name: str, version: Version) -> Form:
        voice = service.registry.voice(f"{name}@{version.number}")
        task = task_for(voice.recipe.task)
        call = str(task.CALL)
        read = [role for role in voice.roles if role not in task.ROLES or task.ROLES[role].read]
        lines = next((each for each in _LINES[call] if each in read), next(iter(_LINES[call]), ""))
        if call == "write":
            read = read or ["product"]
        own = voice.recipe.write
        columns = tuple(each for each in read if each != lines)
        return Form(call, lines, columns, own.policy.rules().limits, own.max_chars)

    def _page(
        http: Request,
        name: str,
        versions: tuple[Version, ...],
        given: Mapping[str, str],
        form: Form,
        answers: Sequence[Any],
        fault: str = "",
    ) -> Response:
        limits = _limits(form, answers[0][0]) if answers and form.call == "write" else ()
        return frame.page(
            http,
            "try.html",
            at="adapters",
            name=name,
            numbers=[each.number for each in reversed(versions)],
            given=defaultdict(str, given),
            form=form,
            most=form.max_chars or min((each.most for each in form.limits), default=None),
            answers=answers,
            measured=lambda text: measured(text, limits),
            fault=fault,
        )

    def _answer(found: Told | RepertoireError) -> dict[str, Any]:
        if isinstance(found, RepertoireError):
            return {"fault": service.hide(str(found)), "result": ()}
        return {"fault": "", "result": found.answered.result}

    return router


def measured(text: str, limits: Sequence[Limit]) -> dict[str, Any]:
    """How wide a text is, against the limit that it comes nearest to."""
    if not limits:
        return {"width": str(len(text)), "over": False}
    nearest = max(limits, key=lambda each: width(text, each.double) / each.most)
    found = width(text, nearest.double)
    return {"width": f"{found} / {nearest.most}", "over": found > nearest.most}


def _limits(form: Form, request: Any) -> tuple[Limit, ...]:
    most = form.max_chars if request.max_chars is None else request.max_chars
    return form.limits if most is None else (Limit(most), *form.limits)


def _request(form: Form, reference: str, given: Mapping[str, str]) -> Asked:
    """What a form asks. Raises RequestError for what it does not say."""
    cells = {name: given.get(f"column-{name}", "") for name in form.columns}
    if form.call == "write":
        counts = {name: _count(name, given.get(name, "")) for name in _COUNTS}
        counts = {name: value for name, value in counts.items() if value is not None}
        product = {name: cell for name, cell in cells.items() if cell.strip()}
        if not product:
            raise RequestError("say something of the product: fill in at least one of its columns")
        return Write(reference, product, temperature=_temperature(given.get("temperature", "")), **counts)  # type: ignore[arg-type]
    lines = [line.strip() for line in given.get("lines", "").splitlines() if line.strip()]
    if not lines:
        raise RequestError("there is no line to answer; write one or more")
    if form.call == "recommend":
        user = cells.pop("user", "")
        return Recommend(reference, user, lines, cells)
    return Analyze(reference, [{form.lines: line, **cells} for line in lines] if cells else lines)


def _count(name: str, text: str) -> int | None:
    least, most = _COUNTS[name]
    if not text.strip():
        return None
    found = int(text) if text.strip().isdecimal() and len(text) < 12 else -1
    if not least <= found <= most:
        raise RequestError(f"{name} is {text[:20]!r}; give a whole number from {least} to {most}")
    return found


def _temperature(text: str) -> float | None:
    try:
        found = float(text) if text.strip() else None
    except ValueError:
        found = -1.0
    if found is not None and not 0.0 <= found <= 5.0:
        raise RequestError(f"temperature is {text[:20]!r}; give a number from 0 to 5")
    return found


def _texts(given: FormData) -> dict[str, str]:
    return {name: value for name, value in given.items() if isinstance(value, str)}
