"""repertoire ls, search, versions: what lies in a hub."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from hub.cli.documents import listed
from hub.cli.options import (
    DEFAULT_HUB,
    AdapterName,
    HubPath,
    Json,
    OfBase,
    OfCampaign,
    OfClient,
    OfMethod,
    OfTask,
)
from hub.cli.output import document, minute, show

if TYPE_CHECKING:
    from hub.catalogue.search import Found


def ls(
    hub: HubPath = DEFAULT_HUB,
    client: OfClient = None,
    campaign: OfCampaign = None,
    task: OfTask = None,
    method: OfMethod = None,
    base: OfBase = None,
    tag: Annotated[str | None, typer.Option(help="Only those with this tag.")] = None,
    as_json: Json = False,
) -> None:
    """List the newest version of every adapter.

    Example: `repertoire ls --hub campaigns --client acme --task ad-copy`
    """
    from hub.hub import Hub

    found = Hub(hub, create=False).list(client, campaign, task, method, base, tag)
    if as_json:
        document([listed(version) for version in found])
        return
    show(_table(hub, found) if found else f"No adapters in {hub} fit. `repertoire publish` adds one.")


def search(
    words: Annotated[
        list[str] | None, typer.Argument(help="Words that its name or its message must have.")
    ] = None,
    hub: HubPath = DEFAULT_HUB,
    client: OfClient = None,
    campaign: OfCampaign = None,
    name: Annotated[str | None, typer.Option(help="Only this client/campaign/task.")] = None,
    task: OfTask = None,
    method: OfMethod = None,
    base: OfBase = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only those with this tag; may be repeated.")] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="On held-out rows, such as 'auc>=0.8' or 'log_loss<0.5'; may be repeated.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="SHA256", help="Only those made from this data; its first digits do."),
    ] = None,
    alias: Annotated[str | None, typer.Option(help="The versions that this alias means.")] = None,
    all_versions: Annotated[
        bool, typer.Option("--all-versions", help="Not only the newest version of each name.")
    ] = False,
    sort: Annotated[
        str, typer.Option(help="name; created, the newest first; or a metric, the best first.")
    ] = "name",
    limit: Annotated[int | None, typer.Option(min=1, help="Show at most so many.")] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="First make the hub's index again, from its records.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find versions by what they are and how they measured.

    Example: `repertoire search "spring sale" --client acme --metric "auc>=0.8" --all-versions --sort auc --limit 10`
    """
    from hub.hub import Hub

    opened = Hub(hub, create=False)
    if rebuild:
        opened.index.rebuild()
    found = opened.search(
        " ".join(words or ()),
        client=client,
        campaign=campaign,
        name=name,
        task=task,
        method=method,
        base=base,
        tag=tag,
        metric=metric,
        data=data,
        alias=alias,
        all_versions=all_versions,
        sort=sort,
        limit=limit,
    )
    if as_json:
        document([listed(version) for version in found])
        return
    asked = [sort, *(re.split("[<>=]", condition)[0].strip() for condition in metric or ())]
    show(_table(hub, found, asked) if found else f"Nothing in {hub} fits.")


def versions(
    name: AdapterName,
    hub: HubPath = DEFAULT_HUB,
    as_json: Json = False,
) -> None:
    """List all versions of one adapter, oldest first, with what was measured and which aliases mean them.

    Example: `repertoire versions acme/spring/recommendation`
    """
    from hub.hub import Hub
    from hub.storage.names import check_name

    opened = Hub(hub, create=False)
    found = opened.search(name=check_name(name), all_versions=True, removed=True)
    if not found:
        opened.resolve(name)  # tells what there is instead
    if as_json:
        document([listed(version) for version in found])
        return
    show(_table(name, found, list(dict.fromkeys(key for version in found for key in version.metrics))[:4]))


def _table(title: str, found: Sequence["Found"], metrics: Sequence[str] = ()) -> Table:
    """One row a version, without the columns in which nothing stands. metrics: to be shown."""
    columns: dict[str, list[str]] = {
        "version": [version.reference for version in found],
        **{metric: [_rounded(version.metrics.get(metric)) for version in found] for metric in metrics},
        "aliases": [
            "removed"
            if version.removed
            else ", ".join(alias for alias in version.aliases if alias != "latest")
            for version in found
        ],
        "task": [
            "" if version.name.endswith(f"/{version.task}") else version.task or "" for version in found
        ],
        "method": [
            f"{version.method}, {version.size} positions"
            if version.method == "prefix"
            else f"{version.method}, rank {version.size}"
            for version in found
        ],
        "base": [version.base["id"] or "" for version in found],
        "published": [minute(version.created) for version in found],
        "message": [version.message for version in found],
    }
    filled = {column: cells for column, cells in columns.items() if any(cells)}
    table = Table(title=title, title_justify="left")
    for column in filled:
        fixed = column not in ("aliases", "base", "message")
        table.add_column(column, no_wrap=fixed, justify="right" if column in metrics else "left")
    table.columns[0].min_width = max(map(len, filled["version"]))
    for row in zip(*filled.values(), strict=True):
        table.add_row(*row)
    return table


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
