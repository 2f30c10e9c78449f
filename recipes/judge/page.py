"""A report as a page for people: one HTML file that needs nothing else, and its pictures as PNGs.

    my-adapter/                 the PEFT directory, which can be published
    my-adapter-report/
        report.html             pictures inside; opens anywhere, offline
        curves.png  calibration.png

The page shows rows of the client's data. So it lies beside the adapter's folder and not inside: a hub never takes it.
"""

import base64
import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from adapters import Adapter
from adapters.unseen import visible
from recipes.data.facts import DataFacts
from recipes.judge.info import AdapterInfo
from recipes.judge.report import Bin, Report, RowCounts, Validation
from recipes.judge.results import (
    columns,
    gain,
    heading,
    kept_line,
    number,
    own_row,
    plain,
    rank_line,
    side_by_side,
    weakest_first,
)
from recipes.judge.verdicts import verdict
from recipes.measure.intervals import share_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from recipes.judge.cases import Picked

PAGE = "report.html"
_INK = "#1b3a6b"  # dark enough for paper without colours


def folder_of(out: str | os.PathLike[str]) -> Path:
    """Where the page of an adapter's folder lies: `my-adapter` -> `my-adapter-report`."""
    path = Path(out).resolve()
    return path.with_name(f"{path.name}-report")


def write(adapter: Adapter, picked: "Picked", folder: Path, name: str = "") -> Path:
    """Write the page and its pictures; what lies there from an earlier training is replaced.

    Args:
        adapter: trained, with its report.
        picked: rows of the client's data to show.
        folder: of the page, which may be missing.
        name: what the adapter was trained as; of a single training that of its folder.

    Returns:
        The page.
    """
    pictures = {name: _png(figure) for name, figure in _figures(_report(adapter))}
    folder.mkdir(parents=True, exist_ok=True)
    for picture, data in pictures.items():
        (folder / f"{picture}.png").write_bytes(data)
    page = folder / PAGE
    page.write_text(render(adapter, picked, pictures, name), encoding="utf-8")
    return page


def render(adapter: Adapter, picked: "Picked", pictures: Mapping[str, bytes], name: str = "") -> str:
    """The page's HTML; everything that comes from data is escaped. pictures: name -> PNG; name: what it was trained as,
    such as `client/campaign/task`."""
    info, report = AdapterInfo.of(adapter.info), _report(adapter)
    first = verdict(report)
    return template("page.html.jinja").render(
        title=f"{name}: {adapter.task}" if name else f"{adapter.task} for {adapter.base.id}",
        verdict=first,
        mark={"better": "▲", "worse": "▼", "even": "◆"}[first.kind] if first else "",
        facts=_facts(adapter, info, report, name),
        gates=info.gates,
        metrics=[heading(name) for name in columns(report)],
        rows=side_by_side(report),
        labels=weakest_first(report.served.after.labels or ()),
        calibration=report.calibration,
        blend=report.blend,
        own=own_row(report),
        blend_gain=gain(report.blend.metric, report.blend.gain) if report.blend else "",
        groups=report.served.groups or {},
        picked=picked,
        notes=(info.data or DataFacts()).notes,
        recipe=yaml.safe_dump(info.recipe or {}, sort_keys=False, allow_unicode=True),
        pictures={name: base64.b64encode(data).decode() for name, data in pictures.items()},
        number=number,
        plain=plain,
    )


def style_sheet() -> str:
    """The style sheet of every page of ours."""
    return template("style.css.jinja").render()


def _report(adapter: Adapter) -> Report:
    return AdapterInfo.of(adapter.info).report or Report()


def template(name: str) -> Template:
    """A template of this package, in which whatever is put in is escaped."""
    environment = Environment(
        loader=PackageLoader("recipes.judge"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_visible,
    )
    return environment.get_template(name)


def _visible(value: Any) -> Any:
    """What is put in, with nothing that turns a line round; pieces of a template itself stay."""
    return visible(value) if type(value) is str else value


def _facts(adapter: Adapter, info: AdapterInfo, report: Report, name: str) -> dict[str, str]:
    rows, data = report.rows or RowCounts(), info.data or DataFacts()
    client = {"client": name.partition("/")[0]} if "/" in name else {}
    return {
        **client,
        **({"adapter": name} if name else {}),
        "base": adapter.base.id or "",
        "data": ", ".join(f"{file.name} ({file.rows:,} rows)" for file in data.files),
        "method": adapter.method.name,
        **({"ranks": rank_line(report.ranks)} if report.ranks else {}),
        "created": info.created or "",
        "rows": f"{rows.train:,} trained on, {rows.test:,} measured on; {kept_line(report) or ''}",
        "steps": f"{report.steps or 0:,}, {_kept_step(report)}; {report.seconds or 0.0:.0f} s",
    }


def _figures(report: Report) -> Iterator[tuple[str, "Figure"]]:
    if report.history and report.metric is not None:
        yield "curves", _curves(report.history, report.metric, report.best_step or 0)
    if report.calibration is not None:
        yield "calibration", _calibration(report.calibration.curve)


def _kept_step(report: Report) -> str:
    if report.kept == "start":
        return "kept as before the first one"
    return f"the best after {report.best_step or 0:,}"


def _curves(history: Sequence[Validation], metric: str, best: int) -> "Figure":
    """Training loss and the watched metric on the validation rows, by step."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    steps = [each.step for each in history]
    lines = {
        "loss, training": [each.loss for each in history],
        f"{plain(metric)}, validation": [each.numbers.get(metric, math.nan) for each in history],
    }
    for axes, (title, values) in zip(figure.subplots(1, 2), lines.items(), strict=True):
        axes.plot(steps, values, marker="o", markersize=3, color=_INK)
        axes.axvline(best, linestyle=":", color="grey", label="best step")
        axes.set(xlabel="step", title=title)
        axes.legend(frameon=False)
    return figure


def _calibration(curve: Sequence[Bin]) -> "Figure":
    """Observed share over mean probability in bins of equal mass, with its 95 % interval where rows were counted; on
    the diagonal probabilities are true."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    given, seen = [each.predicted for each in curve], [each.observed for each in curve]
    ends = [share_interval(each.observed, each.rows) for each in curve if each.rows]
    if len(ends) == len(curve):
        spans = [
            [max(0.0, own - low) for own, (low, _) in zip(seen, ends, strict=True)],
            [max(0.0, high - own) for own, (_, high) in zip(seen, ends, strict=True)],
        ]
        axes.errorbar(given, seen, yerr=spans, fmt="none", ecolor="grey", capsize=3, zorder=1)
    axes.plot(given, seen, marker="o", color=_INK)
    axes.set(xlabel="probability given", ylabel="share observed", xlim=(0, 1), ylim=(0, 1))
    return figure


def _png(figure: "Figure") -> bytes:
    made = io.BytesIO()
    figure.savefig(made, format="png", dpi=120)
    return made.getvalue()
