"""repertoire evaluate-policy: what another way of choosing would have brought."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from hub.cli.from_options import pairs
from hub.cli.options import Json
from hub.cli.output import document, show

if TYPE_CHECKING:
    from hub.placement import Estimate, Evaluated, PolicyLog


def evaluate_policy(
    log: Annotated[Path, typer.Argument(help="A log with propensities, as of `repertoire feedback import`.")],
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            help="uniform, best, always=AD, or column=COLUMN with the new policy's probability of what was shown; may "
            "be repeated. [default: uniform and best]",
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column", metavar="ROLE=COLUMN", help="What a column is called: ad, propensity, clicked, value."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the halves and the bootstrap.")] = 0,
    as_json: Json = False,
) -> None:
    """Estimate what other policies would have brought, by IPS, SNIPS and doubly robust, with 95 % intervals; says so
    where the log cannot tell.

    Example: `repertoire evaluate-policy log.parquet --policy uniform --policy best --column ad=item_id`
    """
    from hub.feedback import LogFile
    from hub.placement import evaluate, read_logs

    found: list[Evaluated] = []
    logs: dict[str | None, PolicyLog] = {}
    for asked in policy or ["uniform", "best"]:
        kind, _, named = asked.partition("=")
        given = named if kind == "column" else None
        if given not in logs:
            file = LogFile(
                log, dict(pairs(column, "--column")), ("ad", "propensity"), [given] if given else []
            )
            logs[given] = read_logs(file, given)
        found.append(evaluate(logs[given], "column" if given else asked, seed))
    if as_json:
        document([asdict(each) for each in found])
        return
    table = Table(title=f"{log}: {found[0].rows:,} impressions", title_justify="left")
    for heading in ("policy", "worth", "estimate", "value", "95 % interval"):
        table.add_column(heading)
    logged = found[0].logged
    table.add_row("as logged", f"{found[0].rows:,}", "mean", f"{logged.value:.6f}", _interval(logged))
    for each in found:
        for name, estimate in each.estimates.items():
            worth = f"{each.effective:,.0f}"
            table.add_row(each.policy, worth, name, f"{estimate.value:.6f}", _interval(estimate))
    show(table)
    for each in found:
        if each.abstains:
            show(f"{each.policy}: no estimate. {each.abstains[0].upper()}{each.abstains[1:]}.")


def _interval(estimate: "Estimate") -> str:
    return f"{estimate.low:.6f} to {estimate.high:.6f}"
