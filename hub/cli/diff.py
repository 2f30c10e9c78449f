"""repertoire diff: what is different between two versions."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from hub.cli.completion import references
from hub.cli.options import DEFAULT_HUB, BaseToAsk, HubPath, Json, QuantizationToAsk, ReferenceName
from hub.cli.output import document, show

if TYPE_CHECKING:
    from hub.catalogue.diff import Change, Difference
    from hub.catalogue.distance import Distance
    from hub.registry.answers import Answered


def diff(
    a: ReferenceName,
    b: Annotated[str, typer.Argument(metavar="REFERENCE", help="The other one.", autocompletion=references)],
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="Also compare their answers to these: a text or product a line, or a JSON object of its columns."
        ),
    ] = None,
    base: BaseToAsk = None,
    quantization: QuantizationToAsk = None,
    modules: Annotated[int, typer.Option(min=0, help="So many modules, those that differ most.")] = 8,
    hub: HubPath = DEFAULT_HUB,
    as_json: Json = False,
) -> None:
    """What is different between two versions: recipe, data, metrics, gates, weights; with `--prompts`, what they
    answer. `--base` without prompts asks three of our own.

    Example: `repertoire diff acme/spring/ad-copy@production acme/spring/ad-copy@4 --prompts products.txt`
    """
    from hub.hub import Hub
    from hub.registry.answers import answers, read_prompts

    asked = None if prompts is None else read_prompts(prompts)
    found = Hub(hub, create=False).diff(a, b)
    answered = None
    if asked is not None or base is not None:
        from hub.cli.from_options import open_registry

        registry = open_registry(hub, found.a, base, quantization)
        answered = answers(registry, found.a, found.b, asked)
        registry.close()
    if as_json:
        document(
            found.to_dict() | {"answers": None if answered is None else [asdict(each) for each in answered]}
        )
        return
    show(*_drawn(found, answered, modules))


def _drawn(found: "Difference", answered: "Sequence[Answered] | None", modules: int) -> list[RenderableType]:
    """The tables for a person."""
    parts: list[RenderableType] = []
    if found.same:
        parts.append(f"{found.a} and {found.b} hold the same files, to the byte.")
    for section, changes in found.facts.items():
        parts.append(_side_by_side(section, found, changes))
    if found.metrics:
        parts.append(_side_by_side("metrics", found, found.metrics))
    weights = found.weights
    if weights.modules or weights.head:
        table = Table(title="weights", title_justify="left")
        for column in ("module", "norm in a", "norm in b", "difference / a", "cosine"):
            table.add_column(column, justify="left" if column == "module" else "right", no_wrap=True)
        farthest = sorted(weights.modules, key=_apart, reverse=True)[:modules]
        for each in [*filter(None, (weights.total, weights.head)), *farthest]:
            table.add_row(each.module, *(_number(v) for v in (each.a, each.b, each.difference, each.cosine)))
        if len(weights.modules) > len(farthest):
            table.caption = f"{len(weights.modules) - len(farthest)} modules differ less than these"
        parts.append(table)
    parts += [f"Not compared: {reason}." for reason in weights.incomparable]
    if answered is not None:
        table = Table("prompt", found.a, found.b, title="answers", title_justify="left", show_lines=True)
        for one in answered:
            table.add_row(*(_said(side) for side in (one.prompt, one.a, one.b)))
        parts.append(table)
    return parts


def _side_by_side(title: str, found: "Difference", changes: "Sequence[Change]") -> Table:
    table = Table("", found.a, found.b, title=title, title_justify="left")
    for change in changes:
        table.add_row(change.key, *(_shown(change.key, side) for side in (change.a, change.b)))
    return table


def _shown(key: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, Mapping):  # a metric, with its interval
        from recipes.judge import number

        low, high = (number(key, value[end]) for end in ("low", "high"))
        return number(key, value["value"]) + ("" if value["low"] is None else f" ({low} to {high})")
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _said(value: Any, most: int = 3) -> str:
    """A prompt, or an answer to it."""
    if isinstance(value, float):
        return f"{value:.3f}"
    if not isinstance(value, Mapping):
        return str(value)
    if not all(isinstance(item, float) for item in value.values()):
        return "; ".join(f"{key}: {item}" for key, item in value.items())
    ordered = sorted(value.items(), key=lambda pair: -pair[1])[:most]
    return ", ".join(f"{label} {share:.3f}" for label, share in ordered)


def _apart(distance: "Distance") -> float:
    return float("inf") if distance.difference is None else distance.difference


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
