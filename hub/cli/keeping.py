"""repertoire verify, repair, rm, gc, purge: is a hub sound, and what may leave it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from hub.cli.confirm import DryRun, Yes, confirm
from hub.cli.options import DEFAULT_HUB, HubPath, Json, ReferenceName
from hub.cli.output import document, show

if TYPE_CHECKING:
    from hub.keeping.findings import Finding

_COLOURS = {"damage": "red", "warning": "yellow", "note": "dim"}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "": 1}


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
    from hub.hub import Hub

    with _bytes("verifying", not as_json) as told:
        found = Hub(hub, create=False).verify(target, told)
    if as_json:
        document({"sound": found.sound} | asdict(found))
    else:
        _show_findings(found.findings)
        show(
            f"{found.versions} versions under {found.names} names, {found.removed} removed; {found.blobs} blobs, "
            f"{_size(found.bytes)}, read and hashed; {found.unneeded} blobs are needed by no version.",
            "All is sound." if found.sound else "The hub is damaged; the table says what mends it.",
        )
    if not found.sound:
        raise typer.Exit(5)


def repair(hub: HubPath = DEFAULT_HUB, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Mend a hub from its own blobs, copies and records. Exits with 5 where damage is left.

    Example: `repertoire repair --hub campaigns --dry-run`
    """
    from hub.hub import Hub

    with _bytes("verifying", not as_json) as told:
        done = Hub(hub, create=False).repair(dry_run, told)
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


def rm(
    reference: ReferenceName,
    why: Annotated[str, typer.Option("--why", "-m", help="The reason; the tombstone keeps it.")] = "",
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
    from hub.hub import Hub

    seconds = _seconds(grace)
    opened = Hub(hub, create=False)
    if not dry_run:
        confirm(f"Delete what nothing in {hub} needs, and has not for {grace}?", yes)
    with _names("reading what is needed", not as_json) as told:
        done = opened.collect(seconds, dry_run, told)
    if as_json:
        document(asdict(done))
        return
    would = "would be " if dry_run else ""
    show(
        f"{done.moved} blobs {would}moved to the trash; {len(done.deleted)} {would}deleted, "
        f"{_size(done.freed + done.leftovers)} {would}freed."
    )
    if done.restored:
        show(f"{len(done.restored)} {would}moved back, since something needs them after all.")
    if done.waiting:
        until = max(waiting.until for waiting in done.waiting)
        waiting = sum(waiting.size for waiting in done.waiting)
        show(f"{len(done.waiting)} stay in the trash, {_size(waiting)}, the last until {_moment(until)}.")


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
    from hub.hub import Hub

    opened = Hub(hub, create=False)
    if not dry_run:
        confirm(f"Erase every adapter, record and alias of {client} in {hub} for good?", yes)
    done = opened.purge(client, dry_run)
    if as_json:
        document(asdict(done))
        return
    would = "would be " if dry_run else ""
    show(
        f"{done.versions} versions under {len(done.names)} names and {len(done.erased)} blobs {would}erased, "
        f"{_size(done.freed)}."
    )
    if not dry_run:
        show(
            f"Every file of the hub was looked at: nothing under {client}/ and none of its own blobs is left."
        )
    for digest, reference in done.shared.items():
        show(f"  stays: blob {digest}, which {reference} needs too")
    for path in done.mentions:
        show(f"  names the client: {path}")
    show(done.beyond)


def _show_findings(findings: "list[Finding]") -> None:
    if not findings:
        return
    table = Table("", "what", "where", "what is wrong", "what to do")
    for found in sorted(findings, key=lambda found: list(_COLOURS).index(found.level)):
        word = Text(found.level, _COLOURS[found.level])
        table.add_row(word, found.kind, found.where, found.what, found.mend)
    show(table)


@contextmanager
def _bytes(what: str, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar of bytes: called with those done, and all."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with _bar(shown, *columns) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def _names(what: str, shown: bool) -> Iterator[Callable[[str], None]]:
    """What is being read, while nobody knows how much there is."""
    with _bar(shown, SpinnerColumn(), TextColumn("{task.description}")) as bars:
        task = bars.add_task(what, total=None)
        yield lambda name: bars.update(task, description=f"{what}: {name}")


def _bar(shown: bool, *columns: Any) -> Progress:
    terminal = Console(stderr=True)
    return Progress(
        *columns, console=terminal, disable=not (shown and terminal.is_interactive), transient=True
    )


def _seconds(text: str) -> float:
    """`7d`, `12h`, `30m`, `45s` or `0`."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd]?)", text)
    if not match or (not match[2] and match[1] != "0"):
        raise typer.BadParameter(f"{text!r} is no time; write 7d, 12h, 30m, 45s or 0", param_hint="--grace")
    return float(int(match[1]) * _UNITS[match[2]])


def _size(count: int) -> str:
    """`1.2 MB`."""
    if count < 1000:
        return f"{count} bytes"
    power = min((len(str(count)) - 1) // 3, 4)
    return f"{count / 1000**power:.1f} {'kMGT'[power - 1]}B"


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
