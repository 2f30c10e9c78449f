"""repertoire publish, ls, show: what lies in a hub."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from hub.cli.options import DEFAULT_HUB, HubPath, Json, ReferenceName
from hub.cli.output import document
from hub.cli.output import show as display

if TYPE_CHECKING:
    from hub.hub import Version


def publish(
    folder: Annotated[
        Path, typer.Argument(help="The adapter's PEFT directory, from `train` or from stock PEFT.")
    ],
    name: Annotated[str, typer.Argument(help="client/campaign/task")],
    hub: HubPath = DEFAULT_HUB,
    tag: Annotated[list[str] | None, typer.Option(help="A word to find it by; may be repeated.")] = None,
    message: Annotated[str, typer.Option("--message", "-m", help="What is new in this version.")] = "",
    publish_id: Annotated[
        str | None, typer.Option(help="Publishing again with the same id gives the same version.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Publish although the recipe's gates failed; needs --reason.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why; the record keeps it.")] = None,
    as_json: Json = False,
) -> None:
    """Put an adapter into a hub, as the next version of a name. The hub is made where there is none.

    Example: `repertoire publish adapters/acme acme/spring/recommendation --tag spring -m "first season"`
    """
    if force != (reason is not None):
        missing = "--reason" if force else "--force"
        raise typer.BadParameter(f"--force and --reason go together; give {missing} too", param_hint=missing)

    from hub.hub import Hub

    version = Hub(hub).publish(
        folder, name, tags=tag or (), message=message, publish_id=publish_id, force_reason=reason
    )
    if as_json:
        document(summary(version))
        return
    where = f" Its PEFT directory: {version.folder}" if version.folder else ""
    display(f"Published {version.reference} to {hub}.{where}")


def ls(
    hub: HubPath = DEFAULT_HUB,
    client: Annotated[str | None, typer.Option(help="Only this client's.")] = None,
    campaign: Annotated[str | None, typer.Option(help="Only this campaign's.")] = None,
    task: Annotated[str | None, typer.Option(help="recommendation, behavior or ad-copy.")] = None,
    method: Annotated[str | None, typer.Option(help="lora, dora or prefix.")] = None,
    base: Annotated[str | None, typer.Option(help="Only those for this base.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only those with this tag.")] = None,
    as_json: Json = False,
) -> None:
    """List the newest version of every adapter.

    Example: `repertoire ls --hub campaigns --client acme --task ad-copy`
    """
    from hub.hub import Hub

    found = Hub(hub, create=False).list(client, campaign, task, method, base, tag)
    if as_json:
        document([summary(version) for version in found])
        return
    table = Table(title=str(hub), title_justify="left")
    table.add_column("name", no_wrap=True, min_width=max((len(version.name) for version in found), default=0))
    for column in ("newest", "task", "method", "base", "published", "message"):
        table.add_column(column, no_wrap=column in ("task", "method", "published"))
    for version in found:
        record = version.record
        size = f"{record.length} positions" if record.method == "prefix" else f"rank {record.rank}"
        row = (
            f"{record.method}, {size}",
            record.base.id,
            record.created[:16].replace("T", " "),
            record.message,
        )
        table.add_row(version.name, str(version.number), record.task or "", *row)
    display(table if found else f"No adapters in {hub} fit. `repertoire publish` adds one.")


def show(
    reference: ReferenceName,
    hub: HubPath = DEFAULT_HUB,
    as_json: Json = False,
) -> None:
    """Show one version: what it was made from, how it measured, where its files are.

    Example: `repertoire show acme/spring/recommendation@3`
    """
    from hub.hub import Hub

    opened = Hub(hub, create=False)
    version = opened.resolve(reference)
    aliases = opened.aliases(version.name)
    if as_json:
        document(summary(version) | {"aliases": aliases, "record": version.record.model_dump(mode="json")})
        return
    record = version.record
    pointing = [alias for alias, number in aliases.items() if number == version.number]
    size = f"{record.length} positions" if record.method == "prefix" else f"rank {record.rank}"
    facts = {
        "version": f"{version.number} of {aliases['latest']}"
        + (f" ({', '.join(pointing)})" if pointing else ""),
        "task": record.task,
        "method": f"{record.method}, {size}",
        "labels": _some(record.labels),
        "base": record.base.id,
        "fingerprint": record.base.fingerprint,
        "data sha256": record.data_digest,
        "published": f"{record.created} by {record.publisher}",
        "message": record.message,
        "tags": ", ".join(record.tags),
        "forced": record.forced and f"{record.forced} (its gates had failed)",
        "folder": version.folder and str(version.folder),
        "size": f"{sum(file.size for file in record.files):,} bytes in {len(record.files)} files",
    }
    grid = Table.grid(padding=(0, 2))
    for key, value in facts.items():
        if value:
            grid.add_row(key, value)
    display(version.reference, grid)
    if record.metrics:
        from recipes.report import certainty_lines, labels_table, table, verdict_lines

        display(
            *filter(None, [table(record.metrics), labels_table(record.metrics)]),
            *certainty_lines(record.metrics),
            *verdict_lines(record.gates),
        )


def summary(version: "Version") -> dict[str, Any]:
    """What programs want to know of a version at once."""
    record = version.record
    return {
        "reference": version.reference,
        "name": version.name,
        "version": version.number,
        "task": record.task,
        "method": record.method,
        "base": record.base.model_dump(),
        "created": record.created,
        "message": record.message,
        "tags": list(record.tags),
        "digest": version.digest,
        "folder": version.folder and str(version.folder),
    }


def _some(labels: tuple[str, ...] | None, limit: int = 12) -> str:
    if not labels:
        return ""
    more = f" and {len(labels) - limit} more" if len(labels) > limit else ""
    return ", ".join(labels[:limit]) + more
