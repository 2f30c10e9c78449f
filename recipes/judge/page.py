"""A page for people: one HTML file that needs nothing else, and its pictures as PNGs.

    my-adapter/                 the PEFT directory, which can be published
    my-adapter-report/
        report.html             pictures inside; opens anywhere, offline
        curves.png  calibration.png

The page shows rows of the client's data. So it lies beside the adapter's folder and not inside: a hub never takes it.
"""

import base64
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from adapters import Adapter
from adapters.format import ranks_told
from recipes.judge.cases import Picked
from recipes.judge.report import ARROWS, BEFORE, between, gain, number, own_row, results, served
from recipes.tasks.task import all_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "report.html"


def folder_of(out: str | os.PathLike[str]) -> Path:
    """Where the page of an adapter's folder lies: `my-adapter` -> `my-adapter-report`."""
    path = Path(out).resolve()
    return path.with_name(f"{path.name}-report")


def write(adapter: Adapter, picked: Picked, folder: Path) -> Path:
    """Write the page and its pictures; what lies there from an earlier training is replaced. Returns the page."""
    report = adapter.info["report"]
    pictures = {name: _png(figure) for name, figure in _figures(report)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in pictures.items():
        (folder / f"{name}.png").write_bytes(data)
    page = folder / PAGE
    page.write_text(render(adapter, picked, pictures), encoding="utf-8")
    return page


def render(adapter: Adapter, picked: Picked, pictures: Mapping[str, bytes]) -> str:
    """The page's HTML; everything that comes from data is escaped. pictures: name -> PNG."""
    info = adapter.info
    report = info["report"]
    blend = report.get("blend")
    return template("report.html.jinja").render(
        title=f"{adapter.task} for {adapter.base.id}",
        facts=_facts(adapter),
        gates=info.get("gates"),
        metrics=[f"{name.replace('_', ' ')} {ARROWS[all_metrics()[name]]}" for name in _columns(report)],
        rows=_rows(report),
        labels=sorted(
            served(report)["after"].get("labels", ()), key=lambda entry: (entry["f1"], entry["label"])
        ),
        calibration=report.get("calibration"),
        blend=blend,
        own=own_row(report),
        blend_gain=gain(blend["metric"], blend["gain"]) if blend else "",
        groups=served(report).get("groups", {}),
        picked=picked,
        notes=info.get("data", {}).get("notes", ()),
        recipe=yaml.safe_dump(info.get("recipe", {}), sort_keys=False, allow_unicode=True),
        pictures={name: base64.b64encode(data).decode() for name, data in pictures.items()},
        number=number,
    )


def template(name: str) -> Template:
    """A template of this package, in which whatever is put in is escaped."""
    environment = Environment(
        loader=PackageLoader("recipes.judge"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(name)


def _facts(adapter: Adapter) -> dict[str, str]:
    report, rows = adapter.info["report"], adapter.info["report"]["rows"]
    return {
        "method": adapter.method.name,
        **({"ranks": ranks_told(report["ranks"])} if "ranks" in report else {}),
        "created": adapter.info.get("created", ""),
        "rows": f"{rows['train']:,} trained on, {rows['validation']:,} to choose the best step by "
        f"{report['metric'].replace('_', ' ')}, {rows['test']:,} measured on",
        "steps": f"{report['steps']:,}, the best after {report['best_step']:,}; {report['seconds']:.0f} s",
    }


def _columns(report: Mapping[str, Any]) -> list[str]:
    rows = results(report).values()
    return [name for name in all_metrics() if any(name in values for values in rows)]


def _rows(report: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """(row, cells): a cell is the value, and below it its interval, or what is served has above the row."""
    table, own = [], served(report)
    who = "blend" if "blended" in report else "adapter"
    for index, (row, values) in enumerate(results(report).items()):
        gains = own["gains"].get(BEFORE if index == 0 else row, {})
        cells = []
        for name in _columns(report):
            below = ""
            measured = next((each for each in (report, own) if values is each["after"]), None)
            if measured is not None and name in measured["intervals"]:
                below = between(name, measured["intervals"][name])
            elif name in gains:
                below = f"{who} {gain(name, gains[name])}"
            cells.append((number(name, values.get(name)), below))
        table.append((row, cells))
    return table


def _figures(report: Mapping[str, Any]) -> Iterator[tuple[str, "Figure"]]:
    if report["history"]:
        yield "curves", _curves(report["history"], report["metric"], report["best_step"])
    if report.get("calibration"):
        yield "calibration", _calibration(report["calibration"]["curve"])


def _curves(history: Sequence[Mapping[str, float]], metric: str, best: int) -> "Figure":
    """Training loss and the watched metric on the validation rows, by step."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    steps = [entry["step"] for entry in history]
    for axes, name, where in zip(
        figure.subplots(1, 2), ("loss", metric), ("training", "validation"), strict=True
    ):
        axes.plot(steps, [entry[name] for entry in history], marker="o", markersize=3)
        axes.axvline(best, linestyle=":", color="grey", label="best step")
        axes.set(xlabel="step", title=f"{name.replace('_', ' ')}, {where}")
        axes.legend(frameon=False)
    return figure


def _calibration(curve: Sequence[Mapping[str, float]]) -> "Figure":
    """Observed share over mean probability in bins of equal mass; on the diagonal probabilities are true."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    axes.plot([bin_["predicted"] for bin_ in curve], [bin_["observed"] for bin_ in curve], marker="o")
    axes.set(xlabel="probability given", ylabel="share observed", xlim=(0, 1), ylim=(0, 1))
    return figure


def _png(figure: "Figure") -> bytes:
    made = io.BytesIO()
    figure.savefig(made, format="png", dpi=120)
    return made.getvalue()
