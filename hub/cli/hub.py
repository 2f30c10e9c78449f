"""repertoire init, publish, ls, search, versions, show: what lies in a hub."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from hub.cli.completion import references
from hub.cli.options import (
    DEFAULT_HUB,
    BaseToFit,
    HubPath,
    Json,
    ReferenceName,
    SigningKey,
    TrustFile,
    base_to_fit,
)
from hub.cli.output import document
from hub.cli.output import show as display
from hub.cli.sign import open_key

if TYPE_CHECKING:
    from hub.catalogue.search import Found
    from hub.catalogue.trust import Signature
    from hub.hub import Hub, Version

Client = Annotated[str | None, typer.Option(help="Only this client's.")]
Campaign = Annotated[str | None, typer.Option(help="Only this campaign's.")]
Task = Annotated[str | None, typer.Option(help="recommendation, behavior or ad-copy.")]
Method = Annotated[str | None, typer.Option(help="lora, dora or prefix.")]
ForBase = Annotated[str | None, typer.Option("--base", help="Only those for this base.")]


def publish(
    folder: Annotated[
        str,
        typer.Argument(
            help="The adapter's PEFT directory, from `train` or from stock PEFT; or hf://owner/repo."
        ),
    ],
    name: Annotated[str, typer.Argument(help="client/campaign/task")],
    hub: HubPath = DEFAULT_HUB,
    tag: Annotated[list[str] | None, typer.Option(help="A word to find it by; may be repeated.")] = None,
    message: Annotated[str, typer.Option("--message", "-m", help="What is new in this version.")] = "",
    publish_id: Annotated[
        str | None, typer.Option(help="Publishing again with the same id gives the same version.")
    ] = None,
    base: BaseToFit = None,
    force: Annotated[
        bool, typer.Option("--force", help="Publish although the recipe's gates failed; needs --reason.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why; the record keeps it.")] = None,
    key: SigningKey = None,
    as_json: Json = False,
) -> None:
    """Put an adapter into a hub, as the next version of a name. The hub is made where there is none.

    Example: `repertoire publish adapters/acme acme/spring/recommendation --tag spring -m "first season"`
    """
    if force != (reason is not None):
        missing = "--reason" if force else "--force"
        raise typer.BadParameter(f"--force and --reason go together; give {missing} too", param_hint=missing)

    from hub.hub import Hub

    opened_key = open_key(key) if key else None
    version = Hub(hub).publish(
        folder,
        name,
        base=base_to_fit(base),
        tags=tag or (),
        message=message,
        publish_id=publish_id,
        force_reason=reason,
        key=opened_key,
    )
    if as_json:
        document(summary(version) | ({"signed_by": opened_key.public.id} if opened_key else {}))
        return
    where = f" Its PEFT directory: {version.folder}" if version.folder else ""
    signed = " and signed it" if opened_key else ""
    display(f"Published {version.reference} to {hub}{signed}.{where}")


def init(hub: HubPath = DEFAULT_HUB, as_json: Json = False) -> None:
    """Make an empty hub. Nothing is changed where there is one already.

    Example: `repertoire init --hub campaigns`
    """
    from hub.errors import NoHub
    from hub.hub import Hub

    try:
        opened, made = Hub(hub, create=False), False
    except NoHub:
        opened, made = Hub(hub), True
    if as_json:
        document({"hub": opened.address, "id": opened.id, "made": made})
        return
    display(f"Made a hub in {hub}." if made else f"{hub} is a hub already.")


def ls(
    hub: HubPath = DEFAULT_HUB,
    client: Client = None,
    campaign: Campaign = None,
    task: Task = None,
    method: Method = None,
    base: ForBase = None,
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
    display(_table(hub, found) if found else f"No adapters in {hub} fit. `repertoire publish` adds one.")


def search(
    words: Annotated[
        list[str] | None, typer.Argument(help="Words that its name or its message must have.")
    ] = None,
    hub: HubPath = DEFAULT_HUB,
    client: Client = None,
    campaign: Campaign = None,
    name: Annotated[str | None, typer.Option(help="Only this client/campaign/task.")] = None,
    task: Task = None,
    method: Method = None,
    base: ForBase = None,
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
    display(_table(hub, found, asked) if found else f"Nothing in {hub} fits.")


def versions(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="client/campaign/task", autocompletion=references)
    ],
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
    display(_table(name, found, list(dict.fromkeys(key for version in found for key in version.metrics))[:4]))


def show(
    reference: ReferenceName,
    hub: HubPath = DEFAULT_HUB,
    trust: TrustFile = None,
    as_json: Json = False,
) -> None:
    """Show one version: what it was made from, how it measured, who signed it, where its files are.

    Example: `repertoire show acme/spring/recommendation@3`
    """
    from hub.exchange.export import complete
    from hub.hub import Hub
    from hub.intake.servable import lines

    opened = Hub(hub, create=False, trust=trust)
    version = complete(opened, opened.resolve(reference))
    aliases = opened.aliases(version.name)
    signatures, untrusted = opened.signatures(version), _untrusted(opened, version)
    if as_json:
        signed = [{"key": s.key, "name": s.name, "counts": s.counts, "fault": s.fault} for s in signatures]
        document(
            summary(version)
            | {"aliases": aliases, "signatures": signed, "untrusted": untrusted}
            | {"record": version.record.model_dump(mode="json")}
        )
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
        "imported from": ", commit ".join(filter(None, map((record.origin or {}).get, ("source", "commit")))),
        "served by": "\n".join(lines(record.servable_by or {})),
        "signed by": "\n".join(map(_signed, signatures)),
        "not loaded": untrusted,
        "folder": version.folder and str(version.folder),
        "size": f"{sum(file.size for file in record.files):,} bytes in {len(record.files)} files",
    }
    grid = Table.grid(padding=(0, 2))
    for key, value in facts.items():
        if value:
            grid.add_row(key, value)
    display(version.reference, grid)
    if record.metrics:
        from recipes.judge import certainty_lines, labels_table, results_table, verdict_lines

        display(
            *filter(None, [results_table(record.metrics), labels_table(record.metrics)]),
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


def listed(found: "Found") -> dict[str, Any]:
    """What programs want to know of a version that was found: `summary`, and what it is found by."""
    return {
        "reference": found.reference,
        "name": found.name,
        "version": found.number,
        "task": found.task,
        "method": found.method,
        "base": found.base,
        "created": found.created,
        "message": found.message,
        "tags": list(found.tags),
        "digest": found.digest,
        "folder": found.folder and str(found.folder),
        "publisher": found.publisher,
        "data_digest": found.data_digest,
        "metrics": found.metrics,
        "aliases": list(found.aliases),
        "removed": found.removed,
    }


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
        "published": [version.created[:16].replace("T", " ") for version in found],
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


def _untrusted(hub: "Hub", version: "Version") -> str | None:
    """Why a version is not loaded, where the trust file asks for a signature that it does not have."""
    from hub.errors import Untrusted

    try:
        hub.check_signed(version)
    except Untrusted as error:
        return str(error)
    return None


def _signed(signature: "Signature") -> str:
    key = f"key {signature.key[:12]}"
    if signature.name is None:
        return f"{key}, not checked: no trust file names it for this client"
    return f"{signature.name}, {key}: {signature.fault or 'counts'}"


def _some(labels: tuple[str, ...] | None, limit: int = 12) -> str:
    if not labels:
        return ""
    more = f" and {len(labels) - limit} more" if len(labels) > limit else ""
    return ", ".join(labels[:limit]) + more
