"""repertoire alias set|ls|rm, rollback, history, diff: where names point, where they pointed, and what that changes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from hub.cli.completion import references
from hub.cli.options import DEFAULT_HUB, BaseName, BaseQuantization, HubPath, Json, ReferenceName
from hub.cli.output import document, show

if TYPE_CHECKING:
    from hub.catalogue.distance import Distance
    from hub.registry.diff import Answered, Change, Difference

Name = Annotated[str, typer.Argument(metavar="NAME", help="client/campaign/task", autocompletion=references)]
Alias = Annotated[str, typer.Argument(help="Such as production.")]
Why = Annotated[str, typer.Option("--why", "-m", help="The reason; the log keeps it.")]
Expect = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Only if the alias means this version now (0: none); else nothing is changed, exit code 6.",
    ),
]

alias = typer.Typer(
    help="Point aliases such as production at versions. Every change is kept, with who, when and why.",
    no_args_is_help=True,
)


@alias.command("set")
def set_(
    name: Name,
    alias: Alias,
    version: Annotated[
        str, typer.Argument(help="A number; or another alias, or latest, for what that means now.")
    ],
    why: Why = "",
    expect: Expect = None,
    hub: HubPath = DEFAULT_HUB,
    as_json: Json = False,
) -> None:
    """Point an alias at a version. Running registries follow within a second.

    Example: `repertoire alias set acme/spring/behavior production 3 --why "passed its gates" --expect 2`
    """
    from hub.hub import Hub

    opened = Hub(hub, create=False)
    meant = opened.resolve(f"{name}@{version}")
    opened.set_alias(name, alias, meant.number, why=why, expect=expect)
    _tell(name, alias, meant.number, as_json)


@alias.command()
def ls(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="client/campaign/task", autocompletion=references),
    ] = None,
    hub: HubPath = DEFAULT_HUB,
    as_json: Json = False,
) -> None:
    """List aliases, of one name or of all: where they point, since when, by whom and why.

    Example: `repertoire alias ls acme/spring/behavior`
    """
    from hub.catalogue.aliases import last_event
    from hub.hub import Hub

    opened = Hub(hub, create=False)
    found: list[dict[str, Any]] = []
    for each in opened.names() if name is None else [name]:
        for alias, number in opened.aliases(each).items():
            event = last_event(opened.store, each, alias)
            told = {key: getattr(event, key, "") for key in ("who", "when", "why")}
            found.append({"name": each, "alias": alias, "version": number, **told})
    if as_json:
        document(found)
        return
    table = Table(title="Aliases", title_justify="left")
    table.add_column("name", no_wrap=True)
    for column in ("alias", "version", "since", "by", "why"):
        table.add_column(column, no_wrap=column != "why")
    for row in found:
        since = row["when"][:16].replace("T", " ")
        table.add_row(row["name"], row["alias"], str(row["version"]), since, row["who"], row["why"])
    show(table if found else f"No names in {hub}. `repertoire publish` adds one.")


@alias.command()
def rm(
    name: Name,
    alias: Alias,
    why: Why = "",
    expect: Expect = None,
    hub: HubPath = DEFAULT_HUB,
    as_json: Json = False,
) -> None:
    """Let an alias mean nothing. Its log stays: `repertoire rollback` brings it back.

    Example: `repertoire alias rm acme/spring/behavior canary --why "the test is over"`
    """
    from hub.hub import Hub

    Hub(hub, create=False).remove_alias(name, alias, why=why, expect=expect)
    _tell(name, alias, None, as_json)


def rollback(
    name: Name,
    alias: Alias = "production",
    to: Annotated[
        int | None, typer.Option(min=1, help="A version that it meant at any time. [default: the one before]")
    ] = None,
    why: Why = "",
    expect: Expect = None,
    hub: HubPath = DEFAULT_HUB,
    as_json: Json = False,
) -> None:
    """Let an alias mean again what it meant before. Twice goes back two steps, as undo does. Nothing is lost: a
    rollback is one more event, and `--to` goes forward again.

    Example: `repertoire rollback acme/spring/behavior --why "complaints" --expect 4`
    """
    from hub.hub import Hub

    version = Hub(hub, create=False).rollback(name, alias, to, why=why, expect=expect)
    _tell(name, alias, version.number, as_json)


def history(
    name: Name,
    alias: Annotated[str | None, typer.Argument(help="Only this alias. [default: all]")] = None,
    hub: HubPath = DEFAULT_HUB,
    as_json: Json = False,
) -> None:
    """What happened to a name, oldest first: publications, removals, and every change of its aliases.

    Example: `repertoire history acme/spring/behavior production`
    """
    from hub.hub import Hub

    found = Hub(hub, create=False).history(name, alias)
    if as_json:
        document([asdict(entry) for entry in found])
        return
    table = Table(title=name, title_justify="left")
    for column in ("when", "who", "what", "version", "why"):
        table.add_column(column, no_wrap=column != "why")
    for entry in found:
        what = f"{entry.what} {entry.alias}" if entry.alias else entry.what
        table.add_row(
            entry.when[:19].replace("T", " "), entry.who, what, str(entry.version or "–"), entry.why
        )
    show(table)


def diff(
    a: ReferenceName,
    b: Annotated[str, typer.Argument(metavar="REFERENCE", help="The other one.", autocompletion=references)],
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="Also compare their answers to these: a text or product a line, or a JSON object of its columns."
        ),
    ] = None,
    base: BaseName = None,
    quantization: BaseQuantization = None,
    modules: Annotated[int, typer.Option(min=0, help="So many modules, those that differ most.")] = 8,
    hub: HubPath = DEFAULT_HUB,
    as_json: Json = False,
) -> None:
    """What is different between two versions: recipe, data, metrics, gates, weights; with `--prompts`, what they
    answer. `--base` without prompts asks three of our own.

    Example: `repertoire diff acme/spring/ad-copy@production acme/spring/ad-copy@4 --prompts products.txt`
    """
    from hub.hub import Hub
    from hub.registry.diff import answers, read_prompts
    from hub.registry.diff import diff as compare

    asked = None if prompts is None else read_prompts(prompts)
    found = compare(Hub(hub, create=False), a, b)
    answered = None
    if asked is not None or base is not None:
        from hub.cli.ask import open_registry

        registry = open_registry(hub, found.a, base, quantization)
        answered = answers(registry, found.a, found.b, asked)
        registry.close()
    if as_json:
        document(
            found.to_dict() | {"answers": None if answered is None else [asdict(each) for each in answered]}
        )
        return
    show(*_drawn(found, answered, modules))


def _tell(name: str, alias: str, version: int | None, as_json: bool) -> None:
    if as_json:
        document({"name": name, "alias": alias, "version": version})
        return
    show(f"{name}@{alias} is version {version} now." if version else f"{name}@{alias} means nothing now.")


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
        from recipes.judge import between, number

        sure = f" ({between(key, value)})" if value["low"] is not None else ""
        return number(key, value["value"]) + sure
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
