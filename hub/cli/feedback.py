"""repertoire feedback import|status: the log of what was shown and what users did about it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from hub.cli.from_options import pairs
from hub.cli.options import DEFAULT_HUB, HubPath, Json
from hub.cli.output import document, help_alone, say, show

feedback = typer.Typer(
    help="What was shown, and what users did about it: beside the hub, or in the database that REPERTOIRE_FEEDBACK "
    "names.",
    callback=help_alone,
    invoke_without_command=True,
)
_MOST = 20  # refused rows that are shown


@feedback.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV, TSV, JSONL, JSON, Parquet or Excel, packed or not.")],
    name: Annotated[str, typer.Option("--name", help="client/campaign/task, whose impressions they are.")],
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="ROLE=COLUMN",
            help="What a column is called in the file. Roles: at, ad, user, user_key, position, propensity, "
            "probability, clicked, converted, converted_at, value, consent.",
        ),
    ] = None,
    feature: Annotated[
        list[str] | None, typer.Option("--feature", help="A further column to keep; may be repeated.")
    ] = None,
    chooser: Annotated[str, typer.Option(help="What chose the ads, in a word.")] = "imported",
    retention_days: Annotated[
        float | None,
        typer.Option(min=0.0, help="Erase each row so many days after its time. [default: never]"),
    ] = None,
    hub: HubPath = DEFAULT_HUB,
    as_json: Json = False,
) -> None:
    """Import a log of another system: of an ad platform, or of the Open Bandit or Criteo kind. The same file again
    changes nothing.

    Example: `repertoire feedback import log.parquet --name acme/spring/recommendation --column ad=item_id --column
    clicked=click --column propensity=propensity_score`
    """
    from hub.feedback import Feedback, import_log
    from hub.hub import Hub

    if not chooser or len(chooser) > 32:
        raise typer.BadParameter("write a word of at most 32 characters", param_hint="--chooser")
    log = Feedback(Hub(hub, create=False))
    try:
        done = import_log(
            log, file, name, dict(pairs(column, "--column")), feature or (), chooser, retention_days
        )
    finally:
        log.close()
    if as_json:
        document(vars(done))
        return
    show(f"{done.impressions:,} impressions and {done.outcomes:,} outcomes of {name} are in the log.")
    if done.known:
        show(f"{done.known:,} outcomes were there already.")
    if done.without_propensity:
        show(
            f"{done.without_propensity:,} impressions have no propensity: policies cannot be evaluated on them."
        )
    if done.refused:
        more = f"\n  ... and {len(done.refused) - _MOST:,} more" if len(done.refused) > _MOST else ""
        told = "".join(f"\n  - {why}" for why in done.refused[:_MOST])
        say(f"{len(done.refused):,} of {done.rows:,} rows are refused:{told}{more}", error=True)


@feedback.command()
def status(hub: HubPath = DEFAULT_HUB, as_json: Json = False) -> None:
    """Where the log lies and what it holds, by name.

    Example: `repertoire feedback status`
    """
    from hub.feedback import Feedback
    from hub.hub import Hub

    log = Feedback(Hub(hub, create=False))
    try:
        found, address = log.summary(), log.state()["address"]
    finally:
        log.close()
    if as_json:
        document({"address": address, "names": found})
        return
    table = Table(title=address, title_justify="left")
    for column in ("name", "impressions", "outcomes", "since", "until"):
        table.add_column(column)
    for row in found:
        table.add_row(*(str(row[column]) for column in ("name", "impressions", "outcomes", "since", "until")))
    show(table if found else f"Nothing is logged yet in {address}.")
