"""repertoire refresh: campaigns trained again on what their users did."""

from dataclasses import asdict
from pathlib import Path
from time import sleep
from typing import Annotated

import typer
from rich.table import Table

from hub.cli.from_options import who_trains
from hub.cli.options import DEFAULT_HUB, FileWorkers, HubPath, Json, Quantization, RayAddress
from hub.cli.output import document, show


def refresh(
    campaigns: Annotated[Path, typer.Argument(help="YAML with the names and settings of campaigns.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of its own: rows, states and the page.")] = Path(
        "refresh"
    ),
    every: Annotated[str | None, typer.Option(help="Go on for ever: 1d, 12h, 30m. [default: once]")] = None,
    on_drift: Annotated[
        bool,
        typer.Option("--on-drift", help="Train only campaigns of which something moved, as `live` tells it."),
    ] = False,
    base: Annotated[
        str, typer.Option("--base", help="`starter`, a Hugging Face id or a folder.")
    ] = "starter",
    quantization: Annotated[Quantization, typer.Option(help="How to hold the base.")] = Quantization.nf4,
    hub: HubPath = DEFAULT_HUB,
    ray: RayAddress = None,
    workers: FileWorkers = None,
    cpus: Annotated[
        int | None,
        typer.Option(min=1, help="Processors of each worker. [default: as the file says, else 1]"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train campaigns again on what their users did since the last time, all together and from production; what is
    better on the newest rows is published and becomes a canary. Killed at any moment, the same command goes on.

    Example: `repertoire refresh campaigns.yaml --every 1d --on-drift`
    """
    from hub.feedback import Claims, Feedback, Refresh, seconds
    from hub.feedback.campaigns import load_campaign_file
    from hub.hub import Hub

    file = load_campaign_file(campaigns)
    pause = None if every is None else seconds(every)
    opened = Hub(hub, create=False)
    train_many = who_trains(file, ray, workers, cpus, base, quantization)

    from adapters import load_base

    loaded, log, claims = load_base(base, quantization.value), Feedback(opened), Claims()
    try:
        while True:
            found = Refresh(opened, log, loaded, out, train_many, claims).run(file.campaigns, on_drift)
            if as_json:
                document([asdict(each) for each in found])
            else:
                table = Table(title=str(campaigns), title_justify="left")
                for heading in ("campaign", "what happened", "why"):
                    table.add_column(heading, no_wrap=heading != "why")
                for each in found:
                    table.add_row(each.name, each.happened, each.why)
                show(table, f"It stands in {out / 'refresh.md'} too.")
            if pause is None:
                break
            sleep(pause)
    finally:
        claims.close()
        log.close()
    if any(each.happened == "failed" for each in found):
        raise typer.Exit(4)
