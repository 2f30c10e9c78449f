"""repertoire push, pull, sync: hubs in step with each other."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.options import DEFAULT_HUB, DryRun, HubPath, Json, OfClient
from hub.cli.output import document, show

if TYPE_CHECKING:
    from hub.exchange import mirrors as moving

_SHOWN = 20

Remote = Annotated[
    str | None,
    typer.Argument(
        metavar="REMOTE",
        help="s3://bucket/path, gs://bucket/path or a folder. [default: the hub that this one was pulled from]",
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="REFERENCE",
        help="client/campaign/task with all its versions, or with @alias or @3 that one; may be repeated.",
    ),
]
Campaign = Annotated[str | None, typer.Option("--campaign", help="Only this campaign's; goes with --client.")]


def push(
    remote: Remote = None,
    hub: HubPath = DEFAULT_HUB,
    only: Only = None,
    client: OfClient = None,
    campaign: Campaign = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """Bring another hub what it lacks of this one. It is made where there is none.

    Only missing contents move; numbers, aliases and signatures stay as they are. Broken off, it goes on when it is run
    again. Exit code 4 where the hubs contradict each other: that is listed, and nothing is overwritten.

    Example: `repertoire push s3://agency/hub --client acme --dry-run`
    """
    from hub.cli.progress import bytes_done
    from hub.exchange import mirrors as moving
    from hub.hub import Hub

    source = Hub(hub, create=False)
    with bytes_done("moving", not as_json) as progress:
        moved = moving.push(
            source,
            remote or _origin(source.origin),
            only=only or (),
            client=client,
            campaign=campaign,
            dry_run=dry_run,
            progress=progress,
        )
    return _tell([moved], as_json)


def pull(
    remote: Remote = None,
    hub: HubPath = DEFAULT_HUB,
    only: Only = None,
    client: OfClient = None,
    campaign: Campaign = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """Bring this hub what it lacks of another one. It is made where there is none, and then works offline.

    Example: `repertoire pull s3://agency/hub --hub campaigns --only acme/spring/recommendation@production`
    """
    from hub.cli.progress import bytes_done
    from hub.exchange import mirrors as moving
    from hub.hub import Hub

    origin = remote or _origin(Hub(hub, create=False).origin)
    with bytes_done("moving", not as_json) as progress:
        moved = moving.pull(
            hub,
            origin,
            only=only or (),
            client=client,
            campaign=campaign,
            dry_run=dry_run,
            progress=progress,
        )
    return _tell([moved], as_json)


def sync(
    remote: Remote = None,
    hub: HubPath = DEFAULT_HUB,
    client: OfClient = None,
    campaign: Campaign = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """Push, then pull: both hubs have everything then.

    Example: `repertoire sync s3://agency/hub`
    """
    from hub.cli.progress import bytes_done
    from hub.exchange import mirrors as moving
    from hub.hub import Hub

    own = Hub(hub, create=False)
    with bytes_done("moving", not as_json) as progress:
        moved = moving.sync(
            own,
            remote or _origin(own.origin),
            client=client,
            campaign=campaign,
            dry_run=dry_run,
            progress=progress,
        )
    return _tell(moved, as_json)


def _origin(origin: str | None) -> str:
    if origin is None:
        raise typer.BadParameter(
            "this hub was not pulled from another one; say with which hub", param_hint="REMOTE"
        )
    return origin


def _tell(moved: "Sequence[moving.Transfer]", as_json: bool) -> int:
    """What moved, and what did not. Returns the exit code."""
    conflicts = {(one.name, one.what): one for each in reversed(moved) for one in each.conflicts}
    if as_json:
        told = [asdict(each) for each in moved]
        document(told if len(told) > 1 else told[0])
    else:
        for each in moved:
            _show(each)
        for conflict in conflicts.values():
            show(f"Conflict: {conflict}")
    if any(each.problems for each in moved):
        return 5
    return 4 if conflicts else 0


def _show(moved: "moving.Transfer") -> None:
    way = f"from {moved.source} to {moved.target}"
    if not moved.files and not moved.blobs:
        show(f"Nothing to move {way}.")
    else:
        verb = "Would move" if moved.dry_run else "Moved"
        show(
            f"{verb} {len(moved.versions)} version{'s' * (len(moved.versions) != 1)} {way}: {moved.size:,} bytes, in "
            f"{len(moved.blobs)} contents and {len(moved.files)} records, alias events, tombstones and signatures."
            + ("" if moved.dry_run else " All of it was checked where it arrived.")
        )
    for version in moved.versions[:_SHOWN]:
        show(f"  {version}")
    if len(moved.versions) > _SHOWN:
        show(f"  and {len(moved.versions) - _SHOWN} more")
    for problem in moved.problems:
        show(f"Problem: {problem}")
