"""The list of adapters: what a key sees of a hub, searched and filtered, with who answers in production."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from hub.catalogue.records import Record
from hub.catalogue.search import Found
from hub.catalogue.version import Version
from hub.errors import BadSearch, HubError
from hub.server.caller import Caller
from hub.server.failing import told
from hub.server.pages.frame import Frame
from hub.server.pages.pictures import Line, sparkline
from hub.server.service import Service, caller_of
from hub.storage.names import LATEST
from recipes.judge import Gates, Report, Verdict, heading, number, shown, verdict

PRODUCTION = "production"
FILTERS = ("client", "campaign", "task", "method", "base", "alias")
_A_PAGE = 40


@dataclass(frozen=True)
class Standing:
    """What the record of a version says of how good it is.

    metric: the one that is watched, as it is shown; heading: its name. gates: `passed`, `failed`, or nothing where
    there are none. verdict: beside the baselines.
    """

    metric: str = ""
    heading: str = ""
    value: str = ""
    gates: str = ""
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Row:
    """One adapter of the list. course: the watched metric of its versions. production: the version that answers there,
    where the alias is set. behind: what should answer and why it does not. faults: why its record cannot be read."""

    newest: Found
    standing: Standing
    versions: int
    course: Line | None
    production: int | None
    aliases: Sequence[tuple[str, int]]
    behind: Sequence[str]
    faults: Sequence[str]


def listing(frame: Frame) -> APIRouter:
    """The route, of one server."""
    router = APIRouter(prefix="/page", route_class=frame.route())
    known: dict[tuple[str, str], str] = {}

    @router.get("/adapters")
    def adapters(http: Request, page: int = 1) -> Response:
        """All that the key sees, or what fits of it."""
        caller, asked = caller_of(http.scope), _asked(http)
        everything = _visible(frame.service, caller)
        matching = _matching(frame.service, caller, asked, known)
        last = max(1, -(-len(matching) // _A_PAGE))
        page = min(max(1, page), last)
        part = matching[(page - 1) * _A_PAGE : page * _A_PAGE]
        query = urlencode({name: value for name, value in asked.items() if value})
        return frame.page(
            http,
            "adapters.html",
            at="adapters",
            asked=asked,
            choices=_choices(everything),
            rows=list(_rows(frame.service, caller, part, everything)),
            found=len(matching),
            total=len({each.name for each in everything}),
            page=page,
            last=last,
            query=query,
        )

    return router


def standing(version: Version) -> Standing:
    """How good a version is, as far as its record says."""
    record = version.record
    report, gates = Report.read(record.metrics), _gates(record)
    if report is None:
        return Standing(gates=gates)
    served = report.served.after
    known = shown(served)
    metric = report.metric if report.metric in known else next(iter(known), None)
    if metric is None:
        return Standing(gates=gates, verdict=verdict(report))
    return Standing(metric, heading(metric), number(metric, served.get(metric)), gates, verdict(report))


def _gates(record: Record) -> str:
    found = Gates.read(record.gates)
    return "" if found is None else "passed" if found.passed else "failed"


def _asked(http: Request) -> dict[str, str]:
    return {
        name: http.query_params.get(name, "").strip()[:200] for name in ("text", "metric", "gates", *FILTERS)
    }


def _visible(service: Service, caller: Caller) -> list[Found]:
    """All versions of the adapters that the caller sees."""
    return [each for each in service.registry.hub.search(all_versions=True) if caller.sees(each.name)]


def _matching(
    service: Service, caller: Caller, asked: Mapping[str, str], known: dict[tuple[str, str], str]
) -> list[Found]:
    """The newest version of each adapter that fits; with an alias, the version that it means."""
    filters: dict[str, Any] = {name: asked[name] for name in (*FILTERS, "metric") if asked[name]}
    try:
        found = service.registry.hub.search(asked["text"], **filters)
    except BadSearch:
        # One answer for a condition that cannot be read and for a metric that only others have.
        return []
    visible = [each for each in found if caller.sees(each.name)]
    if asked["gates"] not in ("passed", "failed"):
        return visible
    return [each for each in visible if _gates_of(service, known, each) == asked["gates"]]


def _gates_of(service: Service, known: dict[tuple[str, str], str], found: Found) -> str:
    """known: of versions, which never change, that were looked at before."""
    version = found.reference, found.digest
    if version not in known:
        try:
            known[version] = _gates(service.registry.hub.resolve(found.reference).record)
        except (HubError, OSError):
            return ""
    return known[version]


def _rows(
    service: Service, caller: Caller, part: Sequence[Found], everything: Sequence[Found]
) -> Iterator[Row]:
    behind = {each.reference: each.behind for each in service.following(caller) if each.behind}
    versions: dict[str, list[Found]] = defaultdict(list)
    for version in everything:
        versions[version.name].append(version)
    for each in part:
        own, found, faults = versions[each.name], Standing(), []
        try:
            found = standing(service.registry.hub.resolve(each.reference))
        except (HubError, OSError) as error:  # its record is damaged, or was removed just now
            faults = [told(error, service.registry.hub.storage.address)["message"]]
        values = [version.metrics[found.metric] for version in own if found.metric in version.metrics]
        aliases = [(alias, version.number) for version in own for alias in version.aliases if alias != LATEST]
        yield Row(
            each,
            found,
            len(own),
            sparkline(values),
            dict(aliases).get(PRODUCTION),
            sorted((alias, number) for alias, number in aliases if alias != PRODUCTION),
            [f"{name}: {why}" for name, why in behind.items() if name.partition("@")[0] == each.name],
            faults,
        )


def _choices(everything: Sequence[Found]) -> dict[str, list[str]]:
    """What there is to choose from in each filter."""
    names = [each.name.split("/") for each in everything]
    found: dict[str, set[str]] = {
        "client": {parts[0] for parts in names},
        "campaign": {parts[1] for parts in names},
        "task": {each.task for each in everything if each.task},
        "method": {each.method for each in everything},
        "base": {str(each.base["id"]) for each in everything if each.base.get("id")},
        "alias": {alias for each in everything for alias in each.aliases if alias != LATEST},
    }
    return {name: sorted(values) for name, values in found.items()}
