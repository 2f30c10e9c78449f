"""repertoire live: what is true now of a name."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from hub.cli.options import DEFAULT_HUB, AdapterName, HubPath, Json
from hub.cli.output import document, show

if TYPE_CHECKING:
    from hub.feedback import LiveFigures


def live(
    name: AdapterName,
    outcome: Annotated[str, typer.Option(help="What counts: click, conversion or dislike.")] = "click",
    days: Annotated[float | None, typer.Option(min=0.0, help="Only the last so many days.")] = None,
    hub: HubPath = DEFAULT_HUB,
    as_json: Json = False,
) -> None:
    """What is true now: rates, calibration, normalized entropy and AUC by version and day, with intervals that hold
    however often one looks; outcomes still to come; and what moved.

    Example: `repertoire live acme/spring/recommendation --outcome conversion`
    """
    from hub.feedback import Feedback
    from hub.feedback.canary import running
    from hub.feedback.live import live as figures
    from hub.hub import Hub
    from hub.storage.names import check_name

    log = Feedback(Hub(hub, create=False))
    try:
        since = 0.0 if days is None else log.now() - days * 86_400
        found = figures(log, check_name(name), outcome, since, canary=running(log, name))
    finally:
        log.close()
    if as_json:
        document(asdict(found))
        return
    if not found.impressions:
        show(f"Nothing of {name} is logged yet.")
        return
    table = Table(title=f"{name}: {outcome} within {found.window / 3600:g} hours", title_justify="left")
    for heading in ("of", "impressions", "rate", "off", "entropy", "AUC"):
        table.add_column(heading)
    for each in [*found.versions, *found.days]:
        table.add_row(*_row(each))
    show(table)
    if found.immature:
        show(f"{found.immature:,} impressions are younger than that, and not counted.")
    if found.delay is not None:
        show(
            f"{found.delay.came:,} {outcome}s came, after {found.delay.mean / 3600:.1f} hours in the mean; "
            f"{found.delay.to_come:.0f} more are to be expected."
        )
    for sentence in [found.sample_ratio, *found.drift]:
        if sentence:
            show(f"Alarm: {sentence}.")


def _row(each: "LiveFigures") -> list[str]:
    rate = f"{each.rate.value:.4f} ({each.rate.low:.4f} to {each.rate.high:.4f})"
    off = "–" if each.off is None else f"{each.off.value:+.4f} ({each.off.low:+.4f} to {each.off.high:+.4f})"
    rest = ("–" if value is None else f"{value:.3f}" for value in (each.entropy, each.auc))
    return [each.of, f"{each.impressions:,}", rate, off, *rest]
