"""repertoire verify, repair: is a hub sound, and what mends it."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from hub.cli.options import DEFAULT_HUB, DryRun, HubPath, Json
from hub.cli.output import document, in_bytes, show

if TYPE_CHECKING:
    from hub.keeping.findings import Finding

_COLOURS = {"damage": "red", "warning": "yellow", "note": "dim"}


def verify(
    target: Annotated[
        str, typer.Argument(metavar="[TARGET]", help="A client, client/campaign or a name. [default: all]")
    ] = "",
    hub: HubPath = DEFAULT_HUB,
    as_json: Json = False,
) -> None:
    """Look at every record, blob, alias and folder of a hub, and change nothing. Exits with 5 for damage.

    Example: `repertoire verify --hub campaigns`
    """
    from hub.cli.progress import bytes_done
    from hub.hub import Hub

    with bytes_done("verifying", not as_json) as told:
        found = Hub(hub, create=False).verify(target, told)
    if as_json:
        document({"sound": found.sound} | asdict(found))
    else:
        _show_findings(found.findings)
        show(
            f"{found.versions} versions under {found.names} names, {found.removed} removed; {found.blobs} blobs, "
            f"{in_bytes(found.bytes)}, read and hashed; {found.unneeded} blobs are needed by no version.",
            "All is sound." if found.sound else "The hub is damaged; the table says what mends it.",
        )
    if not found.sound:
        raise typer.Exit(5)


def repair(
    hub: HubPath = DEFAULT_HUB,
    other: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="HUB", help="Another hub, for blobs of which this one has no sound copy."
        ),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Mend a hub from its own blobs, copies and records, or another hub. Exits with 5 where damage is left.

    Example: `repertoire repair --hub campaigns --dry-run`
    """
    from hub.cli.progress import bytes_done
    from hub.hub import Hub

    with bytes_done("verifying", not as_json) as told:
        done = Hub(hub, create=False).repair(dry_run, told, Hub(other, create=False) if other else None)
    if as_json:
        document(asdict(done))
    else:
        if done.mended:
            table = Table("where", "would be done" if dry_run else "done")
            for where, what in done.mended.items():
                table.add_row(where, what)
            show(table)
        _show_findings(done.left)
        verb = "would be mended" if dry_run else "mended"
        show(f"{len(done.mended)} {verb}, {len(done.left)} left that the hub cannot mend by itself.")
    if any(found.level == "damage" for found in done.left):
        raise typer.Exit(5)


def _show_findings(findings: "list[Finding]") -> None:
    if not findings:
        return
    table = Table("", "what", "where", "what is wrong", "what to do")
    for found in sorted(findings, key=lambda found: list(_COLOURS).index(found.level)):
        word = Text(found.level, _COLOURS[found.level])
        table.add_row(word, found.kind, found.where, found.what, found.mend)
    show(table)
