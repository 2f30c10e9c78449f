"""repertoire show, card: all there is to know of one version."""

from typing import TYPE_CHECKING, Any

from rich.table import Table

from hub.cli.documents import summary
from hub.cli.options import DEFAULT_HUB, HubPath, Json, ReferenceName, TrustFile
from hub.cli.output import document, say
from hub.cli.output import show as display

if TYPE_CHECKING:
    from hub.catalogue.trust import Signature
    from hub.catalogue.version import Version
    from hub.hub import Hub


def show(
    reference: ReferenceName,
    hub: HubPath = DEFAULT_HUB,
    trust: TrustFile = None,
    as_json: Json = False,
) -> None:
    """Show one version: what it was made from, how it measured, who signed it, where its files are.

    Example: `repertoire show acme/spring/recommendation@3`
    """
    from hub.catalogue.trust import unproved
    from hub.exchange.exports import complete
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
            | {"warning": unproved(version.record)}
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
        "warning": unproved(record),
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
        from recipes.judge import Gates, Report, certainty_lines, gate_lines, labels_table, results_table

        report = Report.read(record.metrics)
        if report is not None:
            display(*filter(None, [results_table(report), labels_table(report)]), *certainty_lines(report))
        display(*gate_lines(Gates.read(record.gates)))


def card(reference: ReferenceName, hub: HubPath = DEFAULT_HUB, as_json: Json = False) -> None:
    """Print the model card of a version, as Markdown.

    Example: `repertoire card acme/spring/recommendation@3 > README.md`
    """
    from hub.exchange import exports as exchange
    from hub.hub import Hub
    from hub.intake import card as cards

    opened = Hub(hub, create=False)
    version = exchange.complete(opened, opened.resolve(reference))
    text = cards.version_card(version.record)
    if as_json:
        told: dict[str, Any] = {"reference": version.reference, "card": text}
        document(told | {"servable_by": version.record.servable_by})
        return
    say(text, end="")


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
