"""Moving an alias, and rolling it back: what will change is shown first, and a reason is asked for."""

from functools import partial

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from adapters.errors import RequestError
from hub.catalogue import aliases, resolving
from hub.catalogue.version import Version
from hub.errors import Moved
from hub.server.caller import Caller
from hub.server.keys import Scope
from hub.server.pages.frame import Frame, see_other
from hub.server.pages.listing import standing
from hub.server.pages.showing import number_in, version_at, versions_of
from hub.server.service import caller_of
from hub.storage.names import LATEST, check_alias
from recipes.judge import Report, heading, number, shown

_REASON = 500  # characters


def moving(frame: Frame) -> APIRouter:
    """The routes, of one server."""
    router = APIRouter(prefix="/page", route_class=frame.route())
    hub = frame.service.registry.hub

    @router.get("/move/{client}/{campaign}/{task}")
    def move(
        http: Request, client: str, campaign: str, task: str, alias: str = "production", to: str = ""
    ) -> Response:
        """What pointing an alias at a version will change."""
        name, versions = _mine(http, f"{client}/{campaign}/{task}")
        after = version_at(frame.service, versions, name, _version(to))
        return _preview(http, name, _alias(alias), versions, after, "move")

    @router.post("/move/{client}/{campaign}/{task}")
    async def moved(http: Request, client: str, campaign: str, task: str) -> Response:
        """Point the alias there."""
        return await _sent(http, f"{client}/{campaign}/{task}", is_back=False)

    @router.get("/rollback/{client}/{campaign}/{task}")
    def roll_back(
        http: Request, client: str, campaign: str, task: str, alias: str = "production"
    ) -> Response:
        """What rolling an alias back will change."""
        name, versions = _mine(http, f"{client}/{campaign}/{task}")
        back = _back(name, _alias(alias))
        after = None if back is None else version_at(frame.service, versions, name, back)
        return _preview(http, name, alias, versions, after, "rollback")

    @router.post("/rollback/{client}/{campaign}/{task}")
    async def rolled_back(http: Request, client: str, campaign: str, task: str) -> Response:
        """Let the alias mean again what it meant before."""
        return await _sent(http, f"{client}/{campaign}/{task}", is_back=True)

    def _mine(http: Request, name: str) -> tuple[str, tuple[Version, ...]]:
        caller = caller_of(http.scope)
        found = versions_of(frame.service, caller, name)
        caller.need(Scope.operate)
        return found

    def _back(name: str, alias: str) -> int | None:
        return aliases.brings_back(hub.store, name, alias, partial(resolving.stands, hub.store, name))

    def _preview(
        http: Request,
        name: str,
        alias: str,
        versions: tuple[Version, ...],
        after: Version | None,
        action: str,
    ) -> Response:
        meant = hub.aliases(name).get(alias)
        before = None if meant is None else version_at(frame.service, versions, name, meant)
        return frame.page(
            http,
            "move.html",
            at="adapters",
            name=name,
            alias=alias,
            action=action,
            before=before and (before, standing(before)),
            after=after and (after, standing(after)),
            metrics=_metrics(before, after),
        )

    async def _sent(http: Request, name: str, is_back: bool) -> Response:
        form = await frame.form(http)
        return await run_in_threadpool(_do, http, name, form, is_back)

    def _do(http: Request, name: str, form: FormData, is_back: bool) -> Response:
        name, versions = _mine(http, name)
        alias, why = _alias(form.get("alias")), _text(form.get("why"))
        expect = number_in(form.get("expect")) or 0
        to = version_at(frame.service, versions, name, _version(form.get("to"))).number
        if not why:
            raise RequestError("say why the alias moves: the hub keeps it")
        who = _who(caller_of(http.scope))
        if is_back:
            if _back(name, alias) != to:
                raise Moved(f"{alias} would go back to another version now; look again. Nothing was changed")
            hub.rollback(name, alias, why=why, who=who, expect=expect)
        else:
            hub.set_alias(name, alias, to, why=why, who=who, expect=expect)
        return see_other(f"/page/adapters/{name}?v={to}")

    return router


def _metrics(before: Version | None, after: Version | None) -> list[tuple[str, str, str]]:
    """Heading, and the value of what is served before and afterwards."""
    old, new = (
        ((each and Report.read(each.record.metrics)) or Report()).served.after for each in (before, after)
    )
    return [
        (heading(name), number(name, old.get(name)), number(name, new.get(name))) for name in shown(old, new)
    ]


def _version(text: object) -> int:
    found = number_in(text)
    if not found:
        raise RequestError("say which version, by its number")
    return found


def _alias(text: object) -> str:
    """An alias that can be moved. Raises BadName, RequestError."""
    given = text.strip() if isinstance(text, str) else ""
    if given == LATEST:
        raise RequestError("latest is always the newest version; no one moves it")
    check_alias(given)
    return given


def _text(text: object) -> str:
    return text.strip()[:_REASON] if isinstance(text, str) else ""


def _who(caller: Caller) -> str | None:
    """As the hub's log names whoever moves an alias; the user of this process where there is no key."""
    return None if caller.key is None else f"{caller.client} (key {caller.key.id})"
