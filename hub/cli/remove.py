"""repertoire rm, gc, purge: what may leave a hub."""

import re
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from hub.cli.confirm import confirm
from hub.cli.options import DEFAULT_HUB, DryRun, HubPath, Json, ReferenceName, Why, Yes
from hub.cli.output import document, in_bytes, show

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "": 1}


def rm(
    reference: ReferenceName,
    why: Why = "",
    hub: HubPath = DEFAULT_HUB,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Remove one version: nothing leads to it any more, and `gc` deletes its blobs once the grace is over.

    Example: `repertoire rm acme/spring/behavior@3 --why "trained on the wrong export"`
    """
    from hub.hub import Hub

    opened = Hub(hub, create=False)
    stone = opened.remove(reference, why=why, dry_run=True)
    if not dry_run:
        confirm(f"Remove {reference} from {hub}?", yes)
        stone = opened.remove(reference, why=why)
    if as_json:
        document({"reference": reference, "dry_run": dry_run, "tombstone": asdict(stone)})
    elif dry_run:
        show(f"{reference} would be removed; nothing was changed.")
    else:
        show(f"{reference} is {stone}. Its blobs stay until `repertoire gc` finds the grace over.")


def gc(
    grace: Annotated[
        str, typer.Option(help="How long removed blobs can be brought back: 7d, 12h, 30m, 45s or 0.")
    ] = "7d",
    hub: HubPath = DEFAULT_HUB,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Move blobs that nothing needs to the trash, and delete those whose grace is over. Publishing may go on meanwhile.

    Example: `repertoire gc --grace 30d --dry-run`
    """
    from hub.cli.progress import names_read
    from hub.hub import Hub

    seconds = _seconds(grace)
    opened = Hub(hub, create=False)
    if not dry_run:
        confirm(f"Delete what nothing in {hub} needs, and has not for {grace}?", yes)
    with names_read("reading what is needed", not as_json) as told:
        done = opened.collect(seconds, dry_run, told)
    if as_json:
        document(asdict(done))
        return
    would = "would be " if dry_run else ""
    show(
        f"{done.moved} blobs {would}moved to the trash; {len(done.deleted)} {would}deleted, "
        f"{in_bytes(done.freed + done.leftovers)} {would}freed."
    )
    if done.restored:
        show(f"{len(done.restored)} {would}moved back, since something needs them after all.")
    if done.waiting:
        until = max(waiting.until for waiting in done.waiting)
        waiting = sum(waiting.size for waiting in done.waiting)
        show(f"{len(done.waiting)} stay in the trash, {in_bytes(waiting)}, the last until {_moment(until)}.")


def purge(
    client: Annotated[str, typer.Option("--client", help="Whose adapters to erase, all of them.")],
    hub: HubPath = DEFAULT_HUB,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Erase all that belongs to one client, and show what is left. There is no grace, and no way back.

    Example: `repertoire purge --client acme --dry-run`
    """
    from hub.feedback import purge_feedback
    from hub.hub import Hub

    opened = Hub(hub, create=False)
    if not dry_run:
        confirm(f"Erase every adapter, record and alias of {client} in {hub} for good?", yes)
    done = opened.purge(client, dry_run)
    logged = purge_feedback(hub, client, dry_run)
    if as_json:
        document(asdict(done) | {"feedback": logged})
        return
    would = "would be " if dry_run else ""
    show(
        f"{done.versions} versions under {len(done.names)} names and {len(done.erased)} blobs {would}erased, "
        f"{in_bytes(done.freed)}."
    )
    if not dry_run:
        show(
            f"Every file of the hub was looked at: nothing under {client}/ and none of its own blobs is left."
        )
    if logged is not None:
        show(
            f"{logged['impressions']} impressions and {logged['outcomes']} outcomes {would}erased from the feedback log"
            + ("." if dry_run else ", and the secret of its user keys; none is left there.")
        )
    for digest, reference in done.shared.items():
        show(f"  stays: blob {digest}, which {reference} needs too")
    for path in done.mentions:
        show(f"  names the client: {path}")
    show(done.beyond)


def _seconds(text: str) -> float:
    """`7d`, `12h`, `30m`, `45s` or `0`."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd]?)", text)
    if not match or (not match[2] and match[1] != "0"):
        raise typer.BadParameter(f"{text!r} is no time; write 7d, 12h, 30m, 45s or 0", param_hint="--grace")
    return float(int(match[1]) * _UNITS[match[2]])


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
