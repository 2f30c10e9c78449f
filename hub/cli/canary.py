"""repertoire canary: a new version proves itself on a share of the users."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.options import DEFAULT_HUB, AdapterName, DryRun, HubPath, Json, Why
from hub.cli.output import document, help_alone, show

if TYPE_CHECKING:
    from hub.feedback import Canary, Compared, Feedback
    from hub.hub import Hub

canary = typer.Typer(
    help="A new version proves itself on a share of the users of NAME@live, before everybody gets it.",
    callback=help_alone,
    invoke_without_command=True,
)


@canary.command()
def start(
    name: AdapterName,
    version: Annotated[int, typer.Option(min=1, help="Of the name, which is to prove itself.")],
    share: Annotated[float, typer.Option(help="Of the users, above 0 and at most 0.5.")] = 0.05,
    outcome: Annotated[
        str | None,
        typer.Option(help="What decides: click or conversion. [default: click; label; accepted]"),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            help="A column that the model reads: no value's users may be served worse. Again for several."
        ),
    ] = None,
    max_days: Annotated[
        float, typer.Option(help="After so many days without a decision production stays.")
    ] = 14.0,
    shadow: Annotated[bool, typer.Option("--shadow", help="It answers too, and nobody sees it.")] = False,
    why: Why = "",
    hub: HubPath = DEFAULT_HUB,
    as_json: Json = False,
) -> None:
    """Begin: the alias canary means the version, and NAME@live gives it to a share of the users.

    Example: `repertoire canary start acme/spring/recommendation --version 4 --share 0.05`
    """
    from hub.feedback.canary import start as begin

    with _opened(hub) as (opened, log):
        made = begin(opened, log, name, version, share, outcome, max_days, shadow, why, group or ())
    _tell(
        made,
        f"{name}@{version} runs as a canary for {share:.0%} of the users, against @{made.against}.",
        as_json,
    )


@canary.command()
def status(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="client/campaign/task")] = None,
    hub: HubPath = DEFAULT_HUB,
    as_json: Json = False,
) -> None:
    """What the canaries' figures say now. Nothing is changed.

    Example: `repertoire canary status`
    """
    from hub.feedback.canary import all_running
    from hub.feedback.canary import decide as look

    with _opened(hub) as (opened, log):
        names = [each.name for each in all_running(log)] if name is None else [name]
        found = [look(opened, log, each, dry_run=True) for each in names]
    if as_json:
        document([asdict(each) for each in found])
    elif not found:
        show("No canary runs.")
    else:
        show(*(_sentence(each, done=False) for each in found))


@canary.command()
def decide(
    name: AdapterName, dry_run: DryRun = False, hub: HubPath = DEFAULT_HUB, as_json: Json = False
) -> None:
    """Do what the figures say: promote, roll back, keep production after its days, or wait. Run it as often as you
    like, such as every hour by cron: the stated error holds for all looks together.

    Example: `repertoire canary decide acme/spring/recommendation`
    """
    from hub.feedback.canary import decide as look

    with _opened(hub) as (opened, log):
        found = look(opened, log, name, dry_run)
    if as_json:
        document(asdict(found) | {"dry_run": dry_run})
    else:
        show(_sentence(found, done=not dry_run))


@canary.command()
def promote(name: AdapterName, why: Why = "", hub: HubPath = DEFAULT_HUB, as_json: Json = False) -> None:
    """Let the canary be production, whatever its figures say.

    Example: `repertoire canary promote acme/spring/recommendation --why "the client asks for it"`
    """
    from hub.feedback.canary import promote as move

    with _opened(hub) as (opened, log):
        found = move(opened, log, name, why or "promoted by a person")
    _tell(found, f"{name}@production is version {found.version} now.", as_json)


@canary.command()
def stop(name: AdapterName, why: Why = "", hub: HubPath = DEFAULT_HUB, as_json: Json = False) -> None:
    """End the canary: everybody gets production.

    Example: `repertoire canary stop acme/spring/recommendation --why "complaints"`
    """
    from hub.feedback.canary import stop as end

    with _opened(hub) as (opened, log):
        found = end(opened, log, name, why or "stopped by a person")
    _tell(found, f"The canary {name}@{found.version} has ended; everybody gets production.", as_json)


@canary.command()
def hold(
    name: AdapterName,
    release: Annotated[bool, typer.Option("--release", help="Let the figures decide again.")] = False,
    hub: HubPath = DEFAULT_HUB,
    as_json: Json = False,
) -> None:
    """Leave the decision to a person; `decide` only tells then.

    Example: `repertoire canary hold acme/spring/recommendation`
    """
    from hub.feedback.canary import hold as keep

    with _opened(hub) as (_, log):
        found = keep(log, name, not release)
    _tell(found, f"{name}: {'the figures decide again' if release else 'a person decides'}.", as_json)


@contextmanager
def _opened(hub: str) -> "Iterator[tuple[Hub, Feedback]]":
    from hub.feedback import Feedback
    from hub.hub import Hub

    opened = Hub(hub, create=False)
    log = Feedback(opened)
    try:
        yield opened, log
    finally:
        log.close()


def _tell(found: "Canary", sentence: str, as_json: bool) -> None:
    if as_json:
        document(asdict(found))
    else:
        show(sentence)


def _sentence(found: "Compared", done: bool) -> str:
    held: Any = " It is held: a person decides." if found.canary.held else ""
    what = found.decision if done or found.decision == "wait" else f"would {found.decision}"
    return f"{found.canary.name}@{found.canary.version}: {what}. {found.why[0].upper()}{found.why[1:]}.{held}"
