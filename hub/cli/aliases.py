"""repertoire alias set|ls|rm, rollback, history: where names point, and where they pointed."""

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table

from hub.cli.completion import references
from hub.cli.options import DEFAULT_HUB, AdapterName, AliasName, Expect, HubPath, Json, Why
from hub.cli.output import document, help_alone, minute, show

alias = typer.Typer(
    help="Point aliases such as production at versions. Every change is kept, with who, when and why.",
    callback=help_alone,
    invoke_without_command=True,
)


@alias.command("set")
def set_(
    name: AdapterName,
    alias: AliasName,
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
        since = minute(row["when"])
        table.add_row(row["name"], row["alias"], str(row["version"]), since, row["who"], row["why"])
    show(table if found else f"No names in {hub}. `repertoire publish` adds one.")


@alias.command()
def rm(
    name: AdapterName,
    alias: AliasName,
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
    name: AdapterName,
    alias: AliasName = "production",
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
    name: AdapterName,
    alias: Annotated[str | None, typer.Argument(help="Only this alias. [default: all]")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the last of them. [default: all]")] = None,
    hub: HubPath = DEFAULT_HUB,
    as_json: Json = False,
) -> None:
    """What happened to a name, oldest first: publications, removals, and every change of its aliases.

    Example: `repertoire history acme/spring/behavior production`
    """
    from hub.hub import Hub

    found = Hub(hub, create=False).history(name, alias, limit)
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


def _tell(name: str, alias: str, version: int | None, as_json: bool) -> None:
    if as_json:
        document({"name": name, "alias": alias, "version": version})
        return
    show(f"{name}@{alias} is version {version} now." if version else f"{name}@{alias} means nothing now.")
