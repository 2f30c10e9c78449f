"""One adapter: how good a version is and how sure that is, what it is made of, who serves it; two versions beside each
other; what its aliases meant."""

from dataclasses import dataclass
from typing import Any

import yaml
from fastapi import APIRouter, Request, Response

from hub.catalogue.trust import unproved
from hub.catalogue.version import Version
from hub.errors import NotInHub
from hub.intake.servable import TOOLS
from hub.server.caller import Caller
from hub.server.pages.frame import Frame
from hub.server.pages.listing import PRODUCTION, standing
from hub.server.pages.pictures import Line, Track, at_step, calibration_line, course, tracks
from hub.server.service import Service, caller_of
from hub.storage.names import check_name
from recipes.judge import (
    Gates,
    Report,
    columns,
    gates_said,
    heading,
    own_row,
    plain,
    side_by_side,
    verdict,
    verdicts_of,
    weakest_first,
)

_VERSIONS, _EVENTS, _MODULES = 50, 40, 12


@dataclass(frozen=True)
class Course:
    """How a training went. best: where the step lies whose weights were kept."""

    title: str
    line: Line
    best: float | None
    first: int
    last: int


def showing(frame: Frame) -> APIRouter:
    """The routes, of one server."""
    router = APIRouter(prefix="/page", route_class=frame.route())
    service = frame.service

    @router.get("/adapters/{client}/{campaign}/{task}")
    def adapter(http: Request, client: str, campaign: str, task: str, v: str = "") -> Response:
        """One version of an adapter, and what there is beside it."""
        caller, hub = caller_of(http.scope), service.registry.hub
        name, versions = versions_of(service, caller, f"{client}/{campaign}/{task}")
        aliases = hub.aliases(name)
        chosen = number_in(v) or aliases.get(PRODUCTION) or versions[-1].number
        version = version_at(service, versions, name, chosen)
        record = version.record
        report, gates = Report.read(record.metrics), Gates.read(record.gates)
        following = [each for each in service.following(caller) if each.reference.partition("@")[0] == name]
        return frame.page(
            http,
            "adapter.html",
            at="adapters",
            name=name,
            version=version,
            record=record,
            versions=[(each, standing(each)) for each in reversed(versions)],
            aliases=aliases,
            following=following,
            verdict=report and verdict(report),
            gates=gates,
            verdicts=verdicts_of(gates),
            gates_said=gates_said(report or Report(), record.recipe),
            unproved=unproved(record),
            recipe=yaml.safe_dump(record.recipe or {}, sort_keys=False, allow_unicode=True),
            profile=record.profile,
            signatures=hub.signatures(version),
            tools=_tools(record.servable_by),
            history=list(reversed(hub.history(name, limit=_EVENTS))),
            **_measured(report),
        )

    @router.get("/diff/{client}/{campaign}/{task}")
    def diff(http: Request, client: str, campaign: str, task: str, a: str = "", b: str = "") -> Response:
        """Two versions beside each other."""
        caller, hub = caller_of(http.scope), service.registry.hub
        name, versions = versions_of(service, caller, f"{client}/{campaign}/{task}")
        one = number_in(a) or versions[0].number
        other = number_in(b) or versions[-1].number
        for each in (one, other):
            version_at(service, versions, name, each)
        found = hub.diff(f"{name}@{one}", f"{name}@{other}")
        modules = sorted(found.weights.modules, key=lambda each: -(each.difference or 0.0))
        return frame.page(
            http,
            "diff.html",
            at="adapters",
            name=name,
            numbers=[each.number for each in versions],
            a=one,
            b=other,
            found=found,
            metrics=[(heading(each.key), each) for each in found.metrics],
            modules=modules[:_MODULES],
            left_out=max(0, len(modules) - _MODULES),
        )

    return router


def versions_of(service: Service, caller: Caller, name: str) -> tuple[str, tuple[Version, ...]]:
    """A name and its newest versions, the oldest first. Raises BadName, and NotInHub in one form for what is not there
    and for what the caller does not see."""
    if not caller.sees(check_name(name)):
        raise service.unknown(caller, name)
    try:
        found = service.registry.hub.versions(name, limit=_VERSIONS)
    except NotInHub:
        found = ()
    if not found:
        raise service.unknown(caller, name)
    return name, found


def version_at(service: Service, versions: tuple[Version, ...], name: str, number: int) -> Version:
    """A version by its number. Raises NotInHub."""
    known = next((each for each in versions if each.number == number), None)
    return known or service.registry.hub.resolve(f"{name}@{number}")


def number_in(text: object) -> int | None:
    """The number of a version, as a form sends it."""
    return (
        int(text)
        if isinstance(text, str) and text.isdecimal() and text.isascii() and len(text) < 10
        else None
    )


def _measured(report: Report | None) -> dict[str, Any]:
    """What a report says, as tables and pictures."""
    report = report or Report()
    names = columns(report)
    pictures: list[tuple[str, list[Track]]] = [(name, tracks(report, name)) for name in names]
    first = report.metric
    pictures.sort(key=lambda pair: pair[0] != first)
    calibration = report.calibration
    return {
        "report": report,
        "metrics": [heading(name) for name in names],
        "table": side_by_side(report),
        "own": own_row(report),
        "pictures_of": [(heading(name), name, found) for name, found in pictures if found],
        "courses": _courses(report),
        "calibration": calibration,
        "curve": calibration_line([(each.predicted, each.observed) for each in calibration.curve])
        if calibration
        else [],
        "labels": weakest_first(report.served.after.labels or ()),
    }


def _courses(report: Report) -> list[Course]:
    lines = [("loss", [(float(each.step), each.loss) for each in report.history])]
    if report.metric is not None:
        metric = report.metric
        values = [(float(each.step), each.numbers.get(metric, float("nan"))) for each in report.history]
        lines.append((plain(metric), values))
    return [
        Course(title, line, at_step(points, report.best_step), int(points[0][0]), int(points[-1][0]))
        for title, points in lines
        if (line := course(points)) is not None
    ]


def _tools(compatible: dict[str, Any] | None) -> list[tuple[str, bool, list[str]]]:
    """Tool, whether it serves the version, and what is to be known or stands against it."""
    return [
        (called, bool(told["served"]), list(told["notes"] if told["served"] else told["why_not"]))
        for tool, called in TOOLS.items()
        if (told := (compatible or {}).get(tool))
    ]
